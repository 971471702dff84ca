"""同意が始まる・終わる・撤回される: 撤回なら、同意だけで持っていた写しを消し、残したものの根拠を添えて受領を返す。"""

from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from services.outreach import consents, identity, store, tables
from shared.contracts import consent_said
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, ReceiptsMissed
from shared.contracts.consent_said import Change
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis
from shared.desk.wareki import JST, japan_day
from shared.messaging import Envelope, Handlers, Timer
from shared.runtime.database import Transaction
from shared.runtime.receipts import Released, answer_withdrawals

#: 安否確認の記録は、文書管理の保存期間が終わるまで残る
CASE_RECORD = "CASE_RECORD"
ENDS = "consent_ends"


def register(handlers: Handlers) -> None:
    handlers.on(ConsentGiven)(consent_given)
    handlers.timer(ENDS)(consent_ends)
    answer_withdrawals(handlers, consents.UNIT, release)
    handlers.ignore(ReceiptsMissed)


async def consent_given(tx: Transaction, event: ConsentGiven, envelope: Envelope) -> None:
    if consents.UNIT not in event.recipients:
        return
    await store.watches_to_change(tx, event.household_id)
    tx.schedule(ENDS, str(event.consent_id), day_after(event.valid_to), event.household_id)
    if change := await consents.WORDS.say(tx, consent_said.by_consent(event, envelope.time)):
        await consents.settle(tx, event.household_id, change, why=event.consent_id)


async def consent_ends(tx: Transaction, due: Timer) -> None:
    """期間が終わった。受付が止まっていても、写しはきょう消える。取り直されていれば、何もしない。"""
    assert due.household_id is not None
    household_id = HouseholdId(due.household_id)
    await store.watches_to_change(tx, household_id)
    for member in await consents.WORDS.ended(tx, household_id, japan_day(tx.now)):
        await consents.lost(tx, household_id)
        await identity.release(tx, household_id, member, await consents.WORDS.of_household(tx, household_id))
    await consents.follow(tx, household_id)


async def release(tx: Transaction, event: ConsentWithdrawn, envelope: Envelope) -> Released:
    await store.watches_to_change(tx, event.household_id)
    change = await consents.WORDS.say(tx, consent_said.by_withdrawal(event, envelope.time))
    known = await consents.WORDS.of_household(tx, event.household_id)
    if known.get(event.member_id) is ConsentState.GIVEN:
        return Released(kept_under=(LegalBasis.CONSENT.value,))  # given again here, after it was taken back there
    if change is Change.LOST:
        await consents.lost(tx, event.household_id)
    await consents.follow(tx, event.household_id)
    removed = await identity.release(tx, event.household_id, event.member_id, known)
    return Released(removed, await _kept(tx, event))


async def _kept(tx: Transaction, event: ConsentWithdrawn) -> tuple[str, ...]:
    other = [basis.value for basis in await identity.grounds_of(tx, event.household_id, event.member_id) if basis is not LegalBasis.CONSENT]
    watched = await tx.scalar(select(tables.watch.c.plan_id).where(tables.watch.c.household_id == event.household_id).limit(1))
    return (*other, *([CASE_RECORD] if watched else []))


def day_after(last: date) -> datetime:
    """その日が終わったとき（日本時間の翌日0時）。"""
    return datetime.combine(last + timedelta(days=1), time(), JST)
