"""事実: 区分で記録し、取り下げる (domain.md §5.0)。他の窓口に届くのは種類・値・時期・確からしさだけ。"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.cases.casework import basis
from services.cases.casework.basis import NO_CONFERENCE, Conferences
from services.cases.casework.case import Case, must_be_open
from services.cases.casework.decision import Caseworker
from services.cases.casework.household import Household, month_of
from services.cases.casework.profile import Profile, Rules
from shared.contracts import consent_said
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.codes import FactKind
from shared.contracts.consent_said import Consents
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId, Confidence, HouseholdId, Lane, LegalBasis, MemberId, Month
from shared.contracts.lanes import ground
from shared.runtime.problems import Refusal


class FactUnreadable(Refusal):
    """A field does not fit the vocabulary; `fields` says which and what to do."""

    status = 422
    code = "fact_unreadable"
    sentence = "事実の記録を確かめてください。"


class FactGone(Refusal):
    code = "fact_gone"
    sentence = "この事実は、新しい記録に置きかわったか、すでに取り下げられています。画面を開き直してください。"


@dataclass(frozen=True, slots=True)
class Entry:
    """書こうとしている事実。`evidence` はどう確かめたかの一言で、この窓口の中だけに残る。"""

    fact_id: UUID
    kind: str
    value: str
    member_id: MemberId | None
    since: Month | None
    as_of: date
    confidence: Confidence
    legal_basis: LegalBasis
    evidence: str = ""
    #: 権利利益を不当に侵害するおそれがないことを確かめた（69条2項3号・4号のとき）
    harm_checked: bool = False
    #: そう考えたわけ。この窓口の中だけに残る
    harm_note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    fact_id: UUID
    household_id: HouseholdId
    case_id: CaseId
    kind: str
    value: str
    member_id: MemberId | None
    since: Month | None
    as_of: date
    confidence: Confidence
    legal_basis: LegalBasis
    by: Caseworker
    evidence: str = ""
    supersedes: UUID | None = None
    retracted_on: date | None = None
    current: bool = True
    harm_checked: bool = False
    harm_note: str = ""
    #: この事実を知らせた会議。その出席者だけが、その期間だけ見られる
    conference_id: UUID | None = None

    @property
    def circle(self) -> UUID | None:
        """支援会議で知らせた事実を読む人の輪: その会議。ほかの事実に輪はない。"""
        return self.conference_id if self.legal_basis.lane is Lane.ART106_6 else None


def record(
    case: Case,
    entry: Entry,
    *,
    household: Household,
    known: Iterable[Fact],
    consents: Consents,
    by: Caseworker,
    on: date,
    profile: Profile,
    rules: Rules,
    conferences: Conferences = NO_CONFERENCE,
    lacks: str = "",
    approved: bool = False,
) -> Outcome[Fact]:
    """事実を記録する。同じ人の同じ種類の前の記録に代わる（課題のように重なるものは、同じ値の記録にだけ代わる）。

    根拠に会議があり（同意・106条の6）、その会議がいま続いていれば（`conferences`）、その会議で知らせた事実になる。
    支援会議で知らせた事実は、同じ会議の記録にだけ代わる: 出席していない人の記録を、見えないところで変えない。
    語彙にない値・合わない人・先の日付は FactUnreadable、終結済みは CaseIsClosed、同意のない「同意」は ConsentIsMissing、
    足りないのが目的（`lacks`）なら ConsentForAnotherPurpose、会議を開かない窓口で、出席していない支援会議を根拠にすれば NotAtTheConference。
    承認の要る根拠なら、上司が承認する（`approved`）までは何も知らせない。
    """
    must_be_open(case)
    _must_be_readable(entry, household, on, rules)
    if entry.legal_basis is LegalBasis.ART106_6 and entry.legal_basis in profile.bases and not profile.convenes:
        basis.attended(conferences)
    said = _consent_that_counts(case, entry, consents)
    basis.must_be_ours(entry.legal_basis, profile.bases)
    basis.must_be_agreed(entry.legal_basis, said, lacks)
    basis.must_harm_nobody(entry.legal_basis, entry.harm_checked, entry.harm_note)
    fact = Fact(
        fact_id=entry.fact_id,
        household_id=case.household_id,
        case_id=case.case_id,
        kind=entry.kind,
        value=entry.value,
        member_id=entry.member_id,
        since=entry.since,
        as_of=entry.as_of,
        confidence=entry.confidence,
        legal_basis=entry.legal_basis,
        by=by,
        evidence=entry.evidence,
        harm_checked=entry.harm_checked,
        harm_note=entry.harm_note,
        conference_id=_told_in(entry.legal_basis, conferences, on),
    )
    before = next((one for one in known if one.current and _replaces(fact, one, rules)), None)
    fact = replace(fact, supersedes=before.fact_id if before else None)
    waits = basis.needs_approval(entry.legal_basis) and not approved
    return Outcome(fact, () if waits else (_recorded(fact),))


def retract(fact: Fact, *, on: date) -> Outcome[Fact]:
    """誤りだった記録を取り下げる。前の記録は戻らない（確かめて、記録し直す）。"""
    if not fact.current or fact.retracted_on is not None:
        raise FactGone
    event = FactRetracted(household_id=fact.household_id, legal_basis=fact.legal_basis, fact_id=fact.fact_id)
    return Outcome(replace(fact, retracted_on=on, current=False), (event,))


def _told_in(basis: LegalBasis, conferences: Conferences, on: date) -> UUID | None:
    """会議の種類は根拠が決める: 支援会議の事実は支援会議に、同意の事実は重層的支援会議に。"""
    forum = ground(basis, on).forum
    return conferences.get(forum) if forum else None


def _consent_that_counts(case: Case, entry: Entry, consents: Consents) -> ConsentState:
    """その人の同意だけが数えられる。「同意あり」という記録はその始まり。世帯の事実は、主に支える人の全員の同意による。"""
    if entry.kind == consent_said.KIND and entry.value == ConsentState.GIVEN:
        return ConsentState.GIVEN
    return consent_said.of(consents, entry.member_id) if entry.member_id else consent_said.of_all(consents, case.member_ids)


def _replaces(new: Fact, fact: Fact, rules: Rules) -> bool:
    same = (fact.kind, fact.member_id, fact.circle) == (new.kind, new.member_id, new.circle)
    return same and (new.kind not in rules.many_valued or fact.value == new.value)


def _must_be_readable(entry: Entry, household: Household, on: date, rules: Rules) -> None:
    kind = rules.vocabulary.get(entry.kind)
    if kind is None or not rules.asks(entry.kind):
        raise FactUnreadable(fields={"kind": "この窓口で記録する事実の種類を選んでください。"})
    wrong = _wrong_person(entry, kind, household) | _wrong_time(entry, household, on)
    if entry.kind == consent_said.KIND and entry.legal_basis is LegalBasis.ART106_6:
        wrong["legal_basis"] = "同意は、会議で知ったことにはできません。本人に確かめて、ほかの根拠で記録してください。"
    if entry.kind == consent_said.KIND and basis.needs_approval(entry.legal_basis):
        wrong["legal_basis"] = "本人に聞けた同意に、この根拠は要りません。ほかの根拠で記録してください。"
    if entry.value not in kind.values:
        wrong["value"] = f"「{kind.label}」の値を選んでください。"
    if wrong:
        raise FactUnreadable(fields=wrong)


def _wrong_person(entry: Entry, kind: FactKind, household: Household) -> dict[str, str]:
    if entry.member_id is None:
        return {"member_id": "だれのことかを選んでください。"} if kind.scope == "member" else {}
    if kind.scope == "household":
        return {"member_id": f"「{kind.label}」は世帯の事実です。「世帯」を選んでください。"}
    if household.member(entry.member_id) is None:
        return {"member_id": "この世帯の人ではありません。世帯の顔ぶれから選び直してください。"}
    return {}


def _wrong_time(entry: Entry, household: Household, on: date) -> dict[str, str]:
    wrong = {}
    if entry.as_of > on:
        wrong["as_of"] = "確かめた日が先の日付です。今日までの日を入れてください。"
    member = household.member(entry.member_id) if entry.member_id else None
    if entry.since and entry.since > month_of(on):
        wrong["since"] = "「いつから」が先の年月です。今月までの年月を入れてください。"
    elif entry.since and member and member.birth_month and entry.since < member.birth_month:
        wrong["since"] = "「いつから」が生まれる前の年月です。年月を確かめてください。"
    return wrong


def _recorded(fact: Fact) -> FactRecorded:
    return FactRecorded(
        household_id=fact.household_id,
        legal_basis=fact.legal_basis,
        fact_id=fact.fact_id,
        member_id=fact.member_id,
        kind=fact.kind,
        value=fact.value,
        since=fact.since,
        as_of=fact.as_of,
        confidence=fact.confidence,
        supersedes=fact.supersedes,
    )
