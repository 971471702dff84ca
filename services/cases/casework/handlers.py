"""What a desk does with what it hears. A handler is a route with a different door: load, decide, save."""

from services.cases.casework import disclosure, erasure, heard, identity, referral, store, withdrawal
from services.cases.casework.involvement import Kind, Trace
from services.cases.casework.profile import Profile
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged
from shared.contracts.consent_said import Change
from shared.contracts.consultation import ConsultationReceived, ConsultationWithdrawn
from shared.contracts.decision import Outcome
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.protection import ProtectionDeclared
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.desk.wareki import japan_day
from shared.messaging import Envelope, Handlers, Kept
from shared.runtime.agreements import hear_agreements
from shared.runtime.database import Transaction
from shared.runtime.unusual import Relation

#: この窓口の世帯: ケースかつなぎ票がある
RELATION = Relation(
    "select household_id from case_file where household_id = any(:households)"
    " union select household_id from referral where household_id = any(:households)"
)


def case_handlers(profile: Profile) -> Handlers:
    handlers = Handlers(relation=RELATION)
    _households(handlers)
    _other_desks(handlers, profile)
    _consultations(handlers, profile)
    hear_agreements(handlers, withdrawal.agreements(profile))
    _referrals(handlers, profile)
    disclosure.register(handlers, profile)
    erasure.register(handlers)
    return handlers


def _households(handlers: Handlers) -> None:
    told = handlers.projection("households", Kept("household"), Kept("member"))

    @handlers.on(HouseholdRegistered)
    @told.fed_by(HouseholdRegistered)
    async def household_registered(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        await heard.registered(tx, event)

    @handlers.on(ProtectionDeclared)
    @told.fed_by(ProtectionDeclared)
    async def place_hidden(tx: Transaction, event: ProtectionDeclared, envelope: Envelope) -> None:
        await heard.hide_place(tx, event.household_id)

    @handlers.on(ProtectionDeclared)
    async def contact_forgotten(tx: Transaction, event: ProtectionDeclared, envelope: Envelope) -> None:
        await identity.COPIES.forget_place(tx, event.household_id)

    @handlers.on(MemberJoined, MemberCorrected)
    @told.fed_by(MemberJoined, MemberCorrected)
    async def member_joined(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
        await heard.joined(tx, event)

    @handlers.on(MemberJoined, MemberCorrected)
    async def ask_again(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: Envelope) -> None:
        """Somebody we were told the name of has changed, or there is somebody new: ask again, under the same referral."""
        known = await identity.known_referral_of(tx, event.household_id)
        if known:
            await disclosure.ask(tx, await store.referral_to_change(tx, known), why=str(envelope.id))

    @handlers.on(MemberLeft)
    @told.fed_by(MemberLeft)
    async def member_left(tx: Transaction, event: MemberLeft, envelope: Envelope) -> None:
        await heard.left(tx, event)


def _consultations(handlers: Handlers, profile: Profile) -> None:
    agreements = withdrawal.agreements(profile)

    @handlers.on(ConsultationWithdrawn)
    async def consultation_withdrawn(tx: Transaction, event: ConsultationWithdrawn, envelope: Envelope) -> None:
        ours = await store.waiting_of_consultation(tx, event.consultation_id)
        await store.open_case_of(tx, event.household_id)
        for waiting in ours:
            await store.save_referral(tx, referral.withdraw(waiting))
            await identity.COPIES.forget(tx, waiting.referral_id, waiting.household_id)
        sources = await store.of_consultation(tx, event.consultation_id)
        await agreements.take_back(tx, event.household_id, sources, why=event.consultation_id)

    # Topics come with the referral; a consultation that was not referred to us is not ours to keep.
    handlers.ignore(ConsultationReceived)


def _referrals(handlers: Handlers, profile: Profile) -> None:
    agreements = withdrawal.agreements(profile)

    @handlers.on(ReferralMade)
    async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
        if event.to != profile.unit:
            return
        arrived = referral.arrive(event, envelope.source)
        if not await store.add_referral(tx, Outcome(arrived)):
            return
        change = await agreements.hear_beside(tx, event, envelope.source, envelope.time)
        if change is not Change.LOST:  # then it was asked with all that stands
            await disclosure.ask(tx, arrived)

    @handlers.on(ReferralAccepted, ReferralDeclined, ReferralHeld)
    async def referral_answered(tx: Transaction, event: ReferralAccepted | ReferralDeclined | ReferralHeld, envelope: Envelope) -> None:
        ours = await store.known_referral(tx, event.referral_id)
        if ours and ours.to_unit == envelope.source:
            await store.save_referral(tx, Outcome(referral.hear(ours, event)))


def _other_desks(handlers: Handlers, profile: Profile) -> None:
    involved = handlers.projection("involvement", Kept("involvement"))

    @handlers.on(ConsultationWithdrawn)
    @involved.fed_by(ConsultationWithdrawn)
    async def consultation_withdrawn(tx: Transaction, event: ConsultationWithdrawn, envelope: Envelope) -> None:
        await heard.withdrawn(tx, event.consultation_id, japan_day(envelope.time))

    @handlers.on(ReferralMade)
    @involved.fed_by(ReferralMade)
    async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
        if event.to != profile.unit:
            trace = Trace(event.referral_id, event.household_id, event.to, Kind.REFERRAL, event.made_on, consultation_id=event.consultation_id)
            await heard.begun(tx, trace)

    @handlers.on(ReferralAccepted, ReferralDeclined)
    @involved.fed_by(ReferralAccepted, ReferralDeclined)
    async def referral_ended(tx: Transaction, event: ReferralAccepted | ReferralDeclined, envelope: Envelope) -> None:
        until = event.accepted_on if isinstance(event, ReferralAccepted) else event.declined_on
        await heard.ended(tx, Trace(event.referral_id, event.household_id, envelope.source, Kind.REFERRAL, until=until))

    @handlers.on(CaseOpened)
    @involved.fed_by(CaseOpened)
    async def case_opened(tx: Transaction, event: CaseOpened, envelope: Envelope) -> None:
        await heard.begun(tx, Trace(event.case_id, event.household_id, envelope.source, Kind.CASE, event.opened_on))

    @handlers.on(CaseStateChanged)
    @involved.fed_by(CaseStateChanged)
    async def case_state_changed(tx: Transaction, event: CaseStateChanged, envelope: Envelope) -> None:
        """A closed case that moves again is a desk that is involved again."""
        if event.state is not CaseState.CLOSED:
            await heard.resumed(tx, Trace(event.case_id, event.household_id, envelope.source, Kind.CASE))

    @handlers.on(CaseClosed)
    @involved.fed_by(CaseClosed)
    async def case_closed(tx: Transaction, event: CaseClosed, envelope: Envelope) -> None:
        await heard.ended(tx, Trace(event.case_id, event.household_id, envelope.source, Kind.CASE, until=event.closed_on))
