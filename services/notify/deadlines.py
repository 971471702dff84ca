"""期限の数え方: 日本時間、開庁日（土日・祝日・12/29–1/3 を除く）、年度の四半期。"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import jpholiday

JST = ZoneInfo("Asia/Tokyo")


def day_of(moment: datetime) -> date:
    """その時刻の、日本での日付。"""
    return moment.astimezone(JST).date()


def at_time(day: date, clock: time) -> datetime:
    """日本時間の日時を UTC で返す。"""
    return datetime.combine(day, clock, JST).astimezone(UTC)


def is_business_day(day: date) -> bool:
    """市役所の開庁日。年末年始 12/29–1/3 は地方自治法 4 条の 2 による休日。"""
    closed_at_new_year = (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)
    return day.weekday() < 5 and not closed_at_new_year and not jpholiday.is_holiday(day)


def after_business_days(day: date, count: int) -> date:
    """`day` の翌日から数えて `count` 開庁日目。0 なら `day` そのもの。"""
    while count > 0:
        day += timedelta(days=1)
        count -= is_business_day(day)
    return day


def fiscal_quarter(day: date) -> str:
    """4月1日に始まる年度の四半期。2027-03-31 は 2026Q4。"""
    year = day.year - (day.month < 4)
    return f"{year}Q{(day.month - 4) % 12 // 3 + 1}"
