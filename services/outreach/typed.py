"""What was typed, read into values. Every field that cannot be read gets its own sentence; what was typed is shown again as it was."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from starlette.datastructures import FormData

from shared.desk.wareki import JST, DateUnreadable, japan_day, parse_date
from shared.runtime.problems import FormIncomplete, Refusal

E = TypeVar("E", bound=StrEnum)
OPEN_AGAIN = "画面を開き直して、もう一度お試しください。"


@dataclass(frozen=True)
class Again:
    """A form that comes back: what was typed stays, and every field that is wrong has its sentence."""

    form: str
    typed: dict[str, object]
    errors: dict[str, str]


#: a form nobody has typed into yet
FRESH = Again("", {}, {})


class Typed:
    """One form. `problems` collects; `done()` raises FormIncomplete when there are any."""

    def __init__(self, form: FormData, now: datetime) -> None:
        self.form, self.now = form, now
        self.problems: dict[str, str] = {}

    @property
    def today(self) -> date:
        return japan_day(self.now)

    def text(self, name: str, longest: int = 2000) -> str:
        found = self.form.get(name)
        text = found.replace("\r\n", "\n").replace("\x00", "").strip() if isinstance(found, str) else ""
        if len(text) > longest:
            self.problems[name] = f"{longest}文字までにしてください（いま{len(text)}文字）。"
        return text

    def day(self, name: str) -> date | None:
        """和暦でも西暦でも。空は None。"""
        text = self.text(name, 24)
        try:
            return parse_date(text, today=self.today) if text else None
        except DateUnreadable as unreadable:
            self.problems[name] = unreadable.sentence
            return None

    def moment(self, day: str, clock: str) -> datetime:
        """日と時刻（日本時間）。どちらも空か、きょうで時刻が空なら、いま。"""
        on, typed = self.day(day) or self.today, unicodedata.normalize("NFKC", self.text(clock, 8))
        if not typed:
            if on != self.today:
                self.problems.setdefault(clock, "時刻も入れてください（例 14:30）。")
            return self.now
        try:
            return datetime.combine(on, time.fromisoformat(typed.zfill(5)), JST).astimezone(UTC)
        except ValueError:
            self.problems[clock] = "時刻として読めません。14:30 のように入れてください。"
            return self.now

    def choice(self, name: str, kind: type[E]) -> E | None:
        """One of the codes; None when nothing, or nothing known, was chosen."""
        text = self.text(name, 64)
        return next((code for code in kind if code.value == text), None)

    def one_of(self, name: str, kind: type[E], sentence: str) -> E:
        """Like choice, but it has to be chosen. Raises FormIncomplete with everything found so far."""
        found = self.choice(name, kind)
        if found is None:
            self.problems[name] = sentence
            self.done()
        assert found is not None
        return found

    def ident(self, name: str) -> UUID | None:
        text = self.text(name, 64)
        try:
            return UUID(text) if text else None
        except ValueError:
            self.problems[name] = OPEN_AGAIN
            return None

    def given_id(self, name: str) -> UUID:
        """The id that came with the form: the same form sent twice is one thing."""
        found = self.ident(name)
        if found is None:
            raise FormIncomplete(OPEN_AGAIN)
        return found

    def version(self) -> int:
        """The version of the record the page showed; 0, which never is one, when it is missing."""
        text = self.text("version", 12)
        return int(text) if text.isdecimal() else 0

    def done(self) -> None:
        if self.problems:
            raise FormIncomplete(fields=self.problems)

    def again(self, form: str, refusal: Refusal) -> Again:
        """The form as it was typed, with what was wrong."""
        return Again(form, {name: self.form.get(name) for name in self.form}, refusal.fields or {"": refusal.sentence})
