"""What outreach does with what it hears: a referral arrives, a household changes, the center was told."""

from services.outreach import disclosure, heard, referral, store, watch
from services.outreach.watch import day_of
from shared.contracts.alert import AlertAcknowledged, AlertDismissed, AlertDone, AlertRaised, AlertTaken
from shared.contracts.event import LegalBasis
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.messaging import Envelope, Handlers
from shared.runtime.database import Transaction

UNIT = "outreach"

handlers = Handlers()
handlers.intent(disclosure.KIND)(disclosure.ask_intake)
#: the answers of other desks to referrals that are not ours
handlers.ignore(ReferralAccepted, ReferralDeclined, ReferralHeld)


@handlers.on(HouseholdRegistered)
async def household_registered(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
    await heard.registered(tx, event)


@handlers.on(MemberJoined, MemberCorrected)
async def member_joined(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
    await heard.joined(tx, event)
    if await disclosure.is_kept(tx, event.household_id):  # somebody new, or a corrected name: ask again
        await disclosure.ask(tx, event.household_id, LegalBasis.INTERNAL_69_2_2, why=str(envelope.id), purpose="watch")


@handlers.on(MemberLeft)
async def member_left(tx: Transaction, event: MemberLeft, envelope: Envelope) -> None:
    """見守る人が世帯を離れたら、その見守りは終わる。誰もいなくなれば、世帯の見守りも終わる。"""
    await heard.left(tx, event)
    nobody = not await heard.anybody_left(tx, event.household_id)
    for running in await store.running_of(tx, event.household_id):
        if running.member_id == event.member_id or (nobody and running.member_id is None):
            await store.save(tx, watch.end(running, f"left.{event.reason}", on=day_of(tx.now)))
    await disclosure.forget(tx, event.household_id)


@handlers.on(ReferralMade)
async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
    if event.to != UNIT:
        return
    arrived = referral.arrive(event, envelope.source)
    if await store.arrived(tx, arrived):
        await disclosure.ask(tx, arrived.household_id, arrived.legal_basis, why=str(arrived.id), referral_id=arrived.id)


@handlers.on(AlertRaised)
async def alert_raised(tx: Transaction, event: AlertRaised, envelope: Envelope) -> None:
    if event.to == UNIT:
        await heard.alerted(tx, event)


@handlers.on(AlertAcknowledged, AlertTaken)
async def alert_moved(tx: Transaction, event: AlertAcknowledged | AlertTaken, envelope: Envelope) -> None:
    await heard.alert_moved(tx, event.alert_id, event.name)


@handlers.on(AlertDismissed, AlertDone)
async def alert_over(tx: Transaction, event: AlertDismissed | AlertDone, envelope: Envelope) -> None:
    await heard.alert_over(tx, event.alert_id)
