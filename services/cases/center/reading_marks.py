"""ふだんと違う閲覧の印を読み書きする。印は足すだけで、書きかえない。一覧で選べなくなった月のものは消す（監査には残る）。"""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text

from services.cases.center.reading_mark import Found, Mark, MarkedMeanwhile, Outcome
from shared.contracts.event import StaffId
from shared.runtime.database import Read, Transaction


class Key(NamedTuple):
    """一覧の一行: どの窓口で、だれが、どの世帯を。"""

    unit: str
    actor: str
    household_id: UUID


_OF_MONTH = text(
    "select distinct on (unit, actor, household_id) * from reading_mark where month = :month order by unit, actor, household_id, nth desc"
)
_OF_LINE = "from reading_mark where month = :month and unit = :unit and actor = :actor and household_id = :household_id"
_LAST = text(f"select * {_OF_LINE} order by nth desc limit 1")
#: 画面で見ていた印（:seen 番目）が、まだ最後のときだけ。同時の二人は主キーで一人になる
_ADD = text(
    f"""
    insert into reading_mark (month, unit, actor, household_id, nth, outcome, reason, marked_at, marked_by)
    select :month, :unit, :actor, :household_id, :seen + 1, :outcome, :reason, :now, :by
    where (select coalesce(max(nth), 0) {_OF_LINE}) = :seen
    on conflict do nothing
    """
)
_FORGET = text("delete from reading_mark where month < :oldest")


async def of_month(handle: Read, month: str) -> dict[Key, Mark]:
    """それぞれの行の、最後の印。"""
    return {Key(row.unit, row.actor, row.household_id): _mark(row) for row in await handle.rows(_OF_MONTH, {"month": month})}


async def add(tx: Transaction, month: str, key: Key, seen: int, outcome: Outcome, found: Found | None, *, by: StaffId) -> None:
    """Raises MarkedMeanwhile: 見ていた印のあとに、別の印が付いた。"""
    line = {"month": month, **key._asdict()}
    if not await tx.execute(_ADD, line | {"seen": seen, "outcome": outcome.value, "reason": found and found.value, "now": tx.now, "by": by}):
        before = await tx.row(_LAST, line)
        raise MarkedMeanwhile(theirs=_shown(_mark(before)) if before else {}, yours={"印": Mark(0, outcome, found, tx.now, by).said, "付けた人": by})


async def forget(tx: Transaction, oldest: str) -> None:
    await tx.execute(_FORGET, {"oldest": oldest})


def _shown(mark: Mark) -> dict[str, str]:
    return {"印": mark.said, "付けた人": mark.by}


def _mark(row: Row[Any]) -> Mark:
    return Mark(row.nth, Outcome(row.outcome), Found(row.reason) if row.reason else None, row.marked_at, row.marked_by)
