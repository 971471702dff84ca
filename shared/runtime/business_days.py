"""役所の開いている日: 土日、国民の祝日、年末年始（市が定める月日）を除いて数える。"""

from dataclasses import dataclass
from datetime import date, timedelta

import jpholiday


@dataclass(frozen=True)
class Calendar:
    """`closed` は土日・祝日のほかに閉まる月日（"12-29" の形）。"""

    closed: frozenset[str]

    def is_closed(self, day: date) -> bool:
        return day.weekday() >= 5 or f"{day:%m-%d}" in self.closed or bool(jpholiday.is_holiday(day))

    def after(self, day: date, business_days: int) -> date:
        """`day` の翌開庁日から数えて `business_days` 日目。0 ならその日のまま。"""
        due, left = day, business_days
        while left > 0:
            due += timedelta(days=1)
            left -= not self.is_closed(due)
        return due
