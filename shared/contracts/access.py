"""緊急閲覧の出来事。Owned by intake, heard by every unit: who was let in for an hour, and who judged it afterwards."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event, StaffId


class BreakGlassReason(StrEnum):
    LIFE = "life"
    ABUSE = "abuse"
    MISSING = "missing"
    DISASTER = "disaster"
    NO_ONE_IN_CHARGE = "no_one_in_charge"

    @property
    def label(self) -> str:
        return {
            "life": "生命・身体の危険",
            "abuse": "虐待・暴力のおそれ",
            "missing": "行方が分からない",
            "disaster": "災害",
            "no_one_in_charge": "担当者と連絡がつかず、待てない",
        }[self.value]


class Verdict(StrEnum):
    """緊急閲覧の点検の結果。"""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"

    @property
    def label(self) -> str:
        return {"justified": "必要だった", "not_justified": "必要とは言えない"}[self.value]


class BreakGlassOpened(Event):
    """緊急閲覧を始めた。一人の職員が、一つの世帯を、`until` まで読むだけ。保護された世帯では `second` が立ち会う。"""

    channel: ClassVar[str] = "access"
    name: ClassVar[str] = "break_glass_opened"

    access_id: UUID
    staff: StaffId
    second: StaffId | None = None
    reason: BreakGlassReason
    until: datetime


class BreakGlassReviewed(Event):
    """管理者が緊急閲覧を点検した。"""

    channel: ClassVar[str] = "access"
    name: ClassVar[str] = "break_glass_reviewed"

    access_id: UUID
    by: StaffId
    verdict: Verdict
