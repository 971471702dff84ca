"""だれが見たか (request/reply on `svc.<unit>.seen.<asker>`): every unit answers out of its own audit, and records that it was asked.

Ids and codes only. A list or a search that showed a household is found by it, but does not say which other households it showed.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.event import Code, HouseholdId, StaffId

#: entries in one answer at most: an answer must fit into one message of the broker
MOST = 400


class Why(StrEnum):
    """なぜ調べるか。調べたことも、この目的とともに、たずねた窓口すべてに記録される。"""

    AUDIT = "audit"
    OWN_DATA = "own_data"
    BREACH = "breach"
    COMPLAINT = "complaint"

    @property
    def label(self) -> str:
        return {"audit": "定期の監査", "own_data": "本人からの開示請求・問い合わせ", "breach": "漏えい等の調査", "complaint": "苦情・内部通報の調査"}[
            self
        ]


class SeenRequest(BaseModel):
    """By household, by staff member, or by both; at least one, or a receipt number that intake resolves. `since` ≤ at < `until`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: StaffId
    roles: tuple[Code, ...]
    why: Why
    household_id: HouseholdId | None = None
    receipt_no: Code | None = None
    actor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@:+-]{1,80}$")] | None = None
    since: datetime
    until: datetime
    #: goes on below this row of the former answer
    before: int | None = None

    @model_validator(mode="after")
    def _aware(self) -> Self:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("times are aware")
        return self


class SeenEntry(BaseModel):
    """One row of an audit. `shown` is how many households it was about; `object_id` is told only where that is one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    row: int
    at: datetime
    actor: str
    roles: tuple[str, ...]
    action: str
    object_kind: str
    object_id: str | None = None
    household_id: UUID | None = None
    shown: int = 1
    purpose: str | None = None
    legal_basis: str | None = None
    returned: tuple[str, ...] = ()
    decision: str = "allow"
    terminal: str | None = None
    trace_id: str | None = None


class SeenAnswer(BaseModel):
    """Newest first. `before`: there is more, ask again with it. `household_id`: what a receipt number stands for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    entries: tuple[SeenEntry, ...] = ()
    before: int | None = None
    household_id: HouseholdId | None = None
