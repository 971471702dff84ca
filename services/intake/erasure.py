"""世帯の消去: 人が決め、受付が身元を消し、すべての窓口に知らせる。一つの取引で、消した数まで記録する。"""

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, select

from services.intake import accounts, erasure_store, store
from services.intake.parameters import parameters_on
from services.intake.retention import EraseReason, next_review
from services.intake.tables import fact
from shared.contracts.case import FactRetracted
from shared.contracts.consultation import ConsultationWithdrawn
from shared.contracts.event import ConsultationId, HouseholdId, LegalBasis
from shared.contracts.receipt import ErasureReceived
from shared.contracts.retention import HouseholdErased
from shared.messaging import Envelope, Handlers
from shared.runtime import audit, holds
from shared.runtime.auth import Staff
from shared.runtime.database import Read, Transaction
from shared.runtime.erasure import AGAIN, SECOND_LOOK, Due, Keeper, Removed, day_of, mark
from shared.runtime.problems import ChangedMeanwhile, NotFound
from shared.runtime.retention import Periods, RecordClass, periods_on
from shared.runtime.sweeps import sweep_daily

BASIS = LegalBasis.INTERNAL_69_2_2
HERE = Path(__file__).parent
#: 期間が過ぎた相談を消すのは、決まりであって人ではない
BY_RULE = Staff("unit:intake", "", frozenset())
#: 一つの取引で消す相談の数
AT_ONCE = 100


def periods(on: date, city: Path | None) -> Periods:
    return periods_on(on, HERE, city, "intake")


async def erase(
    tx: Transaction, household_id: HouseholdId, reason: EraseReason, *, by: Staff, given: Periods, seen: str | None = None
) -> UUID:  # fmt: skip
    """消して、記録し、知らせる。Raises NotFound, ChangedMeanwhile（`seen` と数が違う）, ErasureBlocked."""
    today = day_of(tx.now)
    if not await erasure_store.hold_household(tx, household_id):
        raise NotFound("この世帯は見つかりません。もう消されていれば「消去の受領」に出ます。")
    found = await erasure_store.standing(tx, household_id)
    assert found is not None
    found.must_be_clear(reason, today, given)
    if seen is not None and (await erasure_store.contents(tx, household_id)).mark != seen:
        raise ChangedMeanwhile("確かめたあとに、この世帯の記録が変わりました。もう一度、消えるものを見てから決めてください。")
    return await _erase(tx, household_id, reason, by)


async def _erase(tx: Transaction, household_id: HouseholdId, reason: EraseReason, by: Staff) -> UUID:
    today, erasure_id = day_of(tx.now), uuid4()
    removed = await erasure_store.remove(tx, household_id)
    await mark(tx, household_id, erasure_id, today)
    await erasure_store.write(tx, erasure_id, household_id, reason, on=today, by=by.sub, removed=removed)
    await audit.record(tx, by, "erase", "household", household_id, household_id=household_id, purpose=reason.value, legal_basis=BASIS)
    tx.publish(HouseholdErased(household_id=household_id, legal_basis=BASIS, erasure_id=erasure_id, erased_on=today))
    tx.schedule(AGAIN, str(household_id), tx.now + SECOND_LOOK, household_id)
    return erasure_id


async def plan(rd: Read, on: date, given: Periods) -> list[Due]:
    """期間の過ぎた世帯（相談の記録）、見直す・消す時期の相談、残っている下書き。"""
    households = [
        Due(RecordClass.CONSULTATION, household_id, household_id, found.due_on(given), tuple(b for b in found.blocks(on, given) if b != "legal_hold"))
        for household_id, found in await erasure_store.consulted(rd)
    ]
    drafts = [Due(RecordClass.DRAFT, row.form_key, None, given.due(RecordClass.DRAFT, row.saved_on)) for row in await erasure_store.drafts(rd)]
    return [*households, *await _leads_due(rd, on, given), *drafts]


