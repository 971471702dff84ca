"""割合と相関（domain.md §9.3、§9.4-5）。"""

from collections.abc import Callable

import pytest

from deploy.city import town
from deploy.city.people import Household, Person
from deploy.city.town import Town
from deploy.city.troubles import is_eighty_fifty


def everyone(city: Town) -> list[tuple[Household, Person]]:
    return [(household, member) for household in city.households for member in household.members]


def about(expected: float, tolerance: float = 0.1) -> object:
    return pytest.approx(expected, rel=tolerance)


def test_prevalence_is_as_the_reference_says(whole: Town) -> None:
    people = [member for _, member in everyone(whole)]
    assert sum(p.truth.withdrawn != "none" for p in people) == about(283, 0.03)
    assert sum(p.truth.care_level != "none" for p in people) == about(2_450)
    assert sum(p.truth.dementia != "none" for p in people) == about(1_500)
    assert sum(any(h.startswith("physical") for h in p.truth.handbooks) for p in people) == about(1_250)
    assert sum(any(h.startswith("intellectual") for h in p.truth.handbooks) for p in people) == about(283, 0.03)
    assert sum(any(h.startswith("mental") for h in p.truth.handbooks) for p in people) == about(300, 0.03)
    assert sum(bool(p.truth.school_absence) for p in people) == about(57)
    assert sum(p.truth.care_role for p in people) == about(67)


def test_seventy_to_a_hundred_and_ten_households_are_8050_with_a_withdrawn_child(whole: Town) -> None:
    households = [h for h in whole.households if is_eighty_fifty(h) and any(m.truth.withdrawn != "none" for m in h.members)]
    assert 70 <= len(households) <= 110


def test_one_single_elderly_in_eight_has_no_key_person_and_more_by_the_sea(whole: Town) -> None:
    single = [h for h in whole.households if h.type == "S65"]
    lost = {area: [h.key_person == "lost" for h in single if h.area == area] for area in whole.parameters.areas}
    assert 330 <= sum(map(sum, lost.values())) <= 410
    assert sum(lost["TOI"]) / len(lost["TOI"]) > sum(lost["SHUZENJI"]) / len(lost["SHUZENJI"])


def test_the_watch_has_three_eight_and_twenty_percent_of_the_old_singles_and_couples(whole: Town) -> None:
    eligible = [h for h in whole.households if h.type in ("S65", "C65", "C1") and any(m.age >= 75 for m in h.members)]
    share = {tier: sum(h.watch == tier for h in eligible) / len(eligible) for tier in "ABC"}
    assert share == {"A": about(0.03), "B": about(0.08), "C": about(0.20)}


def test_the_withdrawn_are_unmarried_and_mostly_with_their_parents(whole: Town) -> None:
    middle = [(h, p) for h, p in everyone(whole) if p.truth.withdrawn != "none" and 40 <= p.age <= 64]
    assert sum(p.marital == "unmarried" for _, p in middle) / len(middle) > 0.8
    assert sum(h.type in ("P65", "G2") for h, _ in middle) / len(middle) == about(0.65)


def test_lone_parents_are_poorer_and_their_children_miss_school_more_often(whole: Town) -> None:
    lone = [h for h in whole.households if h.type == "L"]
    families = [h for h in whole.households if h.type == "N"]
    assert _share(lone, lambda h: h.poverty) > 3 * _share(families, lambda h: h.poverty)
    assert _share(lone, _absent) > 1.5 * _share(families, _absent)


def _absent(household: Household) -> bool:
    return any(member.truth.school_absence for member in household.members)


def _share(households: list[Household], test: Callable[[Household], bool]) -> float:
    return sum(map(test, households)) / len(households)


def test_dementia_goes_with_a_care_level(whole: Town) -> None:
    confused = [p for _, p in everyone(whole) if p.truth.dementia != "none"]
    assert sum(p.truth.care_level != "none" for p in confused) / len(confused) > 0.6


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_is_another_city_with_the_same_sums(whole: Town, seed: int) -> None:
    other = town.whole(whole.until, seed)
    assert (len(other.households), sum(len(h.members) for h in other.households)) == (13_405, 28_012)
    eighty_fifty = [h for h in other.households if is_eighty_fifty(h) and any(m.truth.withdrawn != "none" for m in h.members)]
    assert 70 <= len(eighty_fifty) <= 110
