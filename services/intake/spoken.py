"""受付（FM1）で聞いた同意を、同意の一つとして書く: 相手はその受付からつないだ窓口、期間は一年。

番号は、知らせた同意の事実と同じ。様式での同意や撤回があとから来れば、そちらが勝つ。
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from services.intake import consent, consent_store
from services.intake.beside_paper import PURPOSES, beside, widened
from services.intake.consent import Consent, Consents, GivenBy, NothingToWithdraw, Source, Wish, WithdrawReason
from services.intake.consultation import Consultation
from services.intake.parameters import Parameters
from services.intake.receipt_number import local_day
from shared.contracts.case import FactRecorded
from shared.contracts.consent import ConsentForm
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import UnitCode
from shared.runtime.database import Read, Transaction


async def told(tx: Transaction, one: Consultation, said: FactRecorded, units: Iterable[UnitCode], given: Parameters) -> None:
    """受付で知らせた同意の事実 `said` に合わせる。`units` はつないだ窓口。"""
    state = ConsentState(said.value)
    if state is ConsentState.GIVEN:
        await _given(tx, one, said, frozenset(units), given)
    elif said.supersedes and state is ConsentState.NOT_ASKED:
        await consent_store.forget_mistake(tx, said.supersedes)
    elif state is ConsentState.REFUSED:
        await _refused(tx, one, said, given)


async def _given(tx: Transaction, one: Consultation, said: FactRecorded, units: frozenset[UnitCode], given: Parameters) -> None:
    by = one.changed_by or one.received_by
    spoken = Consent(
        said.fact_id, one.household_id, one.subject_id, PURPOSES, units, frozenset(), ConsentForm.ORAL, GivenBy.SELF, said.as_of, said.as_of,
        consent.last_day(said.as_of, given.consent_days), tx.now, Source.CONSULTATION, by.name, by.name,
    )  # fmt: skip
    heard = beside(await consent_store.of_household(tx, one.household_id), spoken, said.as_of)
    await consent_store.add(tx, Outcome(heard, (consent.given(heard),) if heard.recipients else ()))


async def _refused(tx: Transaction, one: Consultation, said: FactRecorded, given: Parameters) -> None:
    known = await consent_store.of_household(tx, one.household_id)
    wish = Wish(
        said.fact_id, one.household_id, one.subject_id, None, WithdrawReason.REFUSED_AT_RECEPTION, said.as_of, tx.now, Source.CONSULTATION,
        (one.changed_by or one.received_by).name,
    )  # fmt: skip
    await take_back(tx, known, wish, given)


async def take_back(tx: Transaction, known: Consents, wish: Wish, given: Parameters) -> None:
    """受付の様式のほかで聞いた「同意しない」。効いている同意がなければ、言葉だけを残す（遅れて届く古い同意に勝つように）。"""
    try:
        outcome = consent.withdraw(known, wish, holders=await consent_store.holders(tx, wish.household_id))
    except NothingToWithdraw:
        word = consent.Withdrawal(
            wish.id, wish.id, wish.household_id, wish.member_id, frozenset(), True, wish.reason, wish.on, wish.said_at, wish.source, wish.recorded_by
        )
        outcome = Outcome(word)
    if await consent_store.add_withdrawal(tx, outcome, wait_until=wait_until(tx.now, given)) and outcome.events:
        await consent_store.retract_shared_facts(tx, wish.household_id, wish.member_id)


def wait_until(now: datetime, given: Parameters) -> datetime:
    return now + timedelta(days=given.receipt_days)


async def more_recipients(tx: Transaction, one: Consultation, consent_fact: UUID | None, units: Collection[UnitCode]) -> None:
    """あとからつないだ窓口も、受付で聞いた同意の相手になる。"""
    known = await consent_store.of_household(tx, one.household_id)
    spoken = next((found for found in known.given if found.id == consent_fact and found.source is Source.CONSULTATION), None)
    if spoken is None or not set(units) - spoken.recipients:
        return
    wider = widened(known, spoken, units, local_day(tx.now))
    if wider.recipients != spoken.recipients:
        await consent_store.add_recipients(tx, wider)
        tx.publish(consent.given(wider))


async def states_for(handle: Read, one: Consultation, units: Collection[UnitCode], at: datetime) -> dict[UnitCode, ConsentState]:
    """受付の言葉より新しい同意や撤回があれば、つなぎ先ごとにそちらの状態。"""
    known = await consent_store.of_household(handle, one.household_id)
    found = {unit: known.state_for(one.subject_id, unit, local_day(at)) for unit in units}
    return {unit: state for unit, state in found.items() if state is not None}
