"""What outreach does with what it hears: a referral arrives, a household changes."""

from services.outreach import disclosure, heard, identity, referral, store
from services.outreach.identity import Asking
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.messaging import Envelope, Handlers
from shared.runtime.database import Transaction

UNIT = "outreach"


def outreach_handlers() -> Handlers:
    handlers = Handlers()
    handlers.intent(disclosure.KIND)(disclosure.ask_intake)
    # The answers of other desks are to referrals that are not ours.
    handlers.ignore(ReferralAccepted, ReferralDeclined, ReferralHeld)
    handlers.on(HouseholdRegistered)(household_registered)
    handlers.on(MemberJoined, MemberCorrected)(member_joined)
    handlers.on(MemberLeft)(member_left)
    handlers.on(ReferralMade)(referral_made)
    return handlers


async def household_registered(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
    await heard.registered(tx, event)


async def member_joined(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
    """Somebody new, or somebody we were told the name of has changed: ask again, on the same ground."""
    await heard.joined(tx, event)
    known = await identity.newest_question(tx, event.household_id, Asking.RECEIVED)
    if known:
        await disclosure.ask(tx, known, why=str(envelope.id))


async def member_left(tx: Transaction, event: MemberLeft, envelope: Envelope) -> None:
    await heard.left(tx, event)


async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
    if event.to != UNIT:
        return
    arrived = referral.arrive(event, envelope.source)
    if await store.add_referral(tx, arrived):
        await disclosure.ask(tx, disclosure.about_referral(arrived))
