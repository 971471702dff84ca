"""同意が始まる・終わる・撤回される: 撤回なら、同意だけで持っていた写しを消し、残したものの根拠を添えて受領を返す。"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.cases.casework import consents, identity, records, store
from services.cases.casework.profile import Profile
from shared.contracts import consent_said
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, ReceiptsMissed
from shared.contracts.consent_said import Change
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis
from shared.desk.wareki import japan_day
from shared.messaging import Envelope, Handlers, Timer
from shared.runtime.database import Transaction
from shared.runtime.receipts import Released, answer_withdrawals

JST = ZoneInfo("Asia/Tokyo")
#: 支援の記録は、文書管理の保存期間が終わるまで残る
CASE_RECORD = "CASE_RECORD"
ENDS = "consent_ends"


def register(handlers: Handlers, profile: Profile) -> None:
    @handlers.on(ConsentGiven)
    async def consent_given(tx: Transaction, event: ConsentGiven, envelope: Envelope) -> None:
        if profile.unit not in event.recipients:
            return
        case = await store.open_case_of(tx, event.household_id)
        tx.schedule(ENDS, str(event.consent_id), day_after(event.valid_to), event.household_id)
        if change := await consents.WORDS.say(tx, consent_said.by_consent(event, envelope.time)):
            await consents.settle(tx, case, event.household_id, profile, change, why=event.consent_id)

    @handlers.timer(ENDS)
    async def consent_ends(tx: Transaction, due: Timer) -> None:
        """期間が終わった。受付が止まっていても、写しはきょう消える。取り直されていれば、何もしない。"""
        assert due.household_id is not None
        household_id = HouseholdId(due.household_id)
        case = await store.open_case_of(tx, household_id)
        for member in await consents.WORDS.ended(tx, household_id, japan_day(tx.now)):
            await consents.lost(tx, case, household_id)
            await identity.release(tx, household_id, member, await consents.WORDS.of_household(tx, household_id))
        if case:
            await consents.follow(tx, case, profile)

    async def release(tx: Transaction, event: ConsentWithdrawn, envelope: Envelope) -> Released:
        case = await store.open_case_of(tx, event.household_id)
        change = await consents.WORDS.say(tx, consent_said.by_withdrawal(event, envelope.time))
        known = await consents.WORDS.of_household(tx, event.household_id)
        if consent_said.of(known, event.member_id) is ConsentState.GIVEN:
            return Released(kept_under=(LegalBasis.CONSENT.value,))  # given again here, after it was taken back there
        if change is Change.LOST:
            await consents.lost(tx, case, event.household_id)
        if case and change:
            await consents.follow(tx, case, profile)
        removed = await identity.release(tx, event.household_id, event.member_id, known)
        removed += await records.hide_shared(tx, event.household_id, event.member_id, japan_day(tx.now))
        return Released(removed, await _kept(tx, event))

    answer_withdrawals(handlers, profile.unit, release)
    handlers.ignore(ReceiptsMissed)


async def _kept(tx: Transaction, event: ConsentWithdrawn) -> tuple[str, ...]:
    other = [basis.value for basis in await identity.grounds_of(tx, event.household_id, event.member_id) if basis is not LegalBasis.CONSENT]
    return (*other, *([CASE_RECORD] if await records.keeps_file(tx, event.household_id) else []))


def day_after(last: date) -> datetime:
    """その日が終わったとき（日本時間の翌日0時）。"""
    return datetime.combine(last + timedelta(days=1), time(), JST)
