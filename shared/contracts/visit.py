"""見守りと訪問の出来事。Owned by outreach."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event, MemberId


class WatchTier(StrEnum):
    """見守りの段階 (domain.md §5.1)。A 毎日〜隔日 / B 週1 / C 月1 / D 四半期 / X 拒否（間接）。"""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    X = "X"


class CheckInOutcome(StrEnum):
    """安否確認の結果 (E2)。"""

    MET = "met"
    VOICE = "voice"
    ABSENT = "absent"
    SIGNS_OF_LIFE = "signs_of_life"
    ALARMING = "alarming"
    KNOWN_AWAY = "known_away"

    @property
    def label(self) -> str:
        return {
            "met": "会えた",
            "voice": "声だけ",
            "absent": "不在",
            "signs_of_life": "気配あり",
            "alarming": "異変",
            "known_away": "不在の理由が分かっている",
        }[self.value]

    @property
    def success(self) -> bool:
        """安否が確かめられたか。会えた・声・理由の分かる不在を確認とし、不在と気配だけは確認としない。"""
        return self in (CheckInOutcome.MET, CheckInOutcome.VOICE, CheckInOutcome.KNOWN_AWAY)


class WatchPlanned(Event):
    """見守り計画を立てた・変えた。`next_due` は次に安否を確かめる期限。"""

    channel: ClassVar[str] = "watch"
    name: ClassVar[str] = "planned"

    plan_id: UUID
    member_id: MemberId | None = None
    tier: WatchTier
    next_due: datetime
    planned_on: date


class CheckInRecorded(Event):
    """安否確認を記録した。`next_due` はこの結果を受けた次の期限。"""

    channel: ClassVar[str] = "watch"
    name: ClassVar[str] = "checked_in"

    plan_id: UUID
    outcome: CheckInOutcome
    at: datetime
    next_due: datetime


class WatchEnded(Event):
    channel: ClassVar[str] = "watch"
    name: ClassVar[str] = "ended"

    plan_id: UUID
    ended_on: date
