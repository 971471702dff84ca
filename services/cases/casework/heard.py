"""What others told this desk: who lives in a household (without names), and which other desks know it."""

from datetime import date
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import tables
from services.cases.casework.household import Household, Member
from services.cases.casework.involvement import Kind, Trace
from shared.contracts.event import ConsultationId, HouseholdId
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.runtime.database import Read, Transaction

h, m, v = tables.household, tables.member, tables.involvement


async def household(handle: Read, household_id: HouseholdId) -> Household:
    """顔ぶれは年長の順。まだ聞いていない世帯は、空の世帯として扱う。"""
    area = await handle.scalar(select(h.c.area).where(h.c.household_id == household_id))
    rows = await handle.rows(select(m).where(m.c.household_id == household_id).order_by(m.c.birth_month.asc().nulls_last(), m.c.member_id))
    return Household(household_id, Area(area) if area else Area.UNKNOWN, tuple(_member(row) for row in rows))


def _member(row: Any) -> Member:
    reason = LeavingReason(row.left_reason) if row.left_reason else None
    return Member(row.member_id, MemberRole(row.role), row.birth_month, reason, row.left_on)


async def begun(tx: Transaction, trace: Trace) -> None:
    """Another desk knows this household. An end that was heard before its beginning stays an end."""
    values: dict[str, Any] = {"household_id": trace.household_id, "unit": trace.unit, "kind": trace.kind.value, "since": trace.since}
    values |= {"consultation_id": trace.consultation_id}
    statement = insert(v).values(trace_id=trace.trace_id, until=trace.until, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["trace_id"], set_=values))


async def ended(tx: Transaction, trace: Trace) -> None:
    """The answer to a referral may overtake the referral itself, since they come from different desks: it is kept either way."""
    statement = insert(v).values(
        trace_id=trace.trace_id, household_id=trace.household_id, unit=trace.unit, kind=trace.kind.value, since=trace.since, until=trace.until
    )
    await tx.execute(statement.on_conflict_do_update(index_elements=["trace_id"], set_={"until": statement.excluded.until}))


async def withdrawn(tx: Transaction, consultation_id: ConsultationId, on: date) -> None:
    """The reception was cancelled: nobody has to answer a referral that came from it. A desk that accepted it has a case of its own."""
    waiting = update(v).where(v.c.consultation_id == consultation_id, v.c.kind == Kind.REFERRAL.value, v.c.until.is_(None))
    await tx.execute(waiting.values(until=on))


async def resumed(tx: Transaction, trace: Trace) -> None:
    """A closed case that was opened again."""
    statement = insert(v).values(trace_id=trace.trace_id, household_id=trace.household_id, unit=trace.unit, kind=trace.kind.value)
    await tx.execute(statement.on_conflict_do_update(index_elements=["trace_id"], set_={"until": None}))


async def traces(handle: Read, household_id: HouseholdId) -> list[Trace]:
    rows = await handle.rows(select(v).where(v.c.household_id == household_id, v.c.until.is_(None)))
    return [Trace(row.trace_id, row.household_id, row.unit, Kind(row.kind), row.since, row.until, row.consultation_id) for row in rows]
