"""相談受付・申込票 (FM1) に書かれたこと。値だけを持ち、何も決めない。"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from services.intake.household import Person
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import HouseholdId
from shared.contracts.household import Area


@dataclass(frozen=True, slots=True)
class Concern:
    """気になること。`kind` と `value` は事実の語彙（facts.yaml）の値。聞き取りなので確からしさは reported。"""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """来談者（本人以外のとき）。"""

    name: str = ""
    relation: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class SheetPerson:
    person: Person
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """書かれた相談受付票。`persons` の先頭が対象の人。`problems` は読み取れなかった欄（欄→文）。"""

    form_key: UUID
    route: str = ""
    visitor: Visitor = Visitor()
    persons: tuple[SheetPerson, ...] = (SheetPerson(Person()),)
    name_unknown: bool = False
    area: Area = Area.UNKNOWN
    town: str = ""
    household_concerns: tuple[Concern, ...] = ()
    text: str = ""
    topics: tuple[str, ...] = ()
    main_topic: str | None = None
    urgency: Urgency | None = Urgency.D
    urgency_confirmed: bool = False
    supports: tuple[str, ...] = ()
    consent: ConsentState = ConsentState.NOT_ASKED
    refer_to: tuple[str, ...] = ()
    household_id: HouseholdId | None = None
    not_same: tuple[UUID, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
