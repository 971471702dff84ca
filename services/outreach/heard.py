"""What others told this desk: who lives in a household, without names."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach import tables
from shared.contracts.event import HouseholdId, MemberId, Month
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberCorrected, MemberJoined, MemberLeft, MemberRole
from shared.runtime.database import Read, Transaction

h, m = tables.household, tables.member


@dataclass(frozen=True, slots=True)
class Member:
    member_id: MemberId
    role: MemberRole
    birth_month: Month | None
    left: LeavingReason | None = None


async def registered(tx: Transaction, event: HouseholdRegistered) -> None:
    statement = insert(h).values(household_id=event.household_id, area=event.area.value)
    await tx.execute(statement.on_conflict_do_update(index_elements=["household_id"], set_={"area": event.area.value}))


async def hide_place(tx: Transaction, household_id: HouseholdId) -> None:
    """The household is protected: nothing here says any longer where it lives."""
    await tx.execute(update(h).where(h.c.household_id == household_id).values(area=Area.UNKNOWN.value))


async def joined(tx: Transaction, event: MemberJoined | MemberCorrected) -> None:
    """A member who joins again after leaving is present again; a correction leaves that as it is."""
    values: dict[str, Any] = {"role": event.role.value, "birth_month": event.birth_month}
    if isinstance(event, MemberJoined):
        values |= {"left_reason": None, "left_on": None}
    statement = insert(m).values(household_id=event.household_id, member_id=event.member_id, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=values))


async def left(tx: Transaction, event: MemberLeft) -> None:
    """見守りは終わらせない。終えるのは人が決める（名簿に「転出」などの印が出る）。"""
    gone = update(m).where(m.c.household_id == event.household_id, m.c.member_id == event.member_id)
    await tx.execute(gone.values(left_reason=event.reason.value, left_on=event.effective_on))


async def area(handle: Read, household_id: HouseholdId) -> Area:
    found = await handle.scalar(select(h.c.area).where(h.c.household_id == household_id))
    return Area(found) if found else Area.UNKNOWN


async def members(handle: Read, household_id: HouseholdId) -> list[Member]:
    """年長の順。離れた人も、見守りが残っていれば要るので含む。"""
    rows = await handle.rows(select(m).where(m.c.household_id == household_id).order_by(m.c.birth_month.asc().nulls_last(), m.c.member_id))
    return [Member(row.member_id, MemberRole(row.role), row.birth_month, LeavingReason(row.left_reason) if row.left_reason else None) for row in rows]


def age_about(birth_month: Month, on: date) -> int:
    """生年月だけで数えた年齢（歳）。その月のうちは、もう誕生日が来たものとして数える。"""
    year, month = (int(part) for part in birth_month.split("-"))
    return on.year - year - (on.month < month)
