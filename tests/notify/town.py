"""A town of one household, told in sentences. Events carry what each desk would say; nothing else is needed to test a rule."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.notify.alert import Alert, Outcome
from services.notify.facts import Told, hear
from services.notify.household import HouseholdFacts
from services.notify.notice import notice
from services.notify.parameters import Parameters, parameters_on
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, FactRecorded
from shared.contracts.consent import ReceiptsMissed
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import CaseId, Confidence, Event, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberJoined, MemberLeft, MemberRole
from shared.contracts.referral import ReferralMade
from shared.contracts.visit import CheckInOutcome, CheckInRecorded, WatchPlanned, WatchTier

TODAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # 12:00 in Japan


def parameters(day: date = TODAY) -> Parameters:
    return parameters_on(day)


def born(age: int, on: date = TODAY) -> str:
    """生年月: `on` に `age` 歳になって半年の人。"""
    month = on.month - 6
    return f"{on.year - age - (month < 1)}-{month if month > 0 else month + 12:02d}"


@dataclass
class Household:
    """`told` は、言われた順の (窓口, 出来事)。"""

    id: HouseholdId = field(default_factory=lambda: HouseholdId(uuid4()))
    told: list[tuple[str, Event]] = field(default_factory=list)

    def say(self, unit: str, event: type[Event], **fields: Any) -> Any:
        basis = fields.pop("legal_basis", LegalBasis.INTERNAL_69_2_2)
        said = event(household_id=self.id, legal_basis=basis, **fields)
        self.told.append((unit, said))
        return said

    def registered(self, area: Area = Area.SHUZENJI) -> "Household":
        self.say("intake", HouseholdRegistered, area=area)
        return self

    def member(self, role: MemberRole, age: int | None, *, since: date = date(2016, 4, 1)) -> MemberId:
        member_id = MemberId(uuid4())
        birth = None if age is None else born(age)
        self.say("intake", MemberJoined, member_id=member_id, role=role, birth_month=birth, effective_on=since)
        return member_id

    def left(self, member: MemberId, reason: LeavingReason, on: date = TODAY) -> None:
        self.say("intake", MemberLeft, member_id=member, reason=reason, effective_on=on)

    def referral(self, to: str, on: date = TODAY, source: str = "intake") -> ReferralMade:
        made: ReferralMade = self.say(
            source,
            ReferralMade,
            referral_id=ReferralId(uuid4()),
            to=to,
            urgency=Urgency.C,
            consent=ConsentState.NOT_ASKED,
            made_on=on,
            reply_due=on + timedelta(days=7),
        )
        return made

    def case(self, unit: str, on: date = TODAY) -> CaseOpened:
        opened: CaseOpened = self.say(unit, CaseOpened, case_id=CaseId(uuid4()), state=CaseState.RECEIVED, opened_on=on)
        return opened

    def closes(self, unit: str, case: CaseOpened, on: date = TODAY) -> None:
        self.say(unit, CaseClosed, case_id=case.case_id, reason="1", closed_on=on)

    def fact(self, unit: str, member: MemberId | None, kind: str, value: str, **fields: Any) -> FactRecorded:
        given = {"as_of": TODAY, "confidence": Confidence.REPORTED, **fields}
        recorded: FactRecorded = self.say(unit, FactRecorded, fact_id=uuid4(), member_id=member, kind=kind, value=value, **given)
        return recorded

    def watch(self, tier: WatchTier, next_due: datetime, member: MemberId | None = None) -> UUID:
        plan = uuid4()
        self.say("outreach", WatchPlanned, plan_id=plan, member_id=member, tier=tier, next_due=next_due, planned_on=TODAY)
        return plan

    def check_in(self, plan: UUID, outcome: CheckInOutcome, at: datetime, next_due: datetime) -> None:
        self.say("outreach", CheckInRecorded, plan_id=plan, outcome=outcome, at=at, next_due=next_due)

    def receipts_missed(self, member: MemberId, *units: str, withdrawal: UUID | None = None) -> UUID:
        """受付が数えた、受領の期限を過ぎた窓口。どこも名指さなければ、そろった。"""
        gone = withdrawal or uuid4()
        self.say("intake", ReceiptsMissed, withdrawal_id=gone, member_id=member, units=units, since=NOON - timedelta(days=3))
        return gone

    def known(self) -> HouseholdFacts:
        return fold(HouseholdFacts(self.id), numbered(self.told))


def numbered(told: Iterable[tuple[str, Event]]) -> list[tuple[Event, Told]]:
    """Each desk counts its own events per channel."""
    counts: dict[tuple[str, str], int] = {}
    lines = []
    for unit, event in told:
        seq = counts[unit, event.channel] = counts.get((unit, event.channel), 0) + 1
        lines.append((event, Told(unit, NOON + timedelta(seconds=len(lines)), seq)))
    return lines


def fold(household: HouseholdFacts, lines: Iterable[tuple[Event, Told]]) -> HouseholdFacts:
    for event, told in lines:
        household = hear(household, event, told)
    return household


@dataclass
class Inbox:
    """受信箱: what `notice` decided so far, the latest alert per rule."""

    latest: dict[str, Alert] = field(default_factory=dict)
    published: list[Event] = field(default_factory=list)

    def keep(self, *outcomes: Outcome | None) -> tuple[Outcome, ...]:
        kept = tuple(outcome for outcome in outcomes if outcome is not None)
        for outcome in kept:
            self.latest[outcome.alert.key] = outcome.alert
            self.published.extend(outcome.events)
        return kept

    def hears(self, household: Household, at: datetime = NOON, *, late: bool = False) -> tuple[Outcome, ...]:
        """Evaluates the household as it is known now. What was raised or changed."""
        return self.keep(*notice(household.known(), self.latest, at, parameters(), new_id=uuid4, late=late))

    def raised(self) -> list[str]:
        return sorted(rule for rule, alert in self.latest.items() if alert.state.is_open)


def mother_and_son() -> tuple[Household, MemberId, MemberId]:
    """82歳の母と、15年仕事をしていない53歳の息子。まだ誰も何も言っていない。"""
    home = Household().registered()
    return home, home.member(MemberRole.HEAD, 82), home.member(MemberRole.CHILD, 53)
