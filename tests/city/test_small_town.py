"""小さな町: 割合を保ち、名前のある世帯が必ずいる。"""

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest

from deploy.city import demo, town
from deploy.city.load import unit_of
from deploy.city.people import Household
from deploy.city.sample import TownTooSmall
from deploy.city.town import Town
from deploy.city.truth import Reading, expected

JST = timedelta(hours=9)


def named(small: Town, key: str) -> Household:
    return next(household for household in small.households if household.demo == key)


def alerts(small: Town, key: str) -> set[str]:
    household = named(small, key)
    history = small.histories[small.households.index(household)]
    found = expected(household, history, small.until, Reading.of(small.parameters))
    return {finding.rule for finding in found if finding.current}


def test_three_hundred_households_keep_the_proportions_of_the_city(small: Town) -> None:
    assert len(small.households) == 300
    counted = Counter(household.type for household in small.households)
    for code, kind in small.parameters.types.items():
        assert abs(counted[code] / 300 - kind.households / 13_405) < 0.02


@pytest.mark.parametrize("size", [len(demo.stories()), 40, 1_000])
def test_every_named_household_lives_in_every_town(small: Town, size: int) -> None:
    people = town.small(small.until, size)
    assert len(people.households) == size
    assert {household.demo for household in people.households} >= {story.key for story in demo.stories()}


def test_a_town_without_room_for_the_named_households_is_refused(small: Town) -> None:
    with pytest.raises(TownTooSmall, match="世帯から"):
        town.small(small.until, 3)


def test_the_mother_is_82_her_son_53_and_only_the_elderly_desk_knows_them(small: Town) -> None:
    household = named(small, "mother-and-son")
    assert [(member.sex, member.age) for member in household.members] == [("F", 82), ("M", 53)]
    history = small.histories[small.households.index(household)]
    assert {unit_of(command) for command in history} == {"intake", "cases-elderly"}
    assert alerts(small, "mother-and-son") == set()


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        ("widow", {"R-101"}),
        ("missed-watch", {"R-105"}),
        ("weekly-watch", set()),
        ("father-in-hospital", {"R-502", "R-504", "R-907"}),
        ("lone-mother", {"R-907"}),
    ],
)
def test_the_named_households_show_what_the_readme_promises(small: Town, key: str, rules: set[str]) -> None:
    assert alerts(small, key) == rules


@pytest.mark.parametrize("hour", [0, 8, 9, 14])
def test_the_weekly_watch_falls_due_at_the_next_closing_time(small: Town, hour: int) -> None:
    """Whenever the town is loaded: 09:00, 17:00, 18:00 or 23:00 in Japan."""
    until = small.until.replace(hour=hour)
    people = town.small(until, len(demo.stories()))
    history = people.histories[people.households.index(named(people, "weekly-watch"))]
    due = datetime.combine((history[-1].at + JST).date() + timedelta(days=7), time(17, 15), UTC) - JST
    assert timedelta(0) < due - until <= timedelta(days=1)


def test_every_named_household_is_told_in_the_readme(small: Town) -> None:
    readme = (town.__file__ or "").replace("town.py", "README.md")
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    for story in demo.stories():
        assert f"{story.surname.written} {story.given[0].written}" in text
