"""Days as the town hall counts them."""

from datetime import UTC, date, datetime

import pytest

from services.notify.deadlines import day_of, fiscal_quarter
from shared.contracts.alert import Severity
from tests.notify.town import parameters


@pytest.mark.parametrize(
    ("day", "quarter"),
    [
        (date(2026, 3, 31), "2025Q4"),
        (date(2026, 4, 1), "2026Q1"),
        (date(2026, 6, 30), "2026Q1"),
        (date(2026, 7, 1), "2026Q2"),
        (date(2027, 1, 1), "2026Q4"),
    ],
)
def test_the_fiscal_year_begins_in_april(day: date, quarter: str) -> None:
    assert fiscal_quarter(day) == quarter


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        (date(2026, 12, 28), True), (date(2026, 12, 29), False), (date(2026, 12, 31), False), (date(2027, 1, 3), False), (date(2027, 1, 4), True),
        (date(2026, 11, 23), False), (date(2026, 11, 24), True), (date(2026, 11, 28), False),
    ],
)  # fmt: skip
def test_closed_on_weekends_holidays_and_over_the_new_year(day: date, open_: bool) -> None:
    assert parameters().open_days.is_closed(day) is not open_


def test_three_business_days_over_the_new_year() -> None:
    assert parameters().open_days.after(date(2026, 12, 28), 3) == date(2027, 1, 6)


def test_a_japanese_day_begins_at_fifteen_hours_utc() -> None:
    assert day_of(datetime(2026, 11, 23, 14, 59, tzinfo=UTC)) == date(2026, 11, 23)
    assert day_of(datetime(2026, 11, 23, 15, 0, tzinfo=UTC)) == date(2026, 11, 24)


def test_each_severity_has_its_own_clock() -> None:
    friday_evening = datetime(2026, 12, 25, 9, 0, tzinfo=UTC)
    given = parameters(date(2026, 12, 25))
    assert given.acknowledge_by(Severity.S1, friday_evening) == datetime(2026, 12, 25, 9, 30, tzinfo=UTC)
    assert given.due("R-907", Severity.S1, friday_evening) == datetime(2026, 12, 25, 14, 59, tzinfo=UTC)
    assert given.due("R-914", Severity.S2, friday_evening) == datetime(2027, 1, 5, 8, 15, tzinfo=UTC)
    assert given.due("R-907", Severity.S3, friday_evening) == datetime(2027, 1, 8, 8, 15, tzinfo=UTC)
