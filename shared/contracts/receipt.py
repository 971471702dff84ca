"""受領の出来事。Said by every unit: what it removed when it was told to, and what a law makes it keep."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Code, Event


class WithdrawalReceived(Event):
    """同意の撤回を受けて、写しを消した・伏せた。`kept_under` は、法が残せという記録の区分。"""

    channel: ClassVar[str] = "receipt"
    name: ClassVar[str] = "withdrawal_received"

    withdrawal_id: UUID
    removed: int
    kept_under: tuple[Code, ...] = ()
    done_on: date


class ErasureReceived(Event):
    """消去を受けて、写しを消した。残したものがあれば、区分と期限。"""

    channel: ClassVar[str] = "receipt"
    name: ClassVar[str] = "erasure_received"

    erasure_id: UUID
    removed: int
    kept_under: tuple[Code, ...] = ()
    kept_until: date | None = None
    done_on: date
