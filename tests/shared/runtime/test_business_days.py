"""Counting the days the town hall is open, over New Year, Golden Week and a 国民の休日."""

from datetime import date

import pytest

from shared.runtime.business_days import Calendar

CALENDAR = Calendar(frozenset({"12-29", "12-30", "12-31", "01-02", "01-03"}))


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        (date(2026, 11, 20), 1, date(2026, 11, 24)),  # 金曜の翌開庁日: 土日と 23 日（勤労感謝の日）を越える
        (date(2026, 12, 28), 1, date(2027, 1, 4)),  # 仕事納めの翌開庁日
        (date(2026, 9, 18), 1, date(2026, 9, 24)),  # 敬老の日、国民の休日、秋分の日が続く
        (date(2026, 11, 24), 0, date(2026, 11, 24)),
        (date(2026, 11, 21), 3, date(2026, 11, 26)),
    ],
)
def test_business_days_are_counted(start: date, days: int, due: date) -> None:
    assert CALENDAR.after(start, days) == due
