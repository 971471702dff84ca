"""ふだんと違う閲覧 (request/reply on `svc.<unit>.unusual.<asker>`): every unit ranks the readings in its own audit of one month by dated rules."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, field_validator

from shared.contracts.event import Code, Month, StaffId


class Sign(StrEnum):
    """目立つわけ。どれも、それだけでは不正ではない。"""

    KIN = "kin"
    ADDRESS = "address"
    STREET = "street"
    NO_RELATION = "no_relation"
    REFUSED = "refused"
    MANY = "many"
    CLOSED_DAY = "closed_day"
    OFF_HOURS = "off_hours"

    @property
    def label(self) -> str:
        return {
            "kin": "同じ姓の世帯", "address": "自宅と同じ番地", "street": "自宅と同じ町", "no_relation": "関わりのない世帯",
            "refused": "見ようとして断られた", "many": "一時間に多くの世帯", "closed_day": "閉庁日", "off_hours": "時間外",
        }[self.value]  # fmt: skip


class UnusualRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    by: StaffId
    roles: tuple[Code, ...]
    month: Month


class Unusual(BaseModel):
    """One person and one household in this month, with all signs of its readings."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    actor: str
    roles: tuple[str, ...]
    household_id: UUID
    times: int
    first: datetime
    last: datetime
    signs: tuple[Sign, ...]
    score: int

    @field_validator("signs", mode="before")
    @classmethod
    def _known(cls, signs: Sequence[str]) -> list[str]:
        """A unit of the next release may tell a sign this one has no word for: the entry and its score still count."""
        return [sign for sign in signs if sign in set(Sign)]


class UnusualAnswer(BaseModel):
    """The highest score first. `readings` and `people`: how much was looked through."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    entries: tuple[Unusual, ...] = ()
    readings: int = 0
    people: int = 0
