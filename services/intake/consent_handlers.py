"""同意についてほかの窓口から聞くこと: 窓口で聞いた同意と撤回、同意によるつなぎ、撤回の受領。待っても届かない受領。"""

import logging
from pathlib import Path
from uuid import UUID, uuid5

from services.intake import consent, consent_store, spoken
from services.intake.beside_paper import PURPOSES, beside
from services.intake.consent import Consent, GivenBy, Source, Wish, WithdrawReason
from services.intake.parameters import Parameters, parameters_on
from services.intake.receipt_number import local_day
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.consent import ConsentForm
from shared.contracts.decision import Outcome
from shared.contracts.event import LegalBasis, MemberId
from shared.contracts.receipt import WithdrawalReceived
from shared.contracts.referral import ReferralMade
from shared.messaging import Envelope, Handlers, Timer
from shared.runtime.database import Transaction

log = logging.getLogger("tsunagari.intake")


def hear_consents(handlers: Handlers, city: Path | None) -> None:
    """`city` は市のパラメータの folder。"""

    def given_on(tx: Transaction) -> Parameters:
        return parameters_on(local_day(tx.now), city)

    @handlers.on(FactRecorded)
    async def fact_recorded(tx: Transaction, event: FactRecorded, envelope: Envelope) -> None:
        """窓口の事実のうち、受付が聞くのは同意だけ。"""
        if event.kind != "consent" or event.member_id is None:
            return
        await consent_store.hold(tx, event.household_id)
        if event.value == "given":
            known = await consent_store.of_household(tx, event.household_id)
            heard = _spoken(event.fact_id, event, event.member_id, envelope, given_on(tx))
            await consent_store.add(tx, Outcome(beside(known, heard, event.as_of)))
        elif event.value in ("refused", "withdrawn"):
            wish = Wish(
                event.fact_id, event.household_id, event.member_id, None, WithdrawReason.HEARD_AT_DESK, event.as_of, envelope.time, Source.DESK,
            )  # fmt: skip
            await spoken.take_back(tx, await consent_store.of_household(tx, event.household_id), wish, given_on(tx))

    @handlers.on(FactRetracted)
    async def fact_retracted(tx: Transaction, event: FactRetracted, envelope: Envelope) -> None:
        """誤りだった「同意あり」はなかったことになる。誤りだった撤回は戻らない: 写しはもうないので、本人に聞き直す。"""
        await consent_store.forget_mistake(tx, event.fact_id)

    @handlers.on(ReferralMade)
    async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
        """窓口どうしの、同意によるつなぎ: 支える人の、つなぎ先への同意。相手を限って同意した人の限りは、窓口のつなぎでは広がらない。"""
        if event.legal_basis is not LegalBasis.CONSENT:
            return
        await consent_store.hold(tx, event.household_id)
        known = await consent_store.of_household(tx, event.household_id)
        for member in (one for one in event.member_ids if not known.leaves_out(one, event.to, event.made_on)):
            heard = _spoken(uuid5(event.referral_id, str(member)), event, member, envelope, given_on(tx))
            await consent_store.add(tx, Outcome(beside(known, heard, event.made_on)))

    @handlers.on(WithdrawalReceived)
    async def withdrawal_received(tx: Transaction, event: WithdrawalReceived, envelope: Envelope) -> None:
        await consent_store.receive(
            tx, event.withdrawal_id, envelope.source, removed=event.removed, kept_under=event.kept_under, done_on=event.done_on
        )

    @handlers.timer("receipts")
    async def receipts_missing(tx: Transaction, due: Timer) -> None:
        """受領がそろわない。一覧（同意の画面）の上に出し、センターに知らせ、記録にも残す。届くまで、記録には期限のたびに。"""
        waiting = await consent_store.alarm(tx, UUID(due.key))
        if waiting:
            log.warning("withdrawal_receipts_missing withdrawal=%s units=%s", due.key, ",".join(waiting))
            tx.schedule("receipts", due.key, spoken.wait_until(tx.now, given_on(tx)), due.household_id)


def _spoken(consent_id: UUID, event: FactRecorded | ReferralMade, member: MemberId, envelope: Envelope, given: Parameters) -> Consent:
    """窓口が聞いた同意。事実ならその窓口が、つなぎならつなぎ先が相手。"""
    fact = isinstance(event, FactRecorded)
    first = event.as_of if isinstance(event, FactRecorded) else event.made_on
    return Consent(
        consent_id, event.household_id, member, PURPOSES, frozenset({envelope.source if isinstance(event, FactRecorded) else event.to}),
        frozenset(), ConsentForm.ORAL, GivenBy.SELF, first, first, consent.last_day(first, given.consent_days), envelope.time,
        Source.DESK if fact else Source.REFERRAL,
    )  # fmt: skip
