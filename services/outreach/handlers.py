"""What outreach does with what it hears: a referral arrives or is withdrawn, a household changes, somebody takes a consent back."""

from services.outreach import consents, disclosure, erasure, heard, identity, referral, store
from services.outreach.withdrawal import AGREEMENTS
from shared.contracts.consultation import ConsultationReceived, ConsultationWithdrawn
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.protection import ProtectionDeclared
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.messaging import Envelope, Handlers, Kept
from shared.runtime.agreements import hear_agreements
from shared.runtime.database import Transaction
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
    told = handlers.projection("households", Kept("household"), Kept("member"))
    handlers.on(HouseholdRegistered)(told.fed_by(HouseholdRegistered)(household_registered))
    handlers.on(ProtectionDeclared)(told.fed_by(ProtectionDeclared)(place_hidden))
    handlers.on(ProtectionDeclared)(contact_forgotten)
    handlers.on(MemberJoined, MemberCorrected)(told.fed_by(MemberJoined, MemberCorrected)(member_joined))
    handlers.on(MemberJoined, MemberCorrected)(ask_again)
    handlers.on(MemberLeft)(told.fed_by(MemberLeft)(member_left))
    handlers.on(ReferralMade)(referral_made)
    handlers.on(ConsultationWithdrawn)(consultation_withdrawn)
    hear_agreements(handlers, AGREEMENTS)
    erasure.register(handlers)
    return handlers


async def household_registered(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
    await heard.registered(tx, event)


async def place_hidden(tx: Transaction, event: ProtectionDeclared, envelope: Envelope) -> None:
    await heard.hide_place(tx, event.household_id)


async def contact_forgotten(tx: Transaction, event: ProtectionDeclared, envelope: Envelope) -> None:
    await identity.COPIES.forget_place(tx, event.household_id)


async def member_joined(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
    await heard.joined(tx, event)


async def ask_again(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
    """Somebody new, or somebody we were told the name of has changed: ask again, on the same ground."""
    known = await identity.newest_told(tx, event.household_id)
    if known:
        await disclosure.ask(tx, known, why=str(envelope.id))


async def member_left(tx: Transaction, event: MemberLeft, envelope: Envelope) -> None:
    await heard.left(tx, event)


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
