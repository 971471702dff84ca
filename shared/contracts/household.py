"""世帯の出来事。Owned by intake: who lives with whom, without saying who they are."""

from datetime import date
from enum import StrEnum
from typing import ClassVar

from shared.contracts.event import Event, MemberId, Month


class Area(StrEnum):
    """生活圏域 (domain.md §0.2): the finest place an event names."""

    SHUZENJI = "SHUZENJI"
    NAKAIZU = "NAKAIZU"
    AMAGIYUGASHIMA = "AMAGIYUGASHIMA"
    TOI = "TOI"
    UNKNOWN = "UNKNOWN"

    @property
    def label(self) -> str:
        return {"SHUZENJI": "修善寺", "NAKAIZU": "中伊豆", "AMAGIYUGASHIMA": "天城湯ヶ島", "TOI": "土肥", "UNKNOWN": "不明"}[self.value]


class MemberRole(StrEnum):
    """世帯の中の続柄 (domain.md §5.0 `member_role`), seen from the head of the living household."""

    HEAD = "head"
    SPOUSE = "spouse"
    CHILD = "child"
    PARENT = "parent"
    GRANDCHILD = "grandchild"
    GRANDPARENT = "grandparent"
    SIBLING = "sibling"
    OTHER = "other"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return {
            "head": "世帯主",
            "spouse": "配偶者",
            "child": "子",
            "parent": "親",
            "grandchild": "孫",
            "grandparent": "祖父母",
            "sibling": "きょうだい",
            "other": "その他",
            "unknown": "不明",
        }[self.value]


class LeavingReason(StrEnum):
    MOVED_OUT = "moved_out"
    DIED = "died"
    FACILITY = "facility"
    DIVORCED = "divorced"
    SEPARATED = "separated"
    CORRECTED = "corrected"

    @property
    def label(self) -> str:
        return {
            "moved_out": "転出",
            "died": "死亡",
            "facility": "施設入所",
            "divorced": "離婚",
            "separated": "世帯分離",
            "corrected": "登録の訂正",
        }[self.value]


class HouseholdRegistered(Event):
    """生活実態の世帯を登録した。"""

    channel: ClassVar[str] = "household"
    name: ClassVar[str] = "registered"

    area: Area


class MemberJoined(Event):
    """世帯員が世帯に加わった（登録・転入・出生）。生年月日は載せず、生年月だけを載せる。"""

    channel: ClassVar[str] = "household"
    name: ClassVar[str] = "member_joined"

    member_id: MemberId
    role: MemberRole
    birth_month: Month | None = None
    effective_on: date


class MemberCorrected(Event):
    """世帯員の続柄・生年月を訂正した。"""

    channel: ClassVar[str] = "household"
    name: ClassVar[str] = "member_corrected"

    member_id: MemberId
    role: MemberRole
    birth_month: Month | None = None


class MemberLeft(Event):
    """世帯員が世帯を離れた（転出・死亡・施設入所・世帯分離）。理由は区分のみ、事情は載せない。"""

    channel: ClassVar[str] = "household"
    name: ClassVar[str] = "member_left"

    member_id: MemberId
    reason: LeavingReason
    effective_on: date
