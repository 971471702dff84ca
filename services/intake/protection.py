"""保護（DV等支援措置、本人・関係機関の申し出）。domain.md §1.5。

支援措置は一年で切れるが、切れても職員が確かめるまで保護は続く。世帯のだれか一人の保護で、世帯全員の所在を伏せる。
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from services.intake.household import Household
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.contracts.household import Area, HouseholdRegistered
from shared.contracts.protection import ConflictDeclared, ConflictKind, ProtectionDeclared, ProtectionKind, ProtectionLifted
from shared.runtime.problems import ChangedMeanwhile, FormIncomplete, Refusal

BASIS = LegalBasis.INTERNAL_69_2_2


class Restriction(StrEnum):
    """連絡のしかたの制限。"""

    NO_PHONE = "no_phone"
    NO_VOICEMAIL = "no_voicemail"
    NO_LINE = "no_line"
    NO_VISIT = "no_visit"
    PLAIN_ENVELOPE = "plain_envelope"

    @property
    def label(self) -> str:
        return {
            "no_phone": "電話不可", "no_voicemail": "留守番電話に残さない", "no_line": "LINE・SNS不可", "no_visit": "訪問不可",
            "plain_envelope": "無地の封筒で送る",
        }[self.value]  # fmt: skip


class ProtectionIncomplete(FormIncomplete):
    code = "protection_incomplete"
    sentence = "保存していません。次のところを直してください。"


class ReasonForLifting(Refusal):
    status = 422
    code = "reason_for_lifting"
    sentence = "保護を終えるときは、だれに何を確かめたかを10字以上で書いてください。"


class Urge(StrEnum):
    """いま手当てが要るか。"""

    LAPSED = "lapsed"
    SOON = "soon"
    NONE = "none"

    @property
    def label(self) -> str:
        return {
            "lapsed": "期限切れ（保護は続いています。確かめてください）",
            "soon": "まもなく期限（延長を確かめてください）",
            "none": "保護中",
        }[self.value]

    @property
    def tone(self) -> str:
        return {"lapsed": "danger", "soon": "warning", "none": "info"}[self.value]


@dataclass(frozen=True, slots=True)
class Protection:
    id: UUID
    household_id: HouseholdId
    member_id: MemberId
    kind: ProtectionKind
    since: date
    expires_on: date | None
    send_to: str = ""
    restrictions: tuple[Restriction, ...] = ()
    note: str = ""
    lifted_on: date | None = None
    version: int = 1

    def urge(self, today: date, remind_days: int) -> Urge:
        if self.expires_on is None or self.lifted_on:
            return Urge.NONE
        if self.expires_on < today:
            return Urge.LAPSED
        return Urge.SOON if self.expires_on - timedelta(days=remind_days) <= today else Urge.NONE


@dataclass(frozen=True, slots=True)
class Standing:
    """ほかの世帯で続いている、同じ人の保護。"""

    kind: ProtectionKind
    expires_on: date | None


#: 送付先と連絡の制限は、移る前の世帯のもの。保護担当が聞き直す
FOLLOWED = "ほかの世帯で保護されている人と、生年月日と氏名が同じなので始まりました。同じ人か、送付先と連絡の制限も確かめてください。"


def a_year_from(since: date) -> date:
    """支援措置の期間は申出から一年 [F31]。2月29日からは、翌年の2月28日まで。"""
    try:
        return since.replace(year=since.year + 1) - timedelta(days=1)
    except ValueError:
        return date(since.year + 1, 2, 28)


def declare(given: Protection, home: Household) -> Outcome[Protection]:
    """保護を始める。支援措置の期限が空なら一年。期限は支援措置だけのもの。"""
    home.member(given.member_id)
    expires = (given.expires_on or a_year_from(given.since)) if given.kind is ProtectionKind.SHIEN_SOCHI else None
    if expires and expires < given.since:
        raise ProtectionIncomplete(fields={"expires_on": "始まりより後の日付にしてください。"})
    return _declared(replace(given, expires_on=expires))


def follow(household_id: HouseholdId, member_id: MemberId, standing: Standing, *, new_id: UUID, on: date) -> Outcome[Protection]:
    """ほかの世帯で続いている保護を、その人のいるこの世帯でも始める。期限は同じ。切れていても、確かめるまで続く。"""
    return _declared(Protection(new_id, household_id, member_id, standing.kind, on, standing.expires_on, note=FOLLOWED))


def renew(known: Protection, expires_on: date, *, seen_version: int, today: date) -> Outcome[Protection]:
    """支援措置の延長を記録する。"""
    _current(known, seen_version)
    if expires_on <= today:
        raise ProtectionIncomplete(fields={"expires_on": "今日より後の日付を入れてください。"})
    return _declared(replace(known, expires_on=expires_on, version=known.version + 1))


def lift(known: Protection, home: Household, *, reason: str, seen_version: int, on: date, others: int) -> Outcome[Protection]:
    """確かめたうえで保護を終える。ほかに保護のない世帯なら、圏域をまた知らせる。"""
    _current(known, seen_version)
    if len(reason.strip()) < 10:
        raise ReasonForLifting(fields={"reason": ReasonForLifting.sentence})
    lifted = replace(known, lifted_on=on, note=f"{known.note}\n{reason}".strip(), version=known.version + 1)
    events = [ProtectionLifted(household_id=known.household_id, legal_basis=BASIS, protection_id=known.id, lifted_on=on)]
    again = [] if others else [HouseholdRegistered(household_id=home.id, legal_basis=BASIS, area=home.area)]
    return Outcome(lifted, (*events, *again))


def _current(known: Protection, seen_version: int) -> None:
    if known.lifted_on or known.version != seen_version:
        raise ChangedMeanwhile


def _declared(given: Protection) -> Outcome[Protection]:
    event = ProtectionDeclared(
        household_id=given.household_id, legal_basis=BASIS, protection_id=given.id, member_id=given.member_id, kind=given.kind,
        since=given.since, expires_on=given.expires_on,
    )  # fmt: skip
    return Outcome(given, (event,))


def masked(home: Household) -> Household:
    """所在を伏せた世帯: 圏域・町名・電話がない。"""
    members = tuple(replace(one, person=replace(one.person, phone="")) for one in home.members)
    return replace(home, area=Area.UNKNOWN, town="", members=members)


def conflict(conflict_id: UUID, household_id: HouseholdId, staff: str, kind: ConflictKind) -> ConflictDeclared:
    return ConflictDeclared(household_id=household_id, legal_basis=BASIS, conflict_id=conflict_id, staff=staff, kind=kind)
