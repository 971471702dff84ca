"""消去の停止（開示請求中・係争中）: intake places and lifts it, every unit hears of it and keeps what it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import text

from shared.contracts.event import HouseholdId, LegalBasis
from shared.contracts.retention import HoldLifted, HoldPlaced, HoldReason
from shared.desk.wareki import japan_day
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

BASIS = LegalBasis.INTERNAL_69_2_2
_PLACE = text(
    """
    insert into legal_hold (hold_id, household_id, reason, placed_on, placed_by) values (:hold_id, :household_id, :reason, :on, :by)
    on conflict (hold_id) do update set reason = excluded.reason, placed_on = excluded.placed_on
    """
)
#: The end may overtake the beginning when a beginning is sent again: it is kept either way.
_LIFT = text(
    """
    insert into legal_hold (hold_id, household_id, reason, placed_on, lifted_on, lifted_by) values (:hold_id, :household_id, :reason, :on, :on, :by)
    on conflict (hold_id) do update set lifted_on = coalesce(legal_hold.lifted_on, excluded.lifted_on), lifted_by = excluded.lifted_by
    """
)
_STANDING = text("select household_id from legal_hold where lifted_on is null and household_id = any(:households)")
_OF = text("select * from legal_hold where household_id = :household order by placed_on, hold_id")
_OPEN = text("select * from legal_hold where lifted_on is null order by placed_on, hold_id")
_ONE = text("select * from legal_hold where hold_id = :hold_id for update")


@dataclass(frozen=True, slots=True)
class Hold:
    hold_id: UUID
    household_id: HouseholdId
    reason: HoldReason
    placed_on: date
    placed_by: str | None
    lifted_on: date | None
    lifted_by: str | None


class LiftReason(StrEnum):
    """停止を解くわけ。"""

    ANSWERED = "answered"
    SETTLED = "settled"
    ENDED = "ended"
    MISTAKE = "mistake"

    @property
    def label(self) -> str:
        words = {"answered": "開示・訂正・利用停止の決定をした", "settled": "争いが終わった", "ended": "調査が終わった", "mistake": "誤って停止した"}
        return words[self.value]


class HoldNotFound(NotFound):
    code = "hold_not_found"
    sentence = "この停止は見つからないか、もう解かれています。画面を開き直してください。"


async def place(tx: Transaction, staff: Staff, household_id: HouseholdId, reason: HoldReason) -> UUID:
    """止めて、記録し、知らせる。一つの世帯に、理由ごとにいくつ置いてもよい。"""
    hold_id, on = uuid4(), japan_day(tx.now)
    await tx.execute(_PLACE, {"hold_id": hold_id, "household_id": household_id, "reason": reason.value, "on": on, "by": staff.sub})
    await audit.record(tx, staff, "hold", "legal_hold", hold_id, household_id=household_id, purpose=reason.value)
    tx.publish(HoldPlaced(household_id=household_id, legal_basis=BASIS, hold_id=hold_id, reason=reason, placed_on=on))
    return hold_id


async def lift(tx: Transaction, staff: Staff, hold_id: UUID, *, why: LiftReason) -> Hold:
    """解いて、記録し、知らせる。Raises HoldNotFound."""
    row = await tx.row(_ONE, {"hold_id": hold_id})
    if row is None or row.lifted_on is not None:
        raise HoldNotFound
    on = japan_day(tx.now)
    await tx.execute(_LIFT, {"hold_id": hold_id, "household_id": row.household_id, "reason": row.reason, "on": on, "by": staff.sub})
    await audit.record(tx, staff, "lift", "legal_hold", hold_id, household_id=row.household_id, purpose=why.value)
    tx.publish(HoldLifted(household_id=row.household_id, legal_basis=BASIS, hold_id=hold_id, lifted_on=on))
    return _hold(row)


async def heard_placed(tx: Transaction, event: HoldPlaced) -> None:
    values = {"hold_id": event.hold_id, "household_id": event.household_id, "reason": event.reason.value, "on": event.placed_on, "by": None}
    await tx.execute(_PLACE, values)


async def heard_lifted(tx: Transaction, event: HoldLifted) -> None:
    values = {"hold_id": event.hold_id, "household_id": event.household_id, "reason": "", "on": event.lifted_on, "by": None}
    await tx.execute(_LIFT, values)


async def standing(handle: Read, households: Sequence[UUID]) -> set[UUID]:
    """止められている世帯。"""
    return {row.household_id for row in await handle.rows(_STANDING, {"households": list(households)})}


async def of_household(handle: Read, household_id: UUID) -> list[Hold]:
    return [_hold(row) for row in await handle.rows(_OF, {"household": household_id})]


async def open_ones(handle: Read) -> list[Hold]:
    return [_hold(row) for row in await handle.rows(_OPEN)]


def _hold(row: object) -> Hold:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    return Hold(**values | {"reason": HoldReason(values["reason"] or HoldReason.INVESTIGATION)})
