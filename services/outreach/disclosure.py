"""氏名を受付に照会する。写しは、つなぎか見守りが続くあいだだけ持つ。"""

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach.tables import disclosure, identity, referral, watch
from shared.contracts.disclosure import Disclosure, DisclosureRequest
from shared.contracts.event import HouseholdId, LegalBasis, ReferralId
from shared.messaging import Intent, WorkerContext
from shared.runtime.database import Read, Transaction

KIND = "disclosure"
SUBJECT = "svc.intake.disclose"


async def ask(
    tx: Transaction, household_id: HouseholdId, basis: LegalBasis, *, why: str, referral_id: ReferralId | None = None, purpose: str = "referral"
) -> None:
    """Leaves the question to the worker. `why` (a referral, a watch, an event) makes it the same question or a new one."""
    statement = insert(disclosure).values(household_id=household_id, state="asked", asked_at=tx.now)
    await tx.execute(statement.on_conflict_do_update(index_elements=["household_id"], set_={"asked_at": tx.now}))
    tx.intend(KIND, why, {"household": household_id, "basis": basis.value, "purpose": purpose, "referral": referral_id})


async def ask_intake(intent: Intent, context: WorkerContext) -> None:
    """Runs outside a transaction. Intake away: raised, and so asked again with growing pauses."""
    given = intent.payload
    household_id = HouseholdId(UUID(given["household"]))
    async with context.db.read() as rd:
        if not await has_ground(rd, household_id):
            return  # declined or ended meanwhile
    request = DisclosureRequest(
        asker="outreach",
        household_id=household_id,
        purpose=given["purpose"],
        legal_basis=LegalBasis(given["basis"]),
        referral_id=ReferralId(UUID(given["referral"])) if given["referral"] else None,
    )
    answer = Disclosure.model_validate_json(await context.request(SUBJECT, request.model_dump_json().encode()))
    async with context.db.transaction() as tx:
        await keep(tx, answer)


async def keep(tx: Transaction, answer: Disclosure) -> None:
    if not await has_ground(tx, answer.household_id):
        return
    state = {"state": "refused" if answer.refused else "received", "refused": answer.refused}
    kept = {} if answer.refused else {"address": answer.address}
    await tx.execute(update(disclosure).where(disclosure.c.household_id == answer.household_id).values(state | kept))
    for person in answer.members:
        values = {"name": person.name, "kana": person.kana, "phone": person.phone}
        statement = insert(identity).values(household_id=answer.household_id, member_id=person.member_id, **values)
        await tx.execute(statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=values))


async def has_ground(handle: Read, household_id: HouseholdId) -> bool:
    """返事待ち・受理したつなぎ、または続いている見守りがあるか。"""
    watching = select(watch.c.id).where(watch.c.household_id == household_id, watch.c.ended_on.is_(None))
    waiting = select(referral.c.id).where(referral.c.household_id == household_id, referral.c.state.in_(["received", "held"]))
    return await handle.row(watching.limit(1)) is not None or await handle.row(waiting.limit(1)) is not None


async def is_kept(handle: Read, household_id: HouseholdId) -> bool:
    return await handle.scalar(select(identity.c.member_id).where(identity.c.household_id == household_id).limit(1)) is not None


async def forget(tx: Transaction, household_id: HouseholdId) -> None:
    """根拠がなくなれば、写しを消す。記録（いつ何があったか）は残る。"""
    if await has_ground(tx, household_id):
        return
    for table in (identity, disclosure):
        await tx.execute(delete(table).where(table.c.household_id == household_id))
