"""What was typed, read into values. Every field that cannot be read gets its own sentence; what was typed is shown again as it was."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from starlette.datastructures import FormData

from shared.contracts.event import Month
from shared.desk.wareki import DateUnreadable, parse_date, to_wareki
from shared.runtime.problems import FormIncomplete

E = TypeVar("E", bound=StrEnum)

_AGO = re.compile(r"約?(\d{1,3})(年|か月|ヶ月|カ月|ヵ月|ケ月)(?:くらい|ぐらい|ほど)?前")
_YEAR = re.compile(r"((?:明治|大正|昭和|平成|令和|[MTSHR])(?:元|\d{1,2})|(?:西暦)?\d{4})年?(?:ごろ|頃)?")
_YEAR_MONTH = re.compile(r"((?:明治|大正|昭和|平成|令和|[明大昭平令MTSHR])(?:元|\d{1,2})|(?:西暦)?\d{4})[年./-](\d{1,2})月?(?:ごろ|頃)?")
MONTH_HINT = "年月として読めません。H23.4、平成23年4月、15年前 のように入れてください。"


class Typed:
    """One form. `problems` collects; `done()` raises FormIncomplete when there are any."""

    def __init__(self, form: FormData, today: date) -> None:
        self.form, self.today = form, today
        self.problems: dict[str, str] = {}

    def text(self, name: str, longest: int = 4000) -> str:
        found = self.form.get(name)
        text = found.replace("\r\n", "\n").replace("\x00", "").strip() if isinstance(found, str) else ""
        if len(text) > longest:
            self.problems[name] = f"{longest}文字までにしてください（いま{len(text)}文字）。"
        return text

    def day(self, name: str) -> date | None:
        """和暦でも西暦でも。空は None。"""
        text = self.text(name, 24)
        if not text:
            return None
        try:
            return parse_date(text, today=self.today)
        except DateUnreadable as unreadable:
            self.problems[name] = unreadable.sentence
            return None

    def month(self, name: str) -> Month | None:
        """いつから。空は None。"""
        text = self.text(name, 24)
        if not text:
            return None
        try:
            return parse_month(text, today=self.today)
        except DateUnreadable as unreadable:
            self.problems[name] = unreadable.sentence
            return None

    def choice(self, name: str, kind: type[E]) -> E | None:
        """One of the codes; None when nothing, or nothing known, was chosen."""
        text = self.text(name, 64)
        return next((code for code in kind if code.value == text), None)

    def number(self, name: str, most: int) -> int | None:
        text = unicodedata.normalize("NFKC", self.text(name, 12))
        if not text:
            return None
        if not text.isdecimal() or int(text) > most:
            self.problems[name] = f"0から{most}までの数字を入れてください。"
            return None
        return int(text)

    def ident(self, name: str) -> UUID | None:
        text = self.text(name, 64)
        try:
            return UUID(text) if text else None
        except ValueError:
            self.problems[name] = "画面を開き直して、もう一度お試しください。"
            return None

    def given_id(self, name: str) -> UUID:
        """The id that came with the form: the same form sent twice is one thing."""
        found = self.ident(name)
        if found is None:
            self.problems[name] = "画面を開き直して、もう一度お試しください。"
            self.done()
        assert found is not None
        return found

    def many(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self.form.getlist(name) if isinstance(value, str))

    def version(self) -> int:
        """The version of the record the page showed; 0, which never is one, when it is missing."""
        text = self.text("version", 12)
        return int(text) if text.isdecimal() else 0

    def done(self) -> None:
        if self.problems:
            raise FormIncomplete(fields=self.problems)

    def values(self) -> Mapping[str, object]:
        """As typed, for showing it again. `topics` may be chosen many times."""
        return {name: self.many(name) if name == "topics" else self.form.get(name) for name in self.form} | {"topics": self.many("topics")}


def parse_month(text: str, *, today: date) -> Month:
    """H23.4、平成23年4月、2011-04、15年前、3か月前。年だけなら12月とみなす（期間を短いほうに見積もる）。"""
    typed = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).upper()
    if ago := _AGO.fullmatch(typed):
        return _months_before(today, int(ago[1]) * (12 if ago[2] == "年" else 1))
    if both := _YEAR_MONTH.fullmatch(typed):
        return _in_month(both[1], int(both[2]), today)
    if year := _YEAR.fullmatch(typed):
        return min(_last_month(year[1], today), f"{today:%Y-%m}")
    try:
        return f"{parse_date(typed, today=today):%Y-%m}"
    except DateUnreadable as unreadable:
        raise DateUnreadable(MONTH_HINT) from unreadable


def _months_before(today: date, months: int) -> Month:
    count = today.year * 12 + today.month - 1 - months
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def _in_month(year: str, month: int, today: date) -> Month:
    """An era may begin or end within the month, so its last days count as well as its first."""
    try:
        return f"{parse_date(f'{year}.{month}.1', today=today):%Y-%m}"
    except DateUnreadable:
        found = parse_date(f"{year}.{month}.28", today=today)
        return f"{found:%Y-%m}"


def _last_month(year: str, today: date) -> Month:
    """昭和64年 ended in January, 平成31年 in April."""
    for month in range(12, 1, -1):
        try:
            return _in_month(year, month, today)
        except DateUnreadable:
            continue
    return _in_month(year, 1, today)


def month_words(month: Month) -> str:
    """2011-04 → 平成23年4月。"""
    year, number = (int(part) for part in month.split("-"))
    return to_wareki(date(year, number, 28)).rsplit("月", 1)[0] + "月"


def in_days(due: date | None, today: date) -> tuple[str, str]:
    """期限までの言い方と色: あと3日・今日・2日超過。"""
    if due is None:
        return "—", ""
    left = (due - today) // timedelta(days=1)
    if left < 0:
        return f"{-left}日超過", "danger"
    return ("今日", "warning") if left == 0 else (f"あと{left}日", "warning" if left <= 3 else "")
