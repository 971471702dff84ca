"""一つの世帯の十年を進める時計。Things are put on the agenda and happen in order of their day; each may put further things on it."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

from deploy.city import duplicates
from deploy.city.commands import Command, Refer
from deploy.city.diary import Diary, japan_day
from deploy.city.parameters import Parameters
from deploy.city.people import Household, Person

Action = Callable[[datetime], None]
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Note:
    """窓口が知った一つの事実: 受理から `after` 日後に記録する。"""

    after: int
    kind: str
    value: str
    member: Person | None = None
    since: date | None = None
    confidence: str = "confirmed"


class Life:
    """`start` is the day the city began to use the system, `until` the moment the history ends."""

    def __init__(self, city: Parameters, household: Household, rng: Random, until: datetime) -> None:
        self.city, self.household, self.rng, self.until = city, household, rng, until
        self.rates = city.raw["history"]
        self.faults = city.raw["faults"]
        self.today = japan_day(until)
        self.start = self.today - timedelta(days=round(city.history_years * 365.25))
        #: the day the household was registered; nothing is known of it before (set by moves.live)
        self.first = self.start
        self.diary = Diary(household, rng, until)
        self._agenda: list[tuple[date, int, Action]] = []
        self._count = 0
        self._now: datetime | None = None

    def on(self, day: date, action: Action) -> None:
        """Put something on the agenda; what lies after `until` never happens."""
        if day <= self.today:
            self._count += 1
            heapq.heappush(self._agenda, (day, self._count, action))

    def run(self) -> list[Command]:
        while self._agenda:
            day, _, action = heapq.heappop(self._agenda)
            at = self.diary.office_hour(day)
            if self._now is not None and at <= self._now:
                at = self._now + _SECOND
            if at <= self.until:
                self._now = at
                action(at)
        return self.diary.commands

    # dice --------------------------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def day_between(self, first: date, last: date) -> date:
        """A day in the window, weighted by the season (§9.4-6)."""
        span = max(1, (last - first).days)
        season = self.rates["seasonality"]
        for _ in range(20):
            day = first + timedelta(days=int(self.rng.random() * span))
            if self.rng.random() * 1.3 < season[day.month - 1]:
                return day
        return day

    def later(self, day: date, low: int, high: int) -> date:
        return day + timedelta(days=self.rng.randint(low, high))

    def consent(self) -> str:
        shares = self.rates["consent"]
        return str(self.rng.choices(list(shares), list(shares.values()))[0])

    # what desks do -----------------------------------------------------------------------------------------------------

    def seek(
        self, day: date, unit: str, topics: Sequence[str], text: str, members: Sequence[Person], notes: Sequence[Note],
        *, ends: date | None = None, reason: str = "1", urgency: str = "C", sure: bool = False,
    ) -> None:  # fmt: skip
        """相談を受けて窓口へつなぐ。受理されればケースが開き、`notes` の事実が記録され、`ends` に終わる。"""

        def receive(at: datetime) -> None:
            present = [member for member in members if not self.away(member)]
            if not present:
                return
            to = [] if self.diary.knows(unit) else [unit]
            if self.chance(self.faults["duplicate_persons"]) and not self.household.demo:
                duplicates.take_again(self.diary, at - timedelta(minutes=30), present[0], topics, text)
            asked = self.diary.consult(
                at, topics, text=text, members=present, refer_to=to, route=self.route(), urgency=urgency, consent=self.consent()
            )  # fmt: skip
            if asked:
                self._answer(japan_day(at), asked[0], notes, ends, reason, sure)
            elif notes:
                self._take_down(japan_day(at), unit, notes)

        self.on(day, receive)

    def asked(self, at: datetime, topics: Sequence[str], text: str, person: Person) -> None:
        """情報提供で終わる相談。ときに、同じ人が別の世帯として受け付けられてしまう（故意の二重登録）。"""
        if self.away(person):
            return
        if self.chance(self.faults["duplicate_persons"]):
            duplicates.take_again(self.diary, at, person, topics, text)
        else:
            self.diary.consult(at, topics, text=text, members=[person], route=self.route(), consent=self.consent())

    def away(self, member: Person) -> bool:
        """まだ生まれていない、まだ来ていない、または離れた。"""
        return member.id not in self.diary.here

    def route(self) -> str:
        return self.rng.choices(("1", "2", "3", "4", "5", "6", "9"), (18, 22, 14, 16, 22, 5, 3))[0]

    def _answer(self, day: date, referral: Refer, notes: Sequence[Note], ends: date | None, reason: str, sure: bool) -> None:
        recent = day > self.today - timedelta(days=self.rates["waiting_days"])
        roll = 0.0 if sure else self.rng.random() * (1 if recent else self.rates["accepted"] + self.rates["declined"])
        if roll < self.rates["accepted"]:
            self.on(self.later(day, 1, 6), lambda at: self._open(at, referral, notes, ends, reason))
        elif roll < self.rates["accepted"] + self.rates["declined"]:
            why = self.rng.choice(("not_ours", "person_declined", "no_capacity"))
            self.on(self.later(day, 2, 7), lambda at: self.diary.decline(at, referral, why))

    def accept(self, at: datetime, referral: Refer, ends: date | None = None) -> None:
        """受理してケースを開き、段階を進めていく。"""
        self.diary.accept(at, referral)
        self._progress(japan_day(at), referral.to, ends)

    def _open(self, at: datetime, referral: Refer, notes: Sequence[Note], ends: date | None, reason: str) -> None:
        last = max(ends, self.later(japan_day(at), 20, 60)) if ends else None
        self.accept(at, referral, last)
        self._take_down(japan_day(at), referral.to, notes)
        if last:
            self.on(last, lambda late: self.close(late, referral.to, reason))

    def _progress(self, day: date, unit: str, ends: date | None) -> None:
        """段階: 短く終わるケースはスクリーニングまで。続くケースはプランを決めて支援中になり、いまも開いていれば近ごろ見直している。"""
        case = self.diary.cases[unit]
        over = ends is not None and ends <= self.today
        steps = STAGES[:1] if ends and over and ends - day < timedelta(days=self.rates["plan_from_days"]) else STAGES
        for state, low, high in steps:
            day = self.later(day, low, high)
            self.on(day, lambda at, state=state: self._advance(at, unit, case, state))  # type: ignore[misc]
        if not over and self.chance(self.rates["reviewed"]):
            self.on(max(day, self.later(self.today, -self.rates["review_days"], -3)), lambda at: self._advance(at, unit, case, "MONITORED"))

    def _advance(self, at: datetime, unit: str, case: UUID, state: str) -> None:
        if self.diary.cases.get(unit) == case:
            self.diary.advance(at, unit, state)

    def _take_down(self, day: date, unit: str, notes: Sequence[Note]) -> None:
        for note in notes:
            self.on(day + timedelta(days=note.after), lambda at, note=note: self.record(at, unit, note))  # type: ignore[misc]

    def record(self, at: datetime, unit: str, note: Note) -> None:
        """事実を記録する。ケースが閉じたあと・本人が離れたあとには書かない。キーパーソンは二割が不明のまま（故意の欠け）。"""
        if unit not in self.diary.cases or (note.member and self.away(note.member)):
            return
        value = note.value
        if note.kind == "key_person" and not self.household.demo and self.chance(self.faults["unknown_key_person"]):
            value = "unknown"
        self.diary.fact(at, unit, note.kind, value, member=note.member, since=note.since, confidence=note.confidence)
        self._contradict(japan_day(at), note)

    def _contradict(self, day: date, note: Note) -> None:
        """あとから総合相談で、食い違うことを聞く（故意の矛盾、R-915 の材料）。"""
        wrong = CONTRADICTIONS.get((note.kind, note.value))
        person = note.member
        if not wrong or person is None or self.household.demo or not self.chance(self.faults["contradictory_facts"]):
            return

        def hear(at: datetime) -> None:
            if not self.away(person):
                concern = (person.id, note.kind, wrong)
                self.diary.consult(at, ("99",), text="（架空の相談）親族から。記録と違う話。", members=[person], route="4", concerns=[concern])

        self.on(self.later(day, 5, 60), hear)

    def close(self, at: datetime, unit: str, reason: str) -> None:
        """終結。支援中のケースは評価を経て、プランの途中のケースは引継ぎとして。"""
        if unit not in self.diary.cases:
            return
        stage = self.diary.stage[unit]
        if stage == "ACTIVE":
            self.diary.advance(at, unit, "MONITORED")
            self.diary.advance(at, unit, "EVALUATING")
        self.diary.close(at, unit, reason if stage in ("ACTIVE", "SCREENED") else "3")


#: How a case that goes on comes along: the state, and the days since the one before (least, most).
STAGES = (("SCREENED", 2, 8), ("ASSESSING", 3, 14), ("PLAN_DRAFT", 10, 40), ("IN_CONFERENCE", 5, 20), ("DECIDED", 1, 10), ("ACTIVE", 1, 14))

#: A fact a desk recorded, and what a relative may say instead at the reception.
CONTRADICTIONS: dict[tuple[str, str], str] = {
    **{("care_level", level): "none" for level in ("support1", "support2", "care1", "care2", "care3", "care4", "care5")},
    ("employment", "working"): "not_seeking", ("withdrawn", "1"): "4", ("withdrawn", "2"): "1", ("withdrawn", "3"): "1", ("withdrawn", "4"): "1",
}  # fmt: skip
