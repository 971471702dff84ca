"""正解: どの世帯に、どの気づきが出ているべきか。A plain reading of domain.md §5 over what the desks truly recorded.

Written on purpose without a look at notify's rules or parameters: where both agree, the engine is right; where they differ,
somebody must look. Deliberate faults (contradictions, duplicates) are left out of the reading, so they cost the engine recall.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from deploy.city.commands import (
    AcceptReferral,
    CheckIn,
    CloseCase,
    Command,
    JoinHousehold,
    LeaveHousehold,
    PlanWatch,
    RecordFact,
    RegisterHousehold,
)
from deploy.city.diary import japan_day
from deploy.city.parameters import Parameters
from deploy.city.people import Household, Person
from deploy.city.town import Town

_JST = timedelta(hours=9)
_CENTER = "cases-center"
_ISSUE_GROUPS = {
    "elderly": {"35", "36", "37", "38", "46"}, "disability": {"03", "04", "39", "40"},
    "children": {"17", "18", "20", "33", "39", "49"}, "poverty": {"07", "08", "09", "10", "11", "12", "13"},
}  # fmt: skip


@dataclass
class Told:
    """What the desks recorded about one household, as it stands at the end."""

    people: dict[UUID, Person] = field(default_factory=dict)
    left: dict[UUID, LeaveHousehold] = field(default_factory=dict)
    facts: dict[tuple[UUID | None, str], RecordFact] = field(default_factory=dict)
    issues: set[str] = field(default_factory=set)
    last_issue: date = date.min
    #: open cases: case → (desk, since)
    open: dict[UUID, tuple[str, date]] = field(default_factory=dict)
    watch: PlanWatch | None = None
    last_success: datetime | None = None

    def hear(self, command: Command) -> None:
        match command:
            case RegisterHousehold(members=members):
                self.people |= {member.id: member for member in members}
            case JoinHousehold(member=member):
                self.people[member.id] = member
            case LeaveHousehold():
                self.left[command.member] = command
            case AcceptReferral():
                self.open[command.case] = (command.unit, japan_day(command.at))
            case CloseCase():
                self.open.pop(command.case, None)
            case RecordFact(kind="issue"):
                self.issues.add(command.value)
                self.last_issue = japan_day(command.at)
            case RecordFact():
                self.facts[(command.member, command.kind)] = command
            case PlanWatch():
                self.watch, self.last_success = command, command.at
            case CheckIn(outcome=outcome) if outcome in ("met", "voice", "known_away"):
                self.last_success = command.at

    def present(self) -> list[Person]:
        return [person for person in self.people.values() if person.id not in self.left]

    def value(self, member: UUID | None, kind: str) -> str | None:
        fact = self.facts.get((member, kind))
        return fact.value if fact else None


@dataclass(frozen=True)
class Expected:
    """`current` は「いま出ているべき」。出来事で起きる気づきは、過去のものも current=false で並べる。"""

    household: UUID
    rule: str
    on: date
    current: bool = True
    why: str = ""


@dataclass(frozen=True)
class Reading:
    """How to read the truth: days of the watch tiers, the hour a watch is due, and how long an event is news."""

    watch_days: Mapping[str, int]
    due_time: time
    recent_days: int

    @classmethod
    def of(cls, city: Parameters) -> "Reading":
        told = city.raw["truth"]
        return cls(city.raw["history"]["watch_days"], time.fromisoformat(told["due_time"]), told["recent_days"])


def expected(household: Household, commands: Sequence[Command], until: datetime, reading: Reading) -> list[Expected]:
    """All findings for one household at `until`."""
    told = Told()
    for command in commands:
        if command.household == household.id:
            told.hear(command)
    today, since = japan_day(until), japan_day(until) - timedelta(days=reading.recent_days)
    raw = [*_alone(told), *_missed(told, until, reading), *_eighty_fifty(told, today), *_combined(told), *_left_behind(told, today)]
    state_rules = {"R-105", "R-502", "R-503", "R-907"}
    return [Expected(household.id, rule, on, rule in state_rules or on >= since, why) for rule, on, why in raw]


def age(person: Person, on: date) -> int:
    return on.year - person.birth.year - ((on.month, on.day) < (person.birth.month, person.birth.day))


Found = Iterator[tuple[str, date, str]]


def _alone(told: Told) -> Found:
    """R-101 ほかの人が離れて、65歳以上の人が一人になった。"""
    present = told.present()
    if len(present) == 1 and told.left:
        last = max(told.left.values(), key=lambda leave: leave.effective_on)
        if age(present[0], last.effective_on) >= 65:
            yield "R-101", last.effective_on, last.reason


def _missed(told: Told, until: datetime, reading: Reading) -> Found:
    """R-105 見守りの期限が過ぎている。"""
    if told.watch and told.last_success:
        day = japan_day(told.last_success) + timedelta(days=reading.watch_days[told.watch.tier])
        if datetime.combine(day, reading.due_time, UTC) - _JST < until:
            yield "R-105", day, told.watch.tier


def _pairs(told: Told, on: date, *, living: bool = True) -> Iterator[tuple[Person, Person]]:
    """8050・9060: 75歳以上の親と40〜64歳の子（85歳以上と60歳以上）。ほかに75歳未満の大人がいない。"""
    people = told.present() if living else list(told.people.values())
    for child in people:
        for parent in people:
            if child.generation - parent.generation != 1 or child.marital == "married" or child.id in told.left:
                continue
            old, young = age(parent, on), age(child, on)
            others = [p for p in told.present() if p.id not in (parent.id, child.id) and 18 <= age(p, on) < 75]
            if ((old >= 75 and 40 <= young <= 64) or (old >= 85 and young >= 60)) and not others:
                yield parent, child


def _eighty_fifty(told: Told, today: date) -> Found:
    for _, child in _pairs(told, today):
        if sign := _sign(told, child, today):
            yield "R-502", japan_day(sign.at), sign.kind
            break
    concern = told.facts.get((None, "child_concern"))
    if concern and concern.value == "yes" and any(desk == "cases-elderly" for desk, _ in told.open.values()) and any(_pairs(told, today)):
        yield "R-503", japan_day(concern.at), ""
    yield from _parents_trouble(told)


def _sign(told: Told, child: Person, today: date) -> RecordFact | None:
    """子が仕事や外出から離れている、サービスがない、親の年金で暮らしている。"""
    worrying = {
        "withdrawn": ("2", "3", "4"), "employment": ("seeking", "not_seeking"), "service_use": ("none",), "income_main": ("parent_pension",),
    }  # fmt: skip
    for kind, values in worrying.items():
        fact = told.facts.get((child.id, kind))
        if fact and fact.value in values and (kind != "employment" or today - (fact.since or japan_day(fact.at)) >= timedelta(days=365)):
            return fact
    return None


def _parents_trouble(told: Told) -> Found:
    """R-504 親の死亡・入所・入院・認知症の診断・運転をやめた。子がひきこもりか、様子が分からない。"""
    for parent in told.people.values():
        for on, why in _troubles_of(told, parent):
            pairs = [child for other, child in _pairs(told, on, living=False) if other.id == parent.id]
            if any(_unknown_or_withdrawn(told, child) for child in pairs):
                yield "R-504", on, why


def _troubles_of(told: Told, parent: Person) -> Iterator[tuple[date, str]]:
    if (leave := told.left.get(parent.id)) and leave.reason in ("died", "facility"):
        yield leave.effective_on, leave.reason
    for kind, value in (("whereabouts", "hospitalised"), ("whereabouts", "facility"), ("dementia", "diagnosed"), ("driving", "stopped")):
        fact = told.facts.get((parent.id, kind))
        if fact and fact.value == value:
            yield japan_day(fact.at), f"{kind}.{value}"


def _unknown_or_withdrawn(told: Told, child: Person) -> bool:
    withdrawn, work = told.value(child.id, "withdrawn"), told.value(child.id, "employment")
    return withdrawn in ("2", "3", "4") or (withdrawn is None and work != "working")


def _combined(told: Told) -> Found:
    """R-907 二つ以上の分野のケース、または三つ以上の分野の課題。"""
    since = {desk: on for desk, on in told.open.values() if desk != _CENTER}
    groups = {group for group, codes in _ISSUE_GROUPS.items() if codes & told.issues}
    if len(since) >= 2 or len(groups) >= 3:
        yield "R-907", max(since.values(), default=told.last_issue), "+".join(sorted(since))


def _left_behind(told: Told, today: date) -> Found:
    """R-914 世帯員が亡くなり、支えの要る人が残った。"""
    for leave in told.left.values():
        if leave.reason == "died" and any(_dependent(told, person, today) for person in told.present()):
            yield "R-914", leave.effective_on, ""


def _dependent(told: Told, person: Person, today: date) -> bool:
    severe = ("physical_1", "physical_2", "intellectual_A", "mental_1", "mental_2")
    return (
        age(person, today) < 18
        or (told.value(person.id, "care_level") or "").startswith("care")
        or told.value(person.id, "dementia") in ("suspected", "diagnosed")
        or told.value(person.id, "handbook") in severe
        or told.value(person.id, "withdrawn") in ("2", "3", "4")
    )


def lines(town: Town) -> Iterator[dict[str, Any]]:
    """正解ファイルの行: alert 出るべき気づき、duplicate 二重登録、contradiction 矛盾、kana 誤ったフリガナ、latent 知られていない事情。"""
    reading = Reading.of(town.parameters)
    for household, commands in zip(town.households, town.histories, strict=True):
        for found in expected(household, commands, town.until, reading):
            yield {"kind": "alert", **asdict(found)}
        yield from _faults(household, commands)
        yield from _latent(household)


def _faults(household: Household, commands: Iterable[Command]) -> Iterator[dict[str, Any]]:
    for command in commands:
        if isinstance(command, RegisterHousehold) and command.duplicate_of:
            again = command.members[0]
            yield {
                "kind": "duplicate", "household": household.id, "member": again.duplicate_of,
                "duplicate_household": command.household, "duplicate_member": again.id,
            }  # fmt: skip
        for member, kind, value in getattr(command, "concerns", ()):
            yield {"kind": "contradiction", "household": household.id, "member": member, "fact": kind, "wrong": value, "on": japan_day(command.at)}
    for person in household.members:
        if person.wrong_kana:
            yield {"kind": "kana", "household": household.id, "member": person.id, "right": f"{person.surname_kana} {person.given_kana}"}


def _latent(household: Household) -> Iterator[dict[str, Any]]:
    for person in household.members:
        if person.truth.withdrawn != "none" and not person.truth.withdrawn_known:
            yield {"kind": "latent", "household": household.id, "member": person.id, "what": "withdrawn", "value": person.truth.withdrawn}
    if household.key_person == "lost":
        yield {"kind": "latent", "household": household.id, "member": None, "what": "key_person", "value": "lost"}
