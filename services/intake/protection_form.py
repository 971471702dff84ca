"""保護・利害関係・緊急閲覧の様式を読む。"""

import re
from datetime import date
from typing import TypeVar
from uuid import UUID, uuid4

from starlette.datastructures import FormData

from services.intake.protection import Protection, ProtectionIncomplete, Restriction
from services.intake.typed import storable
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.protection import ConflictKind, ProtectionKind
from shared.desk.wareki import DateUnreadable, parse_date

LONGEST = 2000
_STAFF = re.compile(r"[A-Za-z0-9_.-]{1,64}")
C = TypeVar("C", ProtectionKind, ConflictKind)


class Fields:
    """送られた欄と、直すところ。"""

    def __init__(self, form: FormData) -> None:
        self._form = form
        self.problems: dict[str, str] = {}

    def text(self, name: str, longest: int = LONGEST) -> str:
        value = self._form.get(name, "")
        return storable(value).strip()[:longest] if isinstance(value, str) else ""

    def all(self, name: str) -> list[str]:
        return [value for value in self._form.getlist(name) if isinstance(value, str)]

    def code(self, name: str, kind: type[C], sentence: str) -> C | None:
        try:
            return kind(self.text(name, 32))
        except ValueError:
            self.problems[name] = sentence
            return None

    def ident(self, name: str, sentence: str) -> UUID | None:
        try:
            return UUID(self.text(name, 40))
        except ValueError:
            self.problems[name] = sentence
            return None

    def day(self, name: str, today: date, *, needed: str = "") -> date | None:
        written = self.text(name, 40)
        if not written:
            if needed:
                self.problems[name] = needed
            return None
        try:
            return parse_date(written, today=today)
        except DateUnreadable as unreadable:
            self.problems[name] = unreadable.sentence
            return None

    def version(self) -> int:
        written = self.text("version", 12)
        return int(written) if written.isascii() and written.isdecimal() else 0

    def done(self) -> None:
        if self.problems:
            raise ProtectionIncomplete(fields=self.problems)


def protection(fields: Fields, household_id: UUID, today: date) -> Protection:
    """ProtectionIncomplete when something is missing or unreadable."""
    member = fields.ident("member_id", "保護する人を選んでください。")
    kind = fields.code("kind", ProtectionKind, "保護の種類を選んでください。")
    since = fields.day("since", today) or today
    expires_on = fields.day("expires_on", today)
    if since > today:
        fields.problems["since"] = "今日までの日付を入れてください。"
    fields.done()
    assert member is not None
    assert kind is not None
    return Protection(
        id=uuid4(), household_id=HouseholdId(household_id), member_id=MemberId(member), kind=kind, since=since, expires_on=expires_on,
        send_to=fields.text("send_to", 200), restrictions=tuple(r for r in Restriction if r.value in fields.all("restrictions")),
        note=fields.text("note"),
    )  # fmt: skip


def conflict(fields: Fields) -> tuple[str, ConflictKind]:
    """(職員番号, 間柄)。"""
    staff = fields.text("staff", 64)
    if not _STAFF.fullmatch(staff):
        fields.problems["staff"] = "職員番号を半角の英数字で入れてください。"
    kind = fields.code("kind", ConflictKind, "間柄を選んでください。")
    fields.done()
    assert kind is not None
    return staff, kind
