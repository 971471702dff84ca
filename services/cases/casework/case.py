"""ケース: 開く・段階を変える・担当になる (domain.md §3.1)。終結は closing.py。"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from services.cases.casework import basis
from services.cases.casework.decision import Caseworker
from services.cases.casework.profile import Rules
from services.cases.casework.referral import Referral
from shared.contracts import consent_said
from shared.contracts.case import CaseOpened, CaseState, CaseStateChanged
from shared.contracts.consent_said import Consents
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.runtime.problems import Refusal

S = CaseState
#: 次に進める段階。終結は close、終結のあとのフォローと再開もここに並ぶ。
TRANSITIONS: Mapping[CaseState, tuple[CaseState, ...]] = {
    S.LEAD: (S.RECEIVED, S.CLOSED),
    S.RECEIVED: (S.SCREENED,),
    S.SCREENED: (S.ASSESSING, S.RELATION_BUILDING, S.CLOSED),
    S.RELATION_BUILDING: (S.ASSESSING, S.SUSPENDED),
    S.ASSESSING: (S.PLAN_DRAFT,),
    S.PLAN_DRAFT: (S.IN_CONFERENCE,),
    S.IN_CONFERENCE: (S.DECIDED, S.PLAN_DRAFT),
    S.DECIDED: (S.ACTIVE,),
    S.ACTIVE: (S.MONITORED,),
    S.MONITORED: (S.ACTIVE, S.EVALUATING),
    S.EVALUATING: (S.PLAN_DRAFT, S.SUSPENDED, S.CLOSED),
    S.SUSPENDED: (S.RELATION_BUILDING, S.CLOSED),
    S.CLOSED: (S.FOLLOW_UP, S.ASSESSING),
    S.FOLLOW_UP: (S.ASSESSING, S.CLOSED),
}
#: 段階の帯に出す順（横道の中断と終結後フォローは帯に出さない）
PATH = (S.RECEIVED, S.SCREENED, S.ASSESSING, S.PLAN_DRAFT, S.IN_CONFERENCE, S.DECIDED, S.ACTIVE, S.MONITORED, S.EVALUATING, S.CLOSED)


class CaseIsClosed(Refusal):
    code = "case_is_closed"
    sentence = "このケースは終結しています。書き加えるときは、先に「再開する」を押してください。"


class CaseMovedOn(Refusal):
    """Optimistic lock: another caseworker changed the case after this page was opened."""

    code = "case_moved_on"


class StateNotReachable(Refusal):
    code = "state_not_reachable"


class AnotherCaseIsOpen(Refusal):
    code = "another_case_is_open"
    sentence = "この世帯には、いま開いているケースがあります。そちらに記録してください。"


class ReasonMissing(Refusal):
    status = 422
    code = "reason_missing"
    sentence = "理由を選んでください。"


class WatchDateMissing(Refusal):
    status = 422
    code = "watch_date_missing"
    sentence = "中断しても見守りは続きます。次に様子を見る日を入れてください。"


@dataclass(frozen=True, slots=True)
class Case:
    """一つの世帯を、この窓口が続けて支える単位。`member_ids` は主に支える世帯員。"""

    case_id: CaseId
    household_id: HouseholdId
    state: CaseState
    member_ids: tuple[MemberId, ...]
    referral_id: ReferralId | None
    consent: ConsentState
    legal_basis: LegalBasis
    urgency: Urgency
    topics: tuple[str, ...]
    caseworker: Caseworker
    opened_on: date
    next_due: date | None = None
    next_action: str = ""
    last_contact_on: date | None = None
    suspend_reason: str | None = None
    close_reason: str | None = None
    closed_on: date | None = None
    version: int = 1

    @property
    def closed(self) -> bool:
        return self.state is CaseState.CLOSED

    def next_states(self) -> tuple[CaseState, ...]:
        return TRANSITIONS[self.state]


def open_case(
    referral: Referral, *, case_id: CaseId, by: Caseworker, on: date, rules: Rules, consents: Consents, otherwise: LegalBasis
) -> Outcome[Case]:
    """受理したつなぎからケースを開く。次の期限は、緊急度ごとの初回接触まで。同意は、つないだときではなく、いまのもの。"""
    received = Case(
        case_id=case_id,
        household_id=referral.household_id,
        state=CaseState.RECEIVED,
        member_ids=referral.member_ids,
        referral_id=referral.referral_id,
        consent=referral.consent,
        legal_basis=referral.legal_basis,
        urgency=referral.urgency,
        topics=referral.topics,
        caseworker=by,
        opened_on=on,
        next_due=on + timedelta(days=rules.first_contact_days[referral.urgency]),
        next_action="初回の接触",
    )
    case = agreed(received, consents, otherwise=otherwise)
    opened = CaseOpened(
        household_id=case.household_id,
        legal_basis=case.legal_basis,
        case_id=case.case_id,
        referral_id=case.referral_id,
        member_ids=case.member_ids,
        state=case.state,
        opened_on=on,
    )
    return Outcome(case, (opened,))


def join(case: Case, referral: Referral, *, on: date, rules: Rules) -> Outcome[Case]:
    """同じ世帯の二つめのつなぎは、開いているケースに合わせる。急ぐほうの緊急度と期限を取る。"""
    first = on + timedelta(days=rules.first_contact_days[referral.urgency])
    return Outcome(
        replace(
            case,
            member_ids=tuple(dict.fromkeys(case.member_ids + referral.member_ids)),
            topics=tuple(dict.fromkeys(case.topics + referral.topics)),
            urgency=min(case.urgency, referral.urgency),
            next_due=min(case.next_due or first, first),
            version=case.version + 1,
        )
    )


def change_state(
    case: Case,
    to: CaseState,
    *,
    seen: int,
    on: date,
    rules: Rules,
    reason: str | None = None,
    watch_on: date | None = None,
    another_is_open: bool = False,
) -> Outcome[Case]:
    """段階を進める。中断には理由と、次に様子を見る日が要る。終結は closing.py。"""
    must_be_current(case, seen)
    if case.closed and another_is_open:
        raise AnotherCaseIsOpen
    if to is CaseState.CLOSED or to not in case.next_states():
        after = "・".join(state.label for state in case.next_states() if state is not CaseState.CLOSED) or "なし"
        raise StateNotReachable(f"「{case.state.label}」から「{to.label}」へは進めません。進める段階は {after} です。")
    if to is CaseState.SUSPENDED:
        _must_be_watched(reason, watch_on, on, rules)
    due = watch_on or on + timedelta(days=rules.next_due_days[to])
    moved = replace(
        case,
        state=to,
        next_due=due,
        next_action="様子を見る" if to is CaseState.SUSPENDED else "",
        suspend_reason=reason if to is CaseState.SUSPENDED else None,
        close_reason=case.close_reason if to is CaseState.FOLLOW_UP else None,
        closed_on=case.closed_on if to is CaseState.FOLLOW_UP else None,
        version=case.version + 1,
    )
    return Outcome(moved, (_state_changed(moved, on),))


def take(case: Case, *, seen: int, by: Caseworker) -> Outcome[Case]:
    """自分の担当にする。誰が担当かは窓口の中のことなので、知らせない。"""
    must_be_current(case, seen)
    must_be_open(case)
    return Outcome(replace(case, caseworker=by, version=case.version + 1))


def agreed(case: Case, consents: Consents, *, otherwise: LegalBasis) -> Case:
    """一人ひとりの同意に、ケースを合わせる。主に支える人の全員が同意していなければ、これからの知らせの根拠は同意ではない。"""
    state = consent_said.of_all(consents, case.member_ids)
    return replace(case, consent=state, legal_basis=basis.following(case.legal_basis, state, otherwise))


def must_be_open(case: Case) -> None:
    if case.closed:
        raise CaseIsClosed


def must_be_current(case: Case, seen: int) -> None:
    if seen != case.version:
        now = f"いまは「{case.state.label}」、担当 {case.caseworker.name}さん"
        raise CaseMovedOn(f"このケースは先に更新されました（{now}）。画面を開き直して、もう一度お試しください。")


def _must_be_watched(reason: str | None, watch_on: date | None, on: date, rules: Rules) -> None:
    if reason not in rules.suspending:
        raise ReasonMissing(fields={"reason": ReasonMissing.sentence})
    if watch_on is None or watch_on <= on:
        raise WatchDateMissing(fields={"watch_on": WatchDateMissing.sentence})


def _state_changed(case: Case, on: date) -> CaseStateChanged:
    return CaseStateChanged(household_id=case.household_id, legal_basis=case.legal_basis, case_id=case.case_id, state=case.state, changed_on=on)
