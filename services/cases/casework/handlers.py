"""What a desk does with what it hears. A handler is a route with a different door: load, decide, save."""

from services.cases.casework import disclosure, heard, identity, referral, store
from services.cases.casework.decision import Outcome
from services.cases.casework.involvement import Kind, Trace
from services.cases.casework.profile import Profile
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged
from shared.contracts.consultation import ConsultationReceived, ConsultationWithdrawn
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.messaging import Envelope, Handlers
from shared.runtime.database import Transaction


def case_handlers(profile: Profile) -> Handlers:
    handlers = Handlers()
    _households(handlers)
    _referrals(handlers, profile)
    _other_desks(handlers)
    disclosure.register(handlers, profile)
    return handlers


def _households(handlers: Handlers) -> None:
    @handlers.on(HouseholdRegistered)
    async def household_registered(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        await heard.registered(tx, event)

    @handlers.on(MemberJoined, MemberCorrected)
    async def member_joined(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
        await heard.joined(tx, event)
        # Somebody we were told the name of has changed, or there is somebody new: ask again, under the same referral.
        known = await identity.known_referral_of(tx, event.household_id)
        if known:
            await disclosure.ask(tx, await store.referral_to_change(tx, known), why=str(envelope.id))

    @handlers.on(MemberLeft)
    async def member_left(tx: Transaction, event: MemberLeft, envelope: Envelope) -> None:
        await heard.left(tx, event)

    @handlers.on(ConsultationWithdrawn)
    async def consultation_withdrawn(tx: Transaction, event: ConsultationWithdrawn, envelope: Envelope) -> None:
        for waiting in await store.waiting_of_consultation(tx, event.consultation_id):
            await store.save_referral(tx, referral.withdraw(waiting))
            await identity.forget(tx, waiting.referral_id, waiting.household_id)

    # Topics come with the referral; a consultation that was not referred to us is not ours to keep.
    handlers.ignore(ConsultationReceived)


def _referrals(handlers: Handlers, profile: Profile) -> None:
    @handlers.on(ReferralMade)
    async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
        if event.to != profile.unit:
            await heard.begun(tx, Trace(event.referral_id, event.household_id, event.to, Kind.REFERRAL, event.made_on))
            return
        arrived = referral.arrive(event, envelope.source)
        if await store.add_referral(tx, Outcome(arrived)):
            await disclosure.ask(tx, arrived)

    @handlers.on(ReferralAccepted, ReferralDeclined, ReferralHeld)
    async def referral_answered(tx: Transaction, event: ReferralAccepted | ReferralDeclined | ReferralHeld, envelope: Envelope) -> None:
        ours = await store.known_referral(tx, event.referral_id)
        if ours and ours.to_unit == envelope.source:
            await store.save_referral(tx, Outcome(referral.hear(ours, event)))
        if not isinstance(event, ReferralHeld):
            until = event.accepted_on if isinstance(event, ReferralAccepted) else event.declined_on
            await heard.ended(tx, Trace(event.referral_id, event.household_id, envelope.source, Kind.REFERRAL, until=until))


def _other_desks(handlers: Handlers) -> None:
    @handlers.on(CaseOpened)
    async def case_opened(tx: Transaction, event: CaseOpened, envelope: Envelope) -> None:
        await heard.begun(tx, Trace(event.case_id, event.household_id, envelope.source, Kind.CASE, event.opened_on))

    @handlers.on(CaseStateChanged)
    async def case_state_changed(tx: Transaction, event: CaseStateChanged, envelope: Envelope) -> None:
        """A closed case that moves again is a desk that is involved again."""
        if event.state is not CaseState.CLOSED:
            await heard.resumed(tx, Trace(event.case_id, event.household_id, envelope.source, Kind.CASE))

    @handlers.on(CaseClosed)
    async def case_closed(tx: Transaction, event: CaseClosed, envelope: Envelope) -> None:
        await heard.ended(tx, Trace(event.case_id, event.household_id, envelope.source, Kind.CASE, until=event.closed_on))
