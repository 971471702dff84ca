"""保存期間の数え方: 年度の境目、応当日のない月、うるう日、子の年齢。"""

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.retention import Facts, Period, RecordClass, corresponding, next_fiscal_year, periods_on

TODAY = date(2026, 11, 26)
OURS = periods_on(TODAY)
days = st.dates(date(2000, 1, 1), date(2090, 12, 31))


@pytest.mark.parametrize(
    ("closed_on", "due"),
    [
        (date(2026, 11, 20), date(2032, 4, 1)),
        (date(2027, 3, 31), date(2032, 4, 1)),  # 年度の最後の日
        (date(2027, 4, 1), date(2033, 4, 1)),  # 一日違いで一年延びる
        (date(2028, 2, 29), date(2033, 4, 1)),
        (date(2027, 12, 31), date(2033, 4, 1)),
    ],
)
def test_a_case_is_kept_for_five_years_after_the_fiscal_year_it_closed_in(closed_on: date, due: date) -> None:
    assert OURS.due(RecordClass.CASE, closed_on) == due


@pytest.mark.parametrize(
    ("said_on", "review", "gone"),
    [
        (date(2026, 5, 20), date(2026, 11, 21), date(2027, 5, 21)),
        (date(2026, 8, 30), date(2027, 3, 1), date(2027, 8, 31)),  # 2月31日はないので、2月の末日に満ちる
        (date(2027, 8, 31), date(2028, 3, 1), date(2028, 9, 1)),
        (date(2028, 2, 28), date(2028, 8, 29), date(2029, 3, 1)),  # 起算日 2月29日の応当日が平年にない
        (date(2028, 2, 29), date(2028, 9, 1), date(2029, 3, 1)),
    ],
)
def test_months_end_on_the_day_before_the_corresponding_day(said_on: date, review: date, gone: date) -> None:
    assert OURS.due(RecordClass.LEAD_REVIEW, said_on) == review
    assert OURS.due(RecordClass.LEAD, said_on) == gone


def test_ninety_days_do_not_count_the_first_day() -> None:
    assert OURS.due(RecordClass.ALERT_UNCONFIRMED, date(2026, 1, 1)) == date(2026, 4, 2)


def test_child_abuse_waits_for_the_youngest_child() -> None:
    closed = date(2026, 11, 20)
    assert OURS.due(RecordClass.CHILD_ABUSE, closed, Facts("2024-02")) == date(2044, 3, 1)
    assert OURS.due(RecordClass.CHILD_ABUSE_SERIOUS, closed, Facts("2024-02")) == date(2049, 3, 1)
    assert OURS.due(RecordClass.CHILD_ABUSE, closed, Facts("2006-01")) == date(2032, 4, 1), "never shorter than the ordinary period"
    assert OURS.due(RecordClass.CHILD_ABUSE, closed) == date(2046, 12, 1), "of a child whose birth nobody wrote down, the longest is assumed"


@given(days)
def test_five_fiscal_years_are_five_to_six_years_and_end_with_march(closed_on: date) -> None:
    due = OURS.due(RecordClass.CASE, closed_on)
    assert (due.month, due.day) == (4, 1)
    assert 5 * 365 < (due - closed_on).days <= 6 * 366


@given(days, days)
def test_what_closed_later_is_never_due_earlier(one: date, other: date) -> None:
    first, last = sorted((one, other))
    for record_class in RecordClass:
        assert OURS.due(record_class, first, Facts("2010-07")) <= OURS.due(record_class, last, Facts("2010-07"))


@given(days, st.integers(0, 400))
def test_a_corresponding_day_is_the_same_day_or_the_first_after_a_shorter_month(start: date, months: int) -> None:
    found = corresponding(start, months)
    assert found.day == start.day or (found.day == 1 and (found - timedelta(days=1)).day < start.day)
    assert (found - timedelta(days=1)).year * 12 + (found - timedelta(days=1)).month in (start.year * 12 + start.month + months - d for d in (0, 1))


@given(days)
def test_the_next_fiscal_year_begins_within_a_year(on: date) -> None:
    begins = next_fiscal_year(on)
    assert (begins.month, begins.day) == (4, 1)
    assert on < begins <= date(on.year + 1, 4, 1)


def _city(folder: Path, name: str, record_class: str, since: date, **period: object) -> None:
    entries = {record_class: [{"value": period, "from": since, "source": "架空市 文書管理規程"}]}
    (folder / name).write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")


def test_the_city_sets_its_own_period_from_a_day_on(tmp_path: Path) -> None:
    _city(tmp_path, "retention.yaml", "case", date(2027, 4, 1), years=10, after="fiscal_year")
    assert periods_on(date(2027, 3, 31), city=tmp_path).of[RecordClass.CASE].years == 5
    assert periods_on(date(2027, 4, 1), city=tmp_path).due(RecordClass.CASE, date(2027, 5, 1)) == date(2038, 4, 1)


def test_one_desk_may_have_its_own_period(tmp_path: Path) -> None:
    _city(tmp_path, "retention-cases-elderly.yaml", "case", date(2015, 4, 1), years=2, after="day")
    closed = date(2026, 6, 30)
    assert periods_on(TODAY, city=tmp_path, unit="cases-elderly").due(RecordClass.CASE, closed) == date(2028, 7, 1)
    assert periods_on(TODAY, city=tmp_path, unit="cases-poverty").due(RecordClass.CASE, closed) == date(2032, 4, 1)


def test_every_period_says_where_it_comes_from() -> None:
    assert all(period.source.startswith("[") for period in OURS.of.values())
    assert Period(days=1).due(date(2028, 2, 28)) == date(2028, 3, 1)
