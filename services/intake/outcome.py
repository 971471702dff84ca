"""What a decision gives back: the new state and the facts to publish with it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.contracts.event import Event

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[State]):
    state: State
    events: tuple[Event, ...] = ()
