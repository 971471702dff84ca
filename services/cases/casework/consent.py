"""同意は一人ずつのもの。家族の同意は代わりにならず、聞いていない人は「まだ」(domain.md §1.4)。"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.contracts.case import FactRecorded
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, MemberId, UnitCode
from shared.contracts.referral import ReferralMade

KIND = "consent"
#: その世帯の、一人ひとりのいまの同意
Consents = Mapping[MemberId, ConsentState]


@dataclass(frozen=True, slots=True)
class Said:
    """ある人の同意について聞いたこと一つ。`source_id` は、もとになった事実かつなぎ。"""

    source_id: UUID
    household_id: HouseholdId
    member_id: MemberId
    state: ConsentState
    as_of: date
    said_at: datetime


def state_of(value: str) -> ConsentState:
    """事実の値から。撤回は「同意なし」と同じに扱う。"""
    return ConsentState.REFUSED if value == "withdrawn" else ConsentState(value)


def of(consents: Consents, member_id: MemberId) -> ConsentState:
    return consents.get(member_id, ConsentState.NOT_ASKED)


def of_all(consents: Consents, member_ids: tuple[MemberId, ...]) -> ConsentState:
    """みんなの同意: 全員が同意してはじめて「同意あり」。だれのことか決まっていなければ「まだ」。"""
    states = {of(consents, member) for member in member_ids}
    if states == {ConsentState.GIVEN}:
        return ConsentState.GIVEN
    return ConsentState.REFUSED if ConsentState.REFUSED in states else ConsentState.NOT_ASKED


def by_referral(event: ReferralMade, source: UnitCode, at: datetime) -> tuple[Said, ...]:
    """つなぎが言う同意。受付のつなぎでは相談した人（先頭）だけのもの。窓口のつなぎの「同意あり」は支える人みんなのもの。"""
    whose = event.member_ids[:1]
    if source != "intake":
        whose = event.member_ids if event.consent is ConsentState.GIVEN or len(event.member_ids) == 1 else ()
    if event.consent is ConsentState.NOT_ASKED:
        whose = ()  # that nobody asked takes back nothing that was said before
    return tuple(Said(event.referral_id, event.household_id, member, event.consent, event.made_on, at) for member in whose)


def by_fact(event: FactRecorded, at: datetime) -> Said | None:
    if event.kind != KIND or event.member_id is None:
        return None
    return Said(event.fact_id, event.household_id, event.member_id, state_of(event.value), event.as_of, at)
