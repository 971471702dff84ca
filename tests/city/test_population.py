"""人口と世帯の約束（domain.md §9.1–9.2）: 合計は一人も違わない。誰も実在しない。"""

import itertools
import re
from collections import Counter
from datetime import date

import pytest

from deploy.city import names
from deploy.city.parameters import parameters
from deploy.city.people import Household, Person
from deploy.city.town import Town

TODAY = date(2026, 11, 23)
CITY = parameters()


@pytest.fixture(scope="module")
def people(whole: Town) -> list[Person]:
    return [member for household in whole.households for member in household.members]


def age(person: Person, on: date) -> int:
    return on.year - person.birth.year - ((on.month, on.day) < (person.birth.month, person.birth.day))


def test_the_city_has_exactly_its_people_and_households(whole: Town, people: list[Person]) -> None:
    assert (len(whole.households), len(people)) == (13_405, 28_012)
    assert sum(age(person, TODAY) >= 65 for person in people) == 11_964


def test_every_cell_of_the_age_pyramid_is_met(people: list[Person]) -> None:
    """Counted from the birth dates, not from the age the generator wrote down."""
    cells = Counter((person.sex, min(age(person, TODAY) // 5, 20)) for person in people)
    assert [cells["M", band] for band in range(21)] == list(CITY.pyramid["M"])
    assert [cells["F", band] for band in range(21)] == list(CITY.pyramid["F"])


@pytest.mark.parametrize("code", CITY.types)
def test_every_household_type_has_its_households_people_elderly_and_minors(whole: Town, code: str) -> None:
    kind = CITY.types[code]
    of_kind = [household for household in whole.households if household.type == code]
    ages = [age(member, TODAY) for household in of_kind for member in household.members]
    counted = (len(of_kind), len(ages), sum(a >= 65 for a in ages), sum(a < 18 for a in ages))
    assert counted == (kind.households, kind.persons, kind.elderly, kind.minors)


def test_the_written_age_is_the_age(people: list[Person]) -> None:
    assert all(person.age == age(person, TODAY) for person in people)


def test_every_household_has_one_head_and_no_child_without_an_adult(whole: Town) -> None:
    for household in whole.households:
        assert [member.role for member in household.members].count("head") == 1
        assert max(member.age for member in household.members) >= 18


def test_parents_are_old_enough_and_brothers_and_sisters_are_born_apart(whole: Town) -> None:
    for household in whole.households:
        _check_generations(household)
        births = sorted(member.birth for member in household.members if member.generation == 2 and member.is_minor)
        assert all((later - earlier).days == 0 or (later - earlier).days >= 270 for earlier, later in itertools.pairwise(births))


def _check_generations(household: Household) -> None:
    if household.type == "O":
        return
    for parent in household.members:
        for child in household.members:
            if child.generation == parent.generation + 1:
                assert 15 <= parent.age - child.age <= 60


def test_districts_keep_their_weight_and_grow_older_towards_the_sea(whole: Town) -> None:
    persons, old = Counter[str](), Counter[str]()
    for household in whole.households:
        persons[household.area] += len(household.members)
        old[household.area] += sum(member.is_elderly for member in household.members)
    for area, shape in CITY.areas.items():
        assert abs(persons[area] / 28_012 - shape.weight) < 0.02
    share = {area: old[area] / persons[area] for area in CITY.areas}
    assert share["TOI"] > share["AMAGIYUGASHIMA"] > share["NAKAIZU"] > share["SHUZENJI"]


def test_one_dwelling_in_seventeen_is_two_households_in_the_register(whole: Town) -> None:
    dwellings = [household for household in whole.households if household.type in ("P65", "G2", "G3")]
    split = [household for household in dwellings if len({member.registry_no for member in household.members}) == 2]
    assert abs(len(split) / len(dwellings) - 0.06) < 0.002


def test_nobody_is_real(whole: Town, people: list[Person]) -> None:
    """架空の姓、実在しない番地、000 で始まる電話、番号の列はない。"""
    assert all(person.synthetic for person in people)
    for household in whole.households:
        assert re.fullmatch(r"9\d{3}番地\d+", household.address.lot)
        assert re.fullmatch(r"000-\d{4}-\d{4}", household.address.phone)
        assert household.address.town_id.startswith("9")
    fields = set(Person.__dataclass_fields__)
    assert not fields & {"my_number", "pension_no", "residence_card_no"}


def test_every_surname_says_that_it_is_made_up(people: list[Person]) -> None:
    assert {person.surname for person in people if not names.is_synthetic(person.surname)} == set()


def test_no_real_municipality_code_stands_anywhere_in_the_city() -> None:
    """999999 only: not 22222/222224, and no other code with a valid check digit (domain.md §8.4)."""
    assert CITY.municipality_code == "999999"
    assert not _is_real(CITY.municipality_code)
    assert _is_real("222224")
    assert "伊豆" not in CITY.municipality_name


def _is_real(code: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(code[:5], (6, 5, 4, 3, 2), strict=True))
    return 1 <= int(code[:2]) <= 47 and int(code[5]) == (11 - total % 11) % 10


def test_no_two_households_share_a_lot_or_a_telephone(whole: Town) -> None:
    lots = {(household.address.town, household.address.lot) for household in whole.households}
    assert len(lots) == len({household.address.phone for household in whole.households}) == 13_405


def test_readings_are_katakana(people: list[Person]) -> None:
    assert all(re.fullmatch(r"[ァ-ヴー]+ [ァ-ヴー]+", person.kana_on_record) for person in people)


def test_nobody_in_a_household_has_the_name_of_another(whole: Town) -> None:
    """受付は名前で世帯員を見分ける。"""
    for household in whole.households:
        assert len({member.name for member in household.members}) == len(household.members)
