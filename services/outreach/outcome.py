"""What every decision here is given and gives back: who decides, and the new state with the facts others may rely on."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from shared.contracts.event import Event

S = TypeVar("S")
JST = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True, slots=True)
class StaffRef:
    """決めた・書いた職員。氏名は「誰が先に」を言うために、この窓口の中だけに置く。"""

    sub: str
    name: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """`state` を保存し、`events` を同じ COMMIT で知らせる。"""

    state: S
    events: tuple[Event, ...] = ()


def japan_day(at: datetime) -> date:
    """その時刻の日本の日付。"""
    return at.astimezone(JST).date()
