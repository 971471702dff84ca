"""正解の読み方（domain.md §5）: 一つの世帯を手で組み立てて、出るべき気づきを確かめる。"""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest

from deploy.city import truth
from deploy.city.commands import (
    AcceptReferral,
    CheckIn,
    Command,
    LeaveHousehold,
    PlanWatch,
    ReceiveConsultation,
    RecordFact,
    Refer,
    RegisterHousehold,
)
from deploy.city.people import Household, Person
from deploy.city.places import address
from deploy.city.town import Town
from deploy.city.truth import Reading, expected

UNTIL = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
PLACE = address("TOI", 0, 0)
READING = Reading({"A": 2, "B": 7, "C": 31, "D": 92}, time(17, 15), 90)


def person(age: int, generation: int = 0, role: str = "head") -> Person:
    birth = date(TODAY.year - age, 6, 1)
    return Person(uuid4(), "", "F", birth, age, role, "02", generation, "見本", "ミホン", "花子", "ハナコ")


class Home:
    """A household told step by step, `days` ago."""

    def __init__(self, *people: Person) -> None:
        self.household = Household(0, uuid4(), "P65", PLACE, list(people))
        self.commands: list[Command] = [RegisterHousehold(self.ago(3_000), self.household.id, PLACE, people)]

    def ago(self, days: float) -> datetime:
        return UNTIL - timedelta(days=days)

    def left(self, who: Person, reason: str, days: float) -> "Home":
        return self._and(LeaveHousehold(self.ago(days), self.household.id, who.id, reason, self.ago(days).date()))

    def fact(
        self, kind: str, value: str, who: Person | None = None, days: float = 30, since: date | None = None, unit: str = "cases-elderly"
    ) -> "Home":
        return self._and(RecordFact(self.ago(days), self.household.id, unit, uuid4(), uuid4(), who.id if who else None, kind, value, since))

    def case(self, unit: str, days: float = 100) -> "Home":
        return self._and(AcceptReferral(self.ago(days), self.household.id, unit, Refer(uuid4(), unit, ()), uuid4()))

    def watch(self, tier: str, days: float, *checks: float) -> "Home":
        plan = uuid4()
        self._and(PlanWatch(self.ago(days), self.household.id, plan, Refer(uuid4(), "outreach", ()), None, tier))
        for check in checks:
            self._and(CheckIn(self.ago(check), self.household.id, plan, uuid4(), "met"))
        return self

    def _and(self, command: Command) -> "Home":
        self.commands.append(command)
        return self

    def rules(self, *, current: bool = True) -> set[str]:
        found = expected(self.household, self.commands, UNTIL, READING)
        return {finding.rule for finding in found if finding.current == current}


def test_the_last_of_two_old_people_alone_is_r101_for_ninety_days() -> None:
    she, he = person(78), person(81)
    assert Home(she, he).left(he, "died", 40).rules() == {"R-101"}
    assert Home(she, he).left(he, "died", 200).rules() == set()
    assert Home(she, he).left(he, "died", 200).rules(current=False) == {"R-101"}


def test_somebody_under_65_who_stays_alone_is_no_r101() -> None:
    young, he = person(60), person(81)
    assert "R-101" not in Home(young, he).left(he, "died", 40).rules()


@pytest.mark.parametrize(("checks", "rules"), [((3.0,), set()), ((8.0,), {"R-105"}), ((), {"R-105"})])
def test_a_weekly_watch_is_missed_after_seven_days_without_success(checks: tuple[float, ...], rules: set[str]) -> None:
    assert Home(person(83)).watch("B", 30, *checks).rules() == rules


def test_a_withdrawn_child_with_an_old_parent_is_r502() -> None:
    mother, son = person(82), person(53, 1, "child")
    assert Home(mother, son).fact("withdrawn", "3", son).rules() == {"R-502"}
    assert Home(mother, son).fact("withdrawn", "1", son).rules() == set()


def test_a_year_without_work_is_r502_and_half_a_year_is_not() -> None:
    mother, son = person(82), person(53, 1, "child")
    assert Home(mother, son).fact("employment", "not_seeking", son, since=TODAY - timedelta(days=400)).rules() == {"R-502"}
    assert Home(mother, son).fact("employment", "not_seeking", son, since=TODAY - timedelta(days=180)).rules() == set()


def test_with_another_adult_in_the_house_it_is_no_8050() -> None:
    mother, son, daughter = person(82), person(53, 1, "child"), person(50, 1, "child")
    assert Home(mother, son, daughter).fact("withdrawn", "3", son).rules() == set()


def test_the_care_manager_who_worries_about_the_child_is_r503() -> None:
    mother, son = person(82), person(53, 1, "child")
    assert Home(mother, son).case("cases-elderly").fact("child_concern", "yes").rules() == {"R-503"}
    assert Home(mother, son).fact("child_concern", "yes").rules() == set()


def test_a_parent_in_hospital_is_r504_when_the_child_is_unknown_or_withdrawn() -> None:
    mother, son = person(82), person(53, 1, "child")
    assert "R-504" in Home(mother, son).fact("whereabouts", "hospitalised", mother, days=5).rules()
    working = Home(mother, son).fact("employment", "working", son).fact("whereabouts", "hospitalised", mother, days=5)
    assert "R-504" not in working.rules()
    assert "R-504" not in Home(mother, son).fact("whereabouts", "hospitalised", mother, days=40).fact("whereabouts", "home", mother, days=5).rules()


def test_a_parents_death_is_r504_and_the_dependent_left_behind_r914() -> None:
    mother, son = person(82), person(53, 1, "child")
    rules = Home(mother, son).fact("withdrawn", "3", son).left(mother, "died", 5).rules()
    assert rules == {"R-504", "R-914"}


def test_two_desks_or_three_groups_of_issues_are_r907() -> None:
    assert Home(person(70)).case("cases-elderly").case("cases-poverty").rules() == {"R-907"}
    assert Home(person(70)).case("cases-elderly").case("cases-center").rules() == set()
    three = Home(person(70)).fact("issue", "37").fact("issue", "03").fact("issue", "09")
    assert three.rules() == {"R-907"}


def test_a_contradiction_heard_at_the_reception_does_not_change_the_truth() -> None:
    mother, son = person(82), person(53, 1, "child")
    home = Home(mother, son).fact("withdrawn", "3", son)
    concern = ((son.id, "withdrawn", "1"),)
    home.commands.append(ReceiveConsultation(home.ago(2), home.household.id, uuid4(), ("99",), "99", "4", "D", "given", "", (), (son.id,), concern))
    assert home.rules() == {"R-502"}


def test_the_file_names_faults_and_what_nobody_knows(small: Town) -> None:
    lines = list(truth.lines(small))
    assert {line["kind"] for line in lines} == {"alert", "duplicate", "contradiction", "kana", "latent"}
    assert {line["rule"] for line in lines if line["kind"] == "alert"} >= {"R-101", "R-105", "R-502", "R-504", "R-907", "R-914"}
    assert all(isinstance(line["household"], UUID) for line in lines)


def test_the_file_names_no_person_except_the_right_reading_of_a_wrong_one(small: Town) -> None:
    people = {member.name for household in small.households for member in household.members}
    written = " ".join(str(line) for line in truth.lines(small))
    assert not any(name in written for name in people)
