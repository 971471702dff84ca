"""消去の出来事。Owned by intake: whose records have reached the end of their period (domain.md §1.9), and whose must not go."""

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event


class HoldReason(StrEnum):
    """消去を止める理由。"""

    DISCLOSURE_REQUEST = "disclosure_request"
    DISPUTE = "dispute"
    INVESTIGATION = "investigation"

    @property
    def label(self) -> str:
        return {"disclosure_request": "開示請求中", "dispute": "係争中", "investigation": "調査中（漏えい・監査）"}[self.value]


class HouseholdErased(Event):
    """世帯の身元を消した。ほかの窓口は、自分の期間が過ぎた写しを消し、残すものは期限と理由を受領で返す。"""

    channel: ClassVar[str] = "retention"
    name: ClassVar[str] = "household_erased"

    erasure_id: UUID
    erased_on: date


class HoldPlaced(Event):
    """この世帯の記録は、期間が過ぎても消さない（開示請求中・係争中）。"""

    channel: ClassVar[str] = "retention"
    name: ClassVar[str] = "hold_placed"

    hold_id: UUID
    reason: HoldReason
    placed_on: date


class HoldLifted(Event):
    """消去の停止が解けた。待っていた消去は、ここから進む。"""

    channel: ClassVar[str] = "retention"
    name: ClassVar[str] = "hold_lifted"

    hold_id: UUID
    lifted_on: date
