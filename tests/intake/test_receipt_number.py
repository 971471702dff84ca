"""受付番号は日本時間の年度で改まる。"""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.receipt_number import fiscal_year, local_day, receipt_number
from shared.desk.wareki import JST

#: seconds since 1970, to 2100
MOMENTS = st.integers(0, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second, UTC))


@pytest.mark.parametrize(
    ("at", "year"),
    [
        (datetime(2027, 3, 31, 23, 59, 59, tzinfo=JST), 2026),
        (datetime(2027, 4, 1, 0, 0, tzinfo=JST), 2027),
        (datetime(2027, 3, 31, 14, 59, 59, tzinfo=UTC), 2026),
        (datetime(2027, 3, 31, 15, 0, tzinfo=UTC), 2027),
    ],
)
def test_the_year_turns_at_midnight_in_japan(at: datetime, year: int) -> None:
    assert fiscal_year(at) == year


@given(MOMENTS)
def test_a_fiscal_year_holds_its_day(at: datetime) -> None:
    first = date(fiscal_year(at), 4, 1)
    assert first <= local_day(at) < date(first.year + 1, 4, 1)


@given(MOMENTS)
def test_the_year_changes_only_on_the_first_of_april(at: datetime) -> None:
    tomorrow = at + timedelta(days=1)
    turned = fiscal_year(tomorrow) != fiscal_year(at)
    assert turned == (local_day(tomorrow).month == 4 and local_day(tomorrow).day == 1)


@pytest.mark.parametrize(("year", "number"), [(2026, "R8-0001"), (2019, "R1-0001"), (2018, "H30-0001")])
def test_the_number_is_in_the_era_of_its_year(year: int, number: str) -> None:
    assert receipt_number(year, 1) == number


def test_ten_thousand_does_not_wrap() -> None:
    assert receipt_number(2026, 12345) == "R8-12345"