async def _leads_due(rd: Read, on: date, given: Periods) -> list[Due]:
    found = []
    for row in await erasure_store.leads(rd, parameters_on(on).lead_routes, on):
        review, gone = next_review(row.received_on, row.reviewed_on, given)
        record_class, due_on = (RecordClass.LEAD, gone) if gone <= on else (RecordClass.LEAD_REVIEW, review)
        standing = await erasure_store.standing(rd, row.household_id) if due_on <= on else None
        why = ("referral_standing",) if standing and standing.referral_waits else ()
        found.append(Due(record_class, row.id, row.household_id, due_on, why))
    return found


async def remove(tx: Transaction, household_id: HouseholdId, on: date, given: Periods) -> Removed:
    """受付の法定の期間は、消すと決める前に見る。決めたあとに残すものはない。"""
    return Removed(await erasure_store.remove(tx, household_id))


async def sweep_leads(tx: Transaction, on: date, city: Path | None) -> bool:
    """十二か月たった、同意のない、取り上げられていない相談を消す。True: まだ残っている。"""
    given = periods(on, city)
    rows = await erasure_store.leads(tx, parameters_on(on, city).lead_routes, on)
    over = [row for row in rows if next_review(row.received_on, row.reviewed_on, given)[1] <= on]
    held = await holds.standing(tx, [row.household_id for row in over])
    gone = 0
    for row in over[:AT_ONCE]:
        found = await erasure_store.standing(tx, row.household_id)
        if row.household_id in held or found is None or found.referral_waits or found.protected:
            continue
        await _lead_gone(tx, row)
        gone += 1
    return gone > 0 and len(over) > AT_ONCE


async def _lead_gone(tx: Transaction, row: Row[Any]) -> None:
    """ほかに何もない世帯なら世帯ごと、あれば（名簿の世帯も）その相談だけ。"""
    if not row.has_others and row.register_no is None:
        if await erasure_store.hold_household(tx, row.household_id):
            await _erase(tx, row.household_id, EraseReason.LEAD, BY_RULE)
        return
    about: dict[str, Any] = {"household_id": row.household_id, "legal_basis": BASIS}
    facts = await tx.rows(select(fact.c.id).where(fact.c.consultation_id == row.id, fact.c.retracted_at.is_(None)).order_by(fact.c.id))
    await erasure_store.remove_one(tx, row.id)
    await audit.record(tx, BY_RULE, "erase", "consultation", row.id, household_id=row.household_id, purpose=EraseReason.LEAD)
    tx.publish(*(FactRetracted(**about, fact_id=one.id) for one in facts), ConsultationWithdrawn(**about, consultation_id=ConsultationId(row.id)))


async def keep_lead(tx: Transaction, consultation_id: UUID, *, by: Staff) -> None:
    """見直して、続けると決めた。そこから数え直す。Raises NotFound."""
    one = await store.load(tx, consultation_id, lock=True)
    await erasure_store.reviewed(tx, one.id, day_of(tx.now), by.sub)
    await audit.record(tx, by, "review", "consultation", one.id, household_id=one.household_id, purpose=EraseReason.LEAD)


KEEPER = Keeper(plan, remove)


def with_retention(handlers: Handlers, city: Path | None) -> Handlers:
    """受領を聞き、毎晩見回る。"""
    handlers = handlers.copy()
    handlers.keepers.append(KEEPER)

    @handlers.on(ErasureReceived)
    async def erasure_received(tx: Transaction, event: ErasureReceived, envelope: Envelope) -> None:
        await erasure_store.received(tx, event, envelope.source)

    async def sweep(tx: Transaction, on: date) -> bool:
        await accounts.forget_homes(tx, on)
        await erasure_store.forget_accesses(tx, on, periods(on, city))
        return await sweep_leads(tx, on, city)

    sweep_daily(handlers, sweep)
    return handlers
