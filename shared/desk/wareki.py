"""和暦。One box takes a date the way people say it; pages show it in both calendars.

Sources: 明治5年太政官布告第337号（明治6年1月1日から太陽暦）、元号法と各改元の政令
（大正 1912-07-30、昭和 1926-12-25、平成 1989-01-08、令和 2019-05-01）、年齢計算ニ関スル法律（明治35年法律第50号）、地方自治法208条（会計年度）。
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

JST = timezone(timedelta(hours=9), "JST")


def japan_day(at: datetime) -> date:
    """その時刻の日本の日付。"""
    return at.astimezone(JST).date()


@dataclass(frozen=True)
class Era:
    name: str
    letter: str
    first: date
    last: date
    year_one: int

    def year(self, day: date) -> int:
        return day.year - self.year_one + 1


#: 明治 starts here at 6年: before 1873 the calendar was lunisolar, and a day could not be converted by counting.
ERAS = (
    Era("令和", "R", date(2019, 5, 1), date.max, 2019),
    Era("平成", "H", date(1989, 1, 8), date(2019, 4, 30), 1989),
    Era("昭和", "S", date(1926, 12, 25), date(1989, 1, 7), 1926),
    Era("大正", "T", date(1912, 7, 30), date(1926, 12, 24), 1912),
    Era("明治", "M", date(1873, 1, 1), date(1912, 7, 29), 1868),
)
FIRST_DAY = ERAS[-1].first

_NEAR = {"今日": 0, "本日": 0, "昨日": -1, "一昨日": -2, "明日": 1, "明後日": 2}
_ERA_NAMES = {key: era for era in ERAS for key in (era.name, era.name[0], era.letter)}
_ERA = re.compile(r"(明治|大正|昭和|平成|令和|[明大昭平令MTSHR])(元|\d{1,2})[年./-](\d{1,2})[月./-](\d{1,2})日?")
_ERA_PACKED = re.compile(r"(明治|大正|昭和|平成|令和|[明大昭平令MTSHR])(\d{2})(\d{2})(\d{2})")
_WESTERN = re.compile(r"(?:西暦)?(\d{4})[年./-](\d{1,2})[月./-](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")
_RELATIVE = re.compile(r"([+-])(\d{1,3})")
_YEAR_ONLY = re.compile(r"(?:明治|大正|昭和|平成|令和|[明大昭平令MTSHR])(?:元|\d{1,2})年?")
_NO_YEAR = re.compile(r"\d{1,2}[月./-]\d{1,2}日?")
#: dashes a keyboard or a paste may bring, after NFKC
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−ー", "-") | {"。": ".", "・": "."})


class DateUnreadable(ValueError):
    """`sentence` says in Japanese what to type instead; it may stand at the field as it is."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


def era_of(day: date) -> Era:
    """The era a day belongs to. DateUnreadable before 1873."""
    for era in ERAS:
        if day >= era.first:
            return era
    raise DateUnreadable("1873年（明治6年）より前の日付は扱えません。")


def to_wareki(day: date) -> str:
    """昭和18年4月1日、令和元年5月1日。A datetime counts as its day in Japan."""
    day = _day(day)
    era = era_of(day)
    year = era.year(day)
    return f"{era.name}{'元' if year == 1 else year}年{day.month}月{day.day}日"


def short(day: date) -> str:
    """S18.4.1、R8.11.23（表や狭い欄）。"""
    day = _day(day)
    era = era_of(day)
    return f"{era.letter}{era.year(day)}.{day.month}.{day.day}"


def moment(value: date | datetime) -> str:
    """令和8年11月23日 10:12（日本時間）。A plain date has no time."""
    if isinstance(value, datetime):
        return f"{to_wareki(value)} {_japan(value):%H:%M}"
    return to_wareki(value)


def date_text(value: date | str | None) -> str:
    """The text of a date field: what was typed stays as it was typed, a stored date is written 和暦."""
    if value is None or isinstance(value, str):
        return value or ""
    return to_wareki(value)


def age_on(birth: date, day: date) -> int:
    """満年齢（歳）。一つ年をとるのは誕生日の前日の終わり（年齢計算ニ関スル法律）なので、誕生日の前日から新しい年齢。

    2月29日生まれは平年の2月28日。生まれる前の日には負の数を返す。
    """
    after = day + timedelta(days=1)
    return after.year - birth.year - ((after.month, after.day) < (birth.month, birth.day))


def fiscal_year(day: date) -> int:
    """会計年度（4月1日から翌年3月31日）。The year it begins in."""
    return day.year - (day.month < 4)


def parse_date(text: str, *, today: date) -> date:
    """A typed date: S18.4.1、昭和18年4月1日、昭18.4.1、S180401、r8/11/23、R元.5.1、19430401、1943-04-01、今日、昨日、-3、+7（全角も）.

    DateUnreadable, with a sentence for the field, when it is empty, unreadable, not in the calendar, or outside its era.
    """
    typed = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).translate(_DASHES).upper()
    if not typed:
        raise DateUnreadable("日付を入れてください。")
    if typed in _NEAR:
        return today + timedelta(days=_NEAR[typed])
    if found := _RELATIVE.fullmatch(typed):
        return today + timedelta(days=int(found[1] + found[2]))
    if found := _ERA.fullmatch(typed) or _ERA_PACKED.fullmatch(typed):
        return _in_era(_ERA_NAMES[found[1]], 1 if found[2] == "元" else int(found[2]), int(found[3]), int(found[4]))
    if found := _WESTERN.fullmatch(typed):
        return _western(*(int(part) for part in found.groups() if part))
    if _YEAR_ONLY.fullmatch(typed):
        raise DateUnreadable("月と日も入れてください（例 R8.4.1）。")
    if _NO_YEAR.fullmatch(typed):
        raise DateUnreadable("年も入れてください（例 R8.4.1）。")
    raise DateUnreadable("日付として読めません。S18.4.1、昭和18年4月1日、19430401 のように入れてください。")


def _western(year: int, month: int, day: int) -> date:
    found = _calendar(year, month, day, f"{year}年")
    era_of(found)
    return found


def _in_era(era: Era, year: int, month: int, day: int) -> date:
    written = f"{era.name}{'元' if year == 1 else year}年"
    if year == 0:
        raise DateUnreadable(f"{era.name}0年という年はありません。元年は1年です。")
    found = _calendar(era.year_one + year - 1, month, day, written)
    if found < FIRST_DAY:
        raise DateUnreadable("明治は6年（1873年）1月1日からの日付を入れてください。")
    if not era.first <= found <= era.last:
        raise DateUnreadable(f"{written}{month}月{day}日は{era.name}ではありません。{to_wareki(found)}（{found.isoformat()}）ですか。")
    return found


def _calendar(year: int, month: int, day: int, written: str) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise DateUnreadable(f"{written}{month}月{day}日という日はありません。月と日を確かめてください。") from None


def _japan(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be shown")
    return value.astimezone(JST)


def _day(value: date) -> date:
    return _japan(value).date() if isinstance(value, datetime) else value
