"""Readings a supervisor should ask about: each sign by itself, and what a month of ordinary work does not show."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.contracts.unusual import Sign, Unusual
from shared.desk.wareki import JST
from shared.runtime.unusual import Known, Reading, rank, rules_on

RULES = rules_on(date(2026, 11, 1))
HOME = uuid4()
#: a Friday at ten
AT = datetime(2026, 11, 20, 10, 0, tzinfo=JST)
NEW_YEAR, SUNDAY, HOLIDAY = datetime(2026, 12, 31, 10, tzinfo=JST), datetime(2026, 11, 22, 10, tzinfo=JST), datetime(2026, 11, 23, 10, tzinfo=JST)
OURS = Known(related=frozenset({HOME}))


def read(at: datetime = AT, household: UUID = HOME, **more: object) -> Reading:
    return Reading(at, "u1", household, ("reception",), **more)  # type: ignore[arg-type]


def signs(*readings: Reading, known: Known = OURS) -> set[Sign]:
    """Whatever the threshold."""
    return {sign for one in rank(readings, known, replace(RULES, threshold=0)) for sign in one.signs}


def test_ordinary_work_in_the_day_shows_nothing() -> None:
    readings = [read(AT + timedelta(minutes=n)) for n in range(30)]
    assert signs(*readings) == set()
    assert rank(readings, OURS, RULES) == []


@pytest.mark.parametrize(("reading", "sign"), [
    (read(household=uuid4()), Sign.NO_RELATION),
    (read(refused=True), Sign.REFUSED),
    (read(AT.replace(hour=8, minute=29)), Sign.OFF_HOURS),
    (read(AT.replace(hour=17, minute=15)), Sign.OFF_HOURS),
    (read(AT.astimezone(JST).replace(hour=23)), Sign.OFF_HOURS),
    (read(SUNDAY), Sign.CLOSED_DAY),
    (read(HOLIDAY), Sign.CLOSED_DAY),
    (read(NEW_YEAR), Sign.CLOSED_DAY),
])  # fmt: skip
def test_one_sign_is_told_by_itself(reading: Reading, sign: Sign) -> None:
    assert signs(reading) == {sign}


def test_the_desk_is_open_from_half_past_eight_to_a_quarter_past_five() -> None:
    assert signs(read(AT.replace(hour=8, minute=30)), read(AT.replace(hour=17, minute=14))) == set()


def test_whoever_worked_on_a_household_has_to_do_with_it_and_only_that_person() -> None:
    known = Known(worked=frozenset({("u1", HOME)}))
    assert signs(read(), known=known) == set()
    assert signs(replace(read(), actor="u2"), known=known) == {Sign.NO_RELATION}


def test_a_household_of_the_own_family_name_stands_first() -> None:
    other = uuid4()
    known = Known(related=frozenset({HOME, other}), close={Sign.KIN: frozenset({("u1", other)})})
    found = rank([read(SUNDAY), read(household=other, at=SUNDAY)], known, RULES)
    assert [(one.household_id, one.signs, one.score) for one in found] == [(other, (Sign.KIN, Sign.CLOSED_DAY), 6)]


def test_the_own_block_weighs_more_than_the_own_town_and_the_town_alone_is_not_listed() -> None:
    block, town = uuid4(), uuid4()
    near = {Sign.ADDRESS: frozenset({("u1", block)}), Sign.STREET: frozenset({("u1", town)})}
    known = Known(related=frozenset({block, town}), close=near)
    readings = [read(household=block), read(household=town)]
    assert [(one.household_id, one.signs) for one in rank(readings, known, RULES)] == [(block, (Sign.ADDRESS,))]
    late = [replace(reading, at=AT.replace(hour=20)) for reading in readings]
    assert [one.household_id for one in rank(late, known, RULES)] == [block, town]
    assert rank([replace(reading, actor="u2") for reading in late], known, RULES) == []


def test_a_sign_of_a_later_release_is_left_out_and_the_entry_stays() -> None:
    told = {"actor": "u1", "roles": [], "household_id": str(HOME), "times": 1, "first": AT, "last": AT, "signs": ["kin", "moon_phase"], "score": 9}
    assert Unusual.model_validate(told).signs == (Sign.KIN,)


def test_many_households_in_one_hour_are_a_sign_at_each_of_them_and_the_limit_is_not() -> None:
    homes = [uuid4() for _ in range(RULES.many_households + 1)]
    known = Known(related=frozenset(homes))
    assert signs(*(read(household=home) for home in homes[:-1]), known=known) == set()
    assert signs(*(read(household=home) for home in homes), known=known) == {Sign.MANY}
    spread = [read(AT + timedelta(hours=n % 2), home) for n, home in enumerate(homes)]
    assert signs(*spread, known=known) == set()


def test_overtime_alone_is_not_listed_but_adds_up() -> None:
    late = AT.replace(hour=20)
    assert rank([read(late)], OURS, RULES) == []
    (one,) = rank([read(late), read(AT, refused=True)], OURS, RULES)
    assert isinstance(one, Unusual)
    assert (one.times, one.score, one.first, one.last) == (2, 4, AT, late)


def test_every_weight_says_where_it_comes_from_and_holds_from_a_day() -> None:
    assert set(RULES.weights) == set(Sign)
    assert all(weight > 0 for weight in RULES.weights.values())
