"""どこまで読み込んだか。The position stands in the unit's own audit table, in the COMMIT of the work: a kill loses and doubles nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import text

from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Database, Transaction

KIND = "fictional_city"
_LOADED = text("select object_id from audit where object_kind = :kind and action = 'load' order by id")

#: who stands in the audit for these rows: no person did them
LOADER = Staff(sub="fictional-city", name="架空の市の読み込み", roles=frozenset({"operator"}), domains=frozenset(), team="")


@dataclass(frozen=True)
class Mark:
    """`town` up to `position` commands of this unit were played; the history ends at `until`."""

    town: str
    until: datetime
    position: int

    def __str__(self) -> str:
        return f"{self.town} {self.until.isoformat()} {self.position}"

    @classmethod
    def read(cls, written: str) -> "Mark":
        town, until, position = written.split(" ")
        return cls(town, datetime.fromisoformat(until), int(position))


@dataclass(frozen=True)
class Ledger:
    """What one unit's database has of the fictional city."""

    until: datetime | None = None
    positions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    async def of(cls, database: Database) -> "Ledger":
        async with database.read() as rd:
            marks = [Mark.read(row.object_id) for row in await rd.rows(_LOADED, {"kind": KIND})]
        return cls(marks[0].until if marks else None, {mark.town: mark.position for mark in marks})


async def write(tx: Transaction, mark: Mark) -> None:
    """Leaves the time of the transaction as it was: the events of the batch belong to the day they tell of."""
    told, tx.now = tx.now, datetime.now(UTC)
    await audit.record(tx, LOADER, "load", KIND, mark)
    tx.now = told
