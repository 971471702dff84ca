"""日の数え方: 日本時間の日付、年度の四半期。開庁日は shared.runtime.business_days。"""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")


def day_of(moment: datetime) -> date:
    """その時刻の、日本での日付。"""
    return moment.astimezone(JST).date()


def at_time(day: date, clock: time) -> datetime:
    """日本時間の日時を UTC で返す。"""
    return datetime.combine(day, clock, JST).astimezone(UTC)


def fiscal_quarter(day: date) -> str:
    """4月1日に始まる年度の四半期。2027-03-31 は 2026Q4。"""
    year = day.year - (day.month < 4)
    return f"{year}Q{(day.month - 4) % 12 // 3 + 1}"
