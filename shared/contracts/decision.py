"""What every decision gives back: the new state, with the facts others may rely on."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.contracts.event import Event

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """`state` を保存し、`events` を同じ COMMIT で知らせる。"""

    state: S
    events: tuple[Event, ...] = ()
