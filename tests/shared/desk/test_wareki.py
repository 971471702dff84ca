"""和暦: what people type is understood, what cannot be is refused with a sentence."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.desk.wareki import ERAS, FIRST_DAY, DateUnreadable, age_on, date_text, fiscal_year, moment, parse_date, short, to_wareki

TODAY = date(2026, 11, 23)
ANY_DAY = st.dates(min_value=FIRST_DAY, max_value=date(2099, 12, 31))


def test_every_day_of_the_five_eras_comes_back_from_both_ways_of_writing_it() -> None:
    day = FIRST_DAY
    while day < date(2030, 1, 1):
        assert parse_date(to_wareki(day), today=TODAY) == day
        assert parse_date(short(day), today=TODAY) == day
        day += timedelta(days=1)


@given(ANY_DAY, st.sampled_from(["{:%Y%m%d}", "{:%Y-%m-%d}", "{:%Y/%m/%d}", "{0.year}年{0.month}月{0.day}日", "西暦{0.year}/{0.month}/{0.day}"]))
def test_western_dates_are_read(day: date, form: str) -> None:
    assert parse_date(form.format(day), today=TODAY) == day


@given(ANY_DAY)
def test_full_width_and_spaces_make_no_difference(day: date) -> None:
    wide = "　" + short(day).translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}) + " "
    assert parse_date(wide, today=TODAY) == day
    assert parse_date(short(day).lower().replace(".", "/"), today=TODAY) == day


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("S18.4.1", date(1943, 4, 1)),
        ("昭18.4.1", date(1943, 4, 1)),
        ("昭和18年4月1日", date(1943, 4, 1)),
        ("S180401", date(1943, 4, 1)),
        ("r8/11/23", date(2026, 11, 23)),
        ("R元.5.1", date(2019, 5, 1)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("今日", TODAY),
        ("昨日", date(2026, 11, 22)),
        ("-3", date(2026, 11, 20)),
        ("－３", date(2026, 11, 20)),
        ("+7", date(2026, 11, 30)),
    ],
)
def test_the_ways_a_date_is_said_at_the_desk(typed: str, day: date) -> None:
    assert parse_date(typed, today=TODAY) == day


@pytest.mark.parametrize(
    ("last", "first", "name"),
    [
        (date(1912, 7, 29), date(1912, 7, 30), "大正元年7月30日"),
        (date(1926, 12, 24), date(1926, 12, 25), "昭和元年12月25日"),
        (date(1989, 1, 7), date(1989, 1, 8), "平成元年1月8日"),
        (date(2019, 4, 30), date(2019, 5, 1), "令和元年5月1日"),
    ],
)
def test_an_era_begins_on_its_day(last: date, first: date, name: str) -> None:
    assert to_wareki(first) == name
    assert to_wareki(last)[:2] != name[:2]


@given(ANY_DAY)
def test_a_day_said_in_another_era_is_refused_and_the_right_one_is_named(day: date) -> None:
    for era in ERAS:
        year = era.year(day)
        if era.first <= day <= era.last or not 1 <= year <= 99:
            continue
        with pytest.raises(DateUnreadable) as refused:
            parse_date(f"{era.name}{year}年{day.month}月{day.day}日", today=TODAY)
        assert to_wareki(day) in refused.value.sentence or era.name == "明治"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "日付を入れてください。"),
        ("S18.2.30", "昭和18年2月30日という日はありません。月と日を確かめてください。"),
        ("20260230", "2026年2月30日という日はありません。月と日を確かめてください。"),
        ("S64.1.8", "昭和64年1月8日は昭和ではありません。平成元年1月8日（1989-01-08）ですか。"),
        ("M5.12.2", "明治は6年（1873年）1月1日からの日付を入れてください。"),
        ("18721231", "1873年（明治6年）より前の日付は扱えません。"),
        ("S0.4.1", "昭和0年という年はありません。元年は1年です。"),
        ("4/1", "年も入れてください（例 R8.4.1）。"),
        ("R元", "月と日も入れてください（例 R8.4.1）。"),
        ("さくらのころ", "日付として読めません。S18.4.1、昭和18年4月1日、19430401 のように入れてください。"),
    ],
)
def test_a_refusal_says_what_to_do(typed: str, sentence: str) -> None:
    with pytest.raises(DateUnreadable) as refused:
        parse_date(typed, today=TODAY)
    assert refused.value.sentence == sentence


@given(st.text(max_size=30))
def test_whatever_is_typed_gives_a_day_or_a_sentence(typed: str) -> None:
    try:
        answer: date | str = parse_date(typed, today=TODAY)
    except DateUnreadable as refused:
        answer = refused.sentence
    assert isinstance(answer, date) or answer.endswith("。")


def test_a_year_is_added_the_day_before_the_birthday() -> None:
    birth = date(1961, 4, 1)
    assert age_on(birth, date(2026, 3, 30)) == 64
    assert age_on(birth, date(2026, 3, 31)) == 65


def test_someone_born_on_29_february_turns_on_the_28th() -> None:
    birth = date(2008, 2, 29)
    assert age_on(birth, date(2026, 2, 27)) == 17
    assert age_on(birth, date(2026, 2, 28)) == 18
    assert age_on(birth, date(2028, 2, 28)) == 20


@given(ANY_DAY, ANY_DAY)
def test_age_grows_by_one_a_year_and_never_falls(birth: date, day: date) -> None:
    assert age_on(birth, day) <= age_on(birth, day + timedelta(days=1)) <= age_on(birth, day) + 1
    assert age_on(birth, birth) == 0


def test_a_child_born_on_1_april_starts_school_a_year_before_one_born_on_2_april() -> None:
    beginning_of_school_year = date(2026, 3, 31)
    assert age_on(date(2020, 4, 1), beginning_of_school_year) == 6
    assert age_on(date(2020, 4, 2), beginning_of_school_year) == 5


def test_the_fiscal_year_begins_in_april() -> None:
    assert (fiscal_year(date(2026, 3, 31)), fiscal_year(date(2026, 4, 1))) == (2025, 2026)


def test_a_moment_is_told_in_japan() -> None:
    assert moment(datetime(2026, 11, 22, 15, 12, tzinfo=UTC)) == "令和8年11月23日 00:12"
    assert to_wareki(datetime(2026, 11, 22, 15, 12, tzinfo=UTC)) == "令和8年11月23日"
    with pytest.raises(ValueError, match="without a zone"):
        moment(datetime(2026, 11, 22, 15, 12))  # noqa: DTZ001


def test_a_field_keeps_what_was_typed_and_writes_a_stored_date_in_wareki() -> None:
    assert date_text("S18.2.30") == "S18.2.30"
    assert date_text(date(1943, 4, 1)) == "昭和18年4月1日"
    assert date_text(None) == ""
