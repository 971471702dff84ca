"""消去の出来事。Owned by intake: whose records have reached the end of their period (domain.md §1.9)."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event


class HouseholdErased(Event):
    """世帯の身元を消した。ほかの窓口は、自分の期間が過ぎた写しを消し、残すものは期限と理由を受領で返す。"""

    channel: ClassVar[str] = "retention"
    name: ClassVar[str] = "household_erased"

    erasure_id: UUID
    erased_on: date
