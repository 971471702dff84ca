"""同意について聞いた言葉: 一人ずつのもの。家族の同意は代わりにならず、聞いていない人は「まだ」(domain.md §1.4)。Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from uuid import UUID

from shared.contracts.case import FactRecorded
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, Purpose
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, MemberId, UnitCode
from shared.contracts.referral import ReferralMade

KIND = "consent"
INTAKE = "intake"
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
    #: 最後の日。期間を限らずに聞いた同意なら None
    until: date | None = None
    #: 同意の相手。限らずに聞いた同意なら None
    recipients: tuple[UnitCode, ...] | None = None
    #: 同意の目的。限らずに聞いた同意なら None
    purposes: tuple[Purpose, ...] | None = None
    #: つなぎに添えられた言葉: 前に聞いた同意の期間・相手・目的を変えない
    beside: bool = False


class Change(IntEnum):
    """言葉を聞いて、同意がどう変わったか。`LOST` は、あった同意がなくなった。"""

    NOTHING = 0
    CHANGED = 1
    LOST = 2


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
    if source != INTAKE:
        whose = event.member_ids if event.consent is ConsentState.GIVEN or len(event.member_ids) == 1 else ()
    if event.consent is ConsentState.NOT_ASKED:
        whose = ()  # that nobody asked takes back nothing that was said before
    return tuple(Said(event.referral_id, event.household_id, member, event.consent, event.made_on, at, beside=True) for member in whose)


def by_fact(event: FactRecorded, source: UnitCode, at: datetime) -> Said | None:
    """受付で聞いた「同意あり」は、つないだ窓口だけが相手なので、同じ番号の同意（`by_consent`）とつなぎが言う。同意のほかの事実なら None。"""
    if event.kind != KIND or event.member_id is None:
        return None
    state = state_of(event.value)
    if source == INTAKE and state is ConsentState.GIVEN:
        return None
    return Said(event.fact_id, event.household_id, event.member_id, state, event.as_of, at)


def by_consent(event: ConsentGiven, at: datetime) -> Said:
    """受付が書いた同意。相手にこの窓口があるときだけ、この窓口のもの。"""
    about = (event.consent_id, event.household_id, event.member_id)
    return Said(*about, ConsentState.GIVEN, event.valid_from, at, event.valid_to, event.recipients, event.purposes)


def by_withdrawal(event: ConsentWithdrawn, at: datetime) -> Said:
    return Said(event.withdrawal_id, event.household_id, event.member_id, ConsentState.REFUSED, event.withdrawn_on, at)
