"""十年の出来事を、窓口が実際にした操作として並べたもの。Each is one thing a desk did, at a time; load.py plays them through the units."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from deploy.city.people import Person
from deploy.city.places import Address


@dataclass(frozen=True, slots=True)
class Command:
    at: datetime
    household: UUID


@dataclass(frozen=True, slots=True)
class RegisterHousehold(Command):
    """住基の取り込み、または転入による世帯の登録。`duplicate_of` は、受付で気づかずに作った二重の世帯の、本当の世帯。"""

    address: Address
    members: tuple[Person, ...]
    moved_in: bool = False
    duplicate_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class JoinHousehold(Command):
    """出生・転入・同居で加わった。"""

    member: Person
    effective_on: date


@dataclass(frozen=True, slots=True)
class LeaveHousehold(Command):
    """死亡・転出・施設入所・離婚で離れた。`reason` は LeavingReason。"""

    member: UUID
    reason: str
    effective_on: date


@dataclass(frozen=True, slots=True)
class Refer:
    """つなぎ。`to` は窓口のコード。"""

    id: UUID
    to: str
    members: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ReceiveConsultation(Command):
    consultation: UUID
    topics: tuple[str, ...]
    main_topic: str
    route: str
    urgency: str
    consent: str
    text: str
    referrals: tuple[Refer, ...] = ()
    members: tuple[UUID, ...] = ()
    #: 気になること（聞き取り）: 世帯員、種類、値。ここでは故意の矛盾だけが入る
    concerns: tuple[tuple[UUID, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RenewConsent(Command):
    """同意を取り直す: その人の、その窓口 `to` への同意。"""

    consent: UUID
    member: UUID
    to: str


@dataclass(frozen=True, slots=True)
class AcceptReferral(Command):
    unit: str
    referral: Refer
    case: UUID


@dataclass(frozen=True, slots=True)
class DeclineReferral(Command):
    unit: str
    referral: Refer
    reason: str


@dataclass(frozen=True, slots=True)
class RecordFact(Command):
    unit: str
    case: UUID
    fact: UUID
    member: UUID | None
    kind: str
    value: str
    since: date | None = None
    confidence: str = "confirmed"


@dataclass(frozen=True, slots=True)
class AdvanceCase(Command):
    """ケースの段階を進める。`state` は CaseState。"""

    unit: str
    case: UUID
    state: str


@dataclass(frozen=True, slots=True)
class WriteNote(Command):
    """支援経過。"""

    unit: str
    case: UUID
    note: UUID
    method: str
    partner: str
    shared: str
    private: str


@dataclass(frozen=True, slots=True)
class CloseCase(Command):
    unit: str
    case: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class PlanWatch(Command):
    """つなぎを受理し、そのまま見守りを計画する。`tier` は WatchTier。"""

    plan: UUID
    referral: Refer
    member: UUID | None
    tier: str


@dataclass(frozen=True, slots=True)
class CheckIn(Command):
    """`until` は、理由の分かっている不在（known_away）がいつまでか。"""

    plan: UUID
    check: UUID
    outcome: str
    until: date | None = None
