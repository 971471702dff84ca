"""保護と利害関係の出来事。Owned by intake: whose household must stay hidden, and from whom (domain.md §1.5).

Heard by every unit, shown only to those whose rights say so. It names no place and no counterpart.
"""

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event, MemberId, StaffId


class ProtectionKind(StrEnum):
    """保護の種類 (domain.md §1.5)。支援措置だけが期限をもつ。期限が過ぎても、職員が確かめるまで保護は続く。"""

    SHIEN_SOCHI = "shien_sochi"
    SELF_DECLARED = "self_declared"
    AGENCY_DECLARED = "agency_declared"

    @property
    def label(self) -> str:
        return {"shien_sochi": "支援措置（住民票の閲覧制限）", "self_declared": "本人の申し出", "agency_declared": "関係機関の申し出"}[self.value]


class ConflictKind(StrEnum):
    """職員と世帯との利害関係。"""

    COUNTERPART = "counterpart"
    RELATIVE = "relative"
    NEIGHBOUR = "neighbour"
    COLLEAGUE = "colleague"

    @property
    def label(self) -> str:
        return {"counterpart": "相手方・相手方の関係者", "relative": "親族", "neighbour": "近所", "colleague": "同僚・知人"}[self.value]


class ProtectionDeclared(Event):
    """世帯員の保護を始めた・期限を改めた。同じ世帯の全員の所在を伏せる。"""

    channel: ClassVar[str] = "protection"
    name: ClassVar[str] = "declared"

    protection_id: UUID
    member_id: MemberId
    kind: ProtectionKind
    since: date
    expires_on: date | None = None


class ProtectionLifted(Event):
    """職員が確かめたうえで保護を終えた。期限切れだけでは出ない。"""

    channel: ClassVar[str] = "protection"
    name: ClassVar[str] = "lifted"

    protection_id: UUID
    lifted_on: date


class ConflictDeclared(Event):
    """この職員には、この世帯を見せない（親族・近所・同僚・相手方）。管理者でも同じ。"""

    channel: ClassVar[str] = "protection"
    name: ClassVar[str] = "conflict_declared"

    conflict_id: UUID
    staff: StaffId
    kind: ConflictKind


class ConflictCleared(Event):
    """利害関係の登録を取り消した。"""

    channel: ClassVar[str] = "protection"
    name: ClassVar[str] = "conflict_cleared"

    conflict_id: UUID
