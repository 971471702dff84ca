"""会議の出来事。Owned by the center: which household is on the agenda of which forum, who attends, and until when attending gives sight of it.

A conference has exactly one legal basis, and its items inherit it (domain.md §1.2). Units and account ids only: no name, no minutes.
"""

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event, Lane, StaffId, UnitCode


class Forum(StrEnum):
    """会議の種類 (domain.md §1.2)。それぞれに守秘の決まりがあり、一つの会議で知ったことは、ほかの会議に流れない。"""

    CONFIDENTIAL = "confidential_conference"
    CONSENTED = "consented_conference"
    KONKYU = "konkyu_conference"
    YOTAIKYO = "yotaikyo"

    @property
    def label(self) -> str:
        return {
            "confidential_conference": "支援会議",
            "consented_conference": "重層的支援会議",
            "konkyu_conference": "困窮 支援会議",
            "yotaikyo": "要保護児童対策地域協議会",
        }[self.value]

    @property
    def lane(self) -> Lane:
        match self:
            case Forum.CONSENTED:
                return Lane.CONSENT
            case Forum.YOTAIKYO:
                return Lane.MANDATORY_REPORT
            case _:
                return Lane.ART106_6


class ConferenceConvened(Event):
    """会議を招集した・出席者か終わりの日を改めた。出席者は `convened_on` から `readable_until` まで（日本の日付、両端を含む）見られる。"""

    channel: ClassVar[str] = "conference"
    name: ClassVar[str] = "convened"

    conference_id: UUID
    forum: Forum
    units: tuple[UnitCode, ...] = ()
    staff: tuple[StaffId, ...] = ()
    convened_on: date
    ends_on: date
    readable_until: date


class ConferenceClosed(Event):
    """会議を終えた。`readable_until` の翌日から、出席者はもう見られない。"""

    channel: ClassVar[str] = "conference"
    name: ClassVar[str] = "closed"

    conference_id: UUID
    closed_on: date
    readable_until: date
