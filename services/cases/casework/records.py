"""What is written down in a case: facts (said to the others) and notes (never leave this desk). Who reads which of them: `lanes.py`."""

from dataclasses import asdict, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import facts as facts_of_trade
from services.cases.casework import tables
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import Fact
from services.cases.casework.note import Note
from shared.contracts.decision import Outcome
from shared.contracts.event import Confidence, HouseholdId, LegalBasis, MemberId
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

f, n = tables.fact, tables.note


def fact_of(row: Row[Any]) -> Fact:
    values = dict(row._mapping)
    values.pop("recorded_at"), values.pop("ground", None)
    by = Caseworker(values.pop("by_sub"), values.pop("by_name"))
    current = values.pop("is_current")
    return Fact(**values | {"confidence": Confidence(row.confidence), "legal_basis": LegalBasis(row.legal_basis), "by": by, "current": current})


async def facts(handle: Read, household_id: HouseholdId) -> list[Fact]:
    """この窓口が記録した、その世帯の事実。古い順、終わったものも含む。"""
    return [fact_of(row) for row in await handle.rows(select(f).where(f.c.household_id == household_id).order_by(f.c.recorded_at, f.c.fact_id))]


async def fact_to_change(tx: Transaction, case_id: UUID, fact_id: UUID) -> Fact:
    row = await tx.row(select(f).where(f.c.fact_id == fact_id, f.c.case_id == case_id).with_for_update())
    if row is None:
        raise NotFound
    return fact_of(row)


async def add_fact(tx: Transaction, outcome: Outcome[Fact]) -> bool:
    """`fact_id` was given out with the form: the second press of the button finds it there and says nothing."""
    state = outcome.state
    values = asdict(state) | {"recorded_at": tx.now, "by_sub": state.by.sub, "by_name": state.by.name, "is_current": True}
    values.pop("by"), values.pop("current")
    if not await tx.execute(insert(f).values(values).on_conflict_do_nothing()):
        return False
    if state.supersedes:
        await tx.execute(update(f).where(f.c.fact_id == state.supersedes).values(is_current=False))
    tx.publish(*outcome.events)
    return True


async def save_retraction(tx: Transaction, outcome: Outcome[Fact]) -> None:
    gone = update(f).where(f.c.fact_id == outcome.state.fact_id).values(is_current=False, retracted_on=outcome.state.retracted_on)
    await tx.execute(gone)
    tx.publish(*outcome.events)


async def hide_shared(tx: Transaction, household_id: HouseholdId, member_id: MemberId, on: date) -> int:
    """本人の同意で知らせた、その人のいまの事実を取り下げる: 聞いた窓口の写しも消える。同意そのものの記録は残る。"""
    theirs = (f.c.household_id == household_id, f.c.member_id == member_id, f.c.legal_basis == LegalBasis.CONSENT.value)
    rows = await tx.rows(select(f).where(*theirs, f.c.is_current, f.c.kind != "consent").order_by(f.c.recorded_at, f.c.fact_id).with_for_update())
    for row in rows:
        await save_retraction(tx, facts_of_trade.retract(replace(fact_of(row), legal_basis=LegalBasis.INTERNAL_69_2_2), on=on))
    return len(rows)


async def keeps_file(handle: Read, household_id: HouseholdId) -> bool:
    """支援の記録があるか（終結したケースも）: 保存期間が終わるまで残る。"""
    c = tables.case_file
    return await handle.scalar(select(c.c.case_id).where(c.c.household_id == household_id).limit(1)) is not None


def note_of(row: Row[Any]) -> Note:
    values = dict(row._mapping)
    values.pop("ground")
    by = Caseworker(values.pop("by_sub"), values.pop("by_name"))
    return Note(**values, by=by)


async def add_note(tx: Transaction, state: Note) -> bool:
    """False for the second press of the button."""
    values = asdict(state) | {"by_sub": state.by.sub, "by_name": state.by.name}
    values.pop("by")
    return bool(await tx.execute(insert(n).values(values).on_conflict_do_nothing(index_elements=["note_id"])))
