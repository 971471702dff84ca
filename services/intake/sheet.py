"""相談受付・申込票 (FM1) に書かれたこと。値だけを持ち、何も決めない。"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from services.intake.household import Person
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import HouseholdId
from shared.contracts.household import Area

#: 票の中身ではないもの: 様式の鍵、読めなかった欄、確かめの印、年齢を聞いた日（日をまたいで送り直しても同じ票）
_NOT_WRITTEN = frozenset({"form_key", "problems", "urgency_confirmed", "asked_on"})


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

    @property
    def form_hash(self) -> str:
        """読み取った中身の SHA-256。同じ様式がもう一度届いたとき、書き足しがあるかを見分ける。読めない欄があれば、同じ票ではない。"""
        content = json.dumps([asdict(self, dict_factory=_written), dict(self.problems)], ensure_ascii=False, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()


def _written(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in _NOT_WRITTEN}
