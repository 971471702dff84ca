"""What outreach does with what it hears: a referral arrives or is withdrawn, a household changes, somebody takes a consent back."""

from services.outreach import consents, disclosure, erasure, identity, referral, store
from services.outreach.withdrawal import AGREEMENTS
from shared.contracts.consultation import ConsultationReceived, ConsultationWithdrawn
from shared.contracts.household import MemberCorrected, MemberJoined
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.messaging import Envelope, Handlers
from shared.runtime.agreements import hear_agreements
from shared.runtime.database import Transaction
from shared.runtime.roster import hear_households
from shared.runtime.unusual import Relation

#: この窓口の世帯: 見守りかつなぎ票がある
RELATION = Relation(
    "select household_id from watch where household_id = any(:households)"
    " union select household_id from referral where household_id = any(:households)"
)


def outreach_handlers() -> Handlers:
    handlers = Handlers(relation=RELATION)
    handlers.intent(disclosure.KIND)(disclosure.ask_intake)
    # The answers of other desks are to referrals that are not ours.
    handlers.ignore(ReferralAccepted, ReferralDeclined, ReferralHeld)
    # Topics come with the referral; a consultation that was not referred to us is not ours to keep.
    handlers.ignore(ConsultationReceived)
    hear_households(handlers, identity.COPIES)
    handlers.on(MemberJoined, MemberCorrected)(ask_again)
    handlers.on(ReferralMade)(referral_made)
    handlers.on(ConsultationWithdrawn)(consultation_withdrawn)
    hear_agreements(handlers, AGREEMENTS)
    erasure.register(handlers)
    return handlers


async def ask_again(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
    """Somebody new, or somebody we were told the name of has changed: ask again, on the same ground."""
    known = await identity.newest_told(tx, event.household_id)
    if known:
        await disclosure.ask(tx, known, why=str(envelope.id))


async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
    if event.to != consents.UNIT:
        return
    arrived = referral.arrive(event, envelope.source)
    if await store.add_referral(tx, arrived):
        await AGREEMENTS.hear_beside(tx, event, envelope.source, envelope.time)
        await disclosure.ask(tx, disclosure.about_referral(arrived))


async def consultation_withdrawn(tx: Transaction, event: ConsultationWithdrawn, envelope: Envelope) -> None:
    ours = await store.waiting_of_consultation(tx, event.consultation_id)
    await store.watches_to_change(tx, event.household_id)
    for waiting in ours:
        await store.save_referral(tx, referral.withdraw(waiting))
        await identity.forget(tx, waiting.household_id, gone=waiting.referral_id)
    sources = await store.of_consultation(tx, event.consultation_id)
    await AGREEMENTS.take_back(tx, event.household_id, sources, why=event.consultation_id)
