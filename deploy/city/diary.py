"""一つの世帯の記録を書き進める手。Writes commands in the order things happen, with ids, office hours and open cases kept straight."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from uuid import UUID

from deploy.city.commands import (
    AcceptReferral,
    AdvanceCase,
    CheckIn,
    CloseCase,
    Command,
    DeclineReferral,
    JoinHousehold,
    LeaveHousehold,
    PlanWatch,
    ReceiveConsultation,
    RecordFact,
    Refer,
    RegisterHousehold,
    WriteNote,
)
from deploy.city.people import Household, Person

_JST_OFFSET = timedelta(hours=9)


def japan_day(at: datetime) -> date:
    """その時刻の日本の日付。"""
    return (at + _JST_OFFSET).date()


class Diary:
    """`until` is the moment the history ends: nothing is written after it."""

    def __init__(self, household: Household, rng: Random, until: datetime) -> None:
        self.household, self.rng, self.until = household, rng, until
        self.commands: list[Command] = []
        #: open cases: unit → case
        self.cases: dict[str, UUID] = {}
        #: desks that have not answered a referral yet
        self.waiting: set[str] = set()
        #: how far the open case of a desk has come
        self.stage: dict[str, str] = {}
        #: members who live here now
        self.here: set[UUID] = set()

    def new_id(self) -> UUID:
        return UUID(int=(self.rng.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62))

    def office_hour(self, day: date) -> datetime:
        """平日の窓口の時間（8:30〜17:00、日本時間）。土日は次の月曜へ。"""
        weekday = day + timedelta(days=(7 - day.weekday()) % 7) if day.weekday() > 4 else day
        local = datetime.combine(weekday, time(8, 30), UTC) + timedelta(seconds=int(self.rng.random() * 30_600))
        return min(local - _JST_OFFSET, self.until)

    # the desk ----------------------------------------------------------------------------------------------------------

    def register(self, at: datetime, members: Sequence[Person], moved_in: bool = False) -> None:
        self.here |= {member.id for member in members}
        self.add(RegisterHousehold(at, self.household.id, self.household.address, tuple(members), moved_in))

    def join(self, at: datetime, member: Person) -> None:
        self.here.add(member.id)
        self.add(JoinHousehold(at, self.household.id, member, japan_day(at)))

    def leave(self, at: datetime, member: Person, reason: str) -> None:
        self.here.discard(member.id)
        self.add(LeaveHousehold(at, self.household.id, member.id, reason, japan_day(at)))

    def consult(
        self, at: datetime, topics: Sequence[str], *, text: str, members: Sequence[Person], refer_to: Sequence[str] = (),
        route: str = "2", urgency: str = "D", consent: str = "given", concerns: Sequence[tuple[UUID, str, str]] = (),
    ) -> list[Refer]:  # fmt: skip
        persons = tuple(member.id for member in members)
        referrals = [Refer(self.new_id(), unit, persons) for unit in refer_to]
        self.waiting |= set(refer_to)
        asked = tuple(dict.fromkeys(topics))
        consultation = ReceiveConsultation(
            at, self.household.id, self.new_id(), asked, topics[0], route, urgency, consent, text, tuple(referrals), persons, tuple(concerns)
        )
        self.add(consultation)
        return referrals

    # the domains -------------------------------------------------------------------------------------------------------

    def accept(self, at: datetime, referral: Refer) -> None:
        case = self.cases[referral.to] = self.new_id()
        self.waiting.discard(referral.to)
        self.stage[referral.to] = "RECEIVED"
        self.add(AcceptReferral(at, self.household.id, referral.to, referral, case))

    def knows(self, unit: str) -> bool:
        """この窓口はもう関わっているか、返事を待っているところか。"""
        return unit in self.cases or unit in self.waiting

    def decline(self, at: datetime, referral: Refer, reason: str) -> None:
        self.waiting.discard(referral.to)
        self.add(DeclineReferral(at, self.household.id, referral.to, referral, reason))

    def fact(
        self, at: datetime, unit: str, kind: str, value: str, *, member: Person | None = None, since: date | None = None,
        confidence: str = "confirmed",
    ) -> None:  # fmt: skip
        who = member.id if member else None
        self.add(RecordFact(at, self.household.id, unit, self.cases[unit], self.new_id(), who, kind, value, since, confidence))

    def advance(self, at: datetime, unit: str, state: str) -> None:
        self.stage[unit] = state
        self.add(AdvanceCase(at, self.household.id, unit, self.cases[unit], state))

    def note(self, at: datetime, unit: str, method: str, partner: str, shared: str, private: str) -> None:
        self.add(WriteNote(at, self.household.id, unit, self.cases[unit], self.new_id(), method, partner, shared, private))

    def close(self, at: datetime, unit: str, reason: str) -> None:
        self.add(CloseCase(at, self.household.id, unit, self.cases.pop(unit), reason))

    # the watch ---------------------------------------------------------------------------------------------------------

    def watch(self, at: datetime, tier: str, member: Person, text: str) -> UUID:
        """見守りの相談を受けて訪問・見守りにつなぎ、二日のうちに計画する。"""
        asked = max(at - timedelta(days=1, hours=self.rng.randint(1, 20)), self.commands[0].at + timedelta(minutes=5))
        (referral,) = self.consult(asked, ("09", "01"), text=text, members=[member], refer_to=["outreach"], route="5")
        plan = self.new_id()
        self.add(PlanWatch(at, self.household.id, plan, referral, member.id, tier))
        return plan

    def check_in(self, at: datetime, plan: UUID, outcome: str, until: date | None = None) -> None:
        self.add(CheckIn(at, self.household.id, plan, self.new_id(), outcome, until))

    def add(self, command: Command) -> None:
        """What lies after the end of the history is not written."""
        if command.at <= self.until:
            self.commands.append(command)
