"""What the units say when the history is played: one command, the events of its desk (as test_load.py sees them leave the real units)."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from deploy.city.commands import (
    AcceptReferral,
    CheckIn,
    CloseCase,
    Command,
    DeclineReferral,
    JoinHousehold,
    LeaveHousehold,
    PlanWatch,
    ReceiveConsultation,
    RecordFact,
    RegisterHousehold,
)
from deploy.city.people import Person
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, FactRecorded
from shared.contracts.consultation import ConsentState, ConsultationReceived, Urgency
from shared.contracts.event import Confidence, Event, LegalBasis
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberJoined, MemberLeft, MemberRole
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined, ReferralMade
from shared.contracts.visit import CheckInOutcome, CheckInRecorded, WatchPlanned, WatchTier

JST = timedelta(hours=9)


class Speaker:
    """`days` between two check-ins per tier: the due dates the outreach desk would give."""

    def __init__(self, days: dict[str, int]) -> None:
        self.days = days
        self.tiers: dict[UUID, str] = {}
        self.due: dict[UUID, datetime] = {}

    def say(self, command: Command) -> Iterator[tuple[str, Event]]:
        about = {"household_id": command.household, "legal_basis": LegalBasis.INTERNAL_69_2_2}
        day = (command.at + JST).date()
        match command:
            case RegisterHousehold():
                yield "intake", HouseholdRegistered(**about, area=Area(command.address.area))
                for person in command.members:
                    yield "intake", _joined(about, person, day)
            case JoinHousehold():
                yield "intake", _joined(about, command.member, command.effective_on)
            case LeaveHousehold():
                yield (
                    "intake",
                    MemberLeft(**about, member_id=command.member, reason=LeavingReason(command.reason), effective_on=command.effective_on),
                )
            case ReceiveConsultation():
                yield from self._consultation(command, about)
            case AcceptReferral():
                yield command.unit, ReferralAccepted(**about, referral_id=command.referral.id, accepted_on=day)
                yield command.unit, CaseOpened(**about, case_id=command.case, state=CaseState.RECEIVED, opened_on=day)
            case DeclineReferral():
                reason = DeclineReason(command.reason)
                yield command.unit, ReferralDeclined(**about, referral_id=command.referral.id, reason=reason, declined_on=day)
            case RecordFact():
                since = f"{command.since:%Y-%m}" if command.since else None
                yield (
                    command.unit,
                    FactRecorded(
                        **about,
                        fact_id=command.fact,
                        member_id=command.member,
                        kind=command.kind,
                        value=command.value,
                        since=since,
                        as_of=day,
                        confidence=Confidence(command.confidence),
                    ),
                )
            case CloseCase():
                yield command.unit, CaseClosed(**about, case_id=command.case, reason=command.reason, closed_on=day)
            case PlanWatch() | CheckIn():
                yield from self._watch(command, about)

    def _consultation(self, command: ReceiveConsultation, about: dict[str, object]) -> Iterator[tuple[str, Event]]:
        day, consent, urgency = (command.at + JST).date(), ConsentState(command.consent), Urgency(command.urgency)
        yield (
            "intake",
            ConsultationReceived(
                **about,
                consultation_id=command.consultation,
                receipt_no="R8-0001",
                received_on=day,
                topics=command.topics,
                route=command.route,
                urgency=urgency,
                consent=consent,
            ),
        )
        for member, kind, value in command.concerns:
            fact = UUID(int=command.consultation.int ^ 1)
            yield (
                "intake",
                FactRecorded(**about, fact_id=fact, member_id=member, kind=kind, value=value, as_of=day, confidence=Confidence.REPORTED),
            )
        for referral in command.referrals:
            due = day + timedelta(days=7)
            yield (
                "intake",
                ReferralMade(
                    **about,
                    referral_id=referral.id,
                    to=referral.to,
                    consultation_id=command.consultation,
                    member_ids=referral.members,
                    urgency=urgency,
                    consent=consent,
                    made_on=day,
                    reply_due=due,
                ),
            )

    def _watch(self, command: PlanWatch | CheckIn, about: dict[str, object]) -> Iterator[tuple[str, Event]]:
        day = (command.at + JST).date()
        if isinstance(command, PlanWatch):
            self.tiers[command.plan] = command.tier
            self.due[command.plan] = self._due(command)
            yield "outreach", ReferralAccepted(**about, referral_id=command.referral.id, accepted_on=day)
            tier, due = WatchTier(command.tier), self.due[command.plan]
            yield "outreach", WatchPlanned(**about, plan_id=command.plan, member_id=command.member, tier=tier, next_due=due, planned_on=day)
            return
        outcome = CheckInOutcome(command.outcome)
        if outcome.success:
            self.due[command.plan] = self._due(command)
        yield "outreach", CheckInRecorded(**about, plan_id=command.plan, outcome=outcome, at=command.at, next_due=self.due[command.plan])

    def _due(self, command: PlanWatch | CheckIn) -> datetime:
        day = (command.at + JST).date() + timedelta(days=self.days[self.tiers[command.plan]])
        return datetime.combine(day, time(17, 15), UTC) - JST


def _joined(about: dict[str, object], person: Person, on: object) -> MemberJoined:
    month = f"{person.birth:%Y-%m}"
    return MemberJoined(**about, member_id=person.id, role=MemberRole(person.role), birth_month=month, effective_on=on)
