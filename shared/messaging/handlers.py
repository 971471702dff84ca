"""What a unit does with what it hears: a registry of plain functions, testable without any broker."""

import asyncio
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import shared.contracts
from shared.contracts.event import CATALOGUE, Event
from shared.messaging.projection import Kept, OnEvent, Projection

if TYPE_CHECKING:
    from shared.runtime.database import Database, Transaction
    from shared.runtime.erasure import Keeper
    from shared.runtime.unusual import Relation

On = TypeVar("On", bound=OnEvent)
OnTimer = Callable[["Transaction", "Timer"], Awaitable[None]]
OnIntent = Callable[["Intent", "WorkerContext"], Awaitable[None]]
OnRequest = Callable[[bytes, "WorkerContext", str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Timer:
    """A durable timer that is due. `due_at` is when it was meant to fire, not when it did."""

    kind: str
    key: str
    due_at: datetime
    household_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect outside the database. Hand `idempotency_key` to the other side: it may be asked twice for one intent."""

    kind: str
    key: str
    payload: dict[str, Any]
    attempt: int = 1

    @property
    def idempotency_key(self) -> str:
        return f"{self.kind}/{self.key}"


class OutcomeUnknown(Exception):
    """Raised by an intent's handler: it may have happened, asking again could do it twice. A person has to look."""


class GiveUp(Exception):
    """Raised by an intent's handler: it can never succeed (wrong address, refused for good). A person has to look."""


class Ask(Protocol):
    async def __call__(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes: ...


@dataclass(frozen=True)
class WorkerContext:
    """What a handler outside a transaction may use."""

    db: "Database"
    request: Ask
    stopping: asyncio.Event


@dataclass(frozen=True, slots=True)
class IntentHandler:
    run: OnIntent
    repeatable: bool


@dataclass
class Handlers:
    """Registered once at import of a unit's handlers.py; the worker looks names up, nothing else."""

    events: dict[str, list[OnEvent]] = field(default_factory=dict)
    timers: dict[str, OnTimer] = field(default_factory=dict)
    intents: dict[str, IntentHandler] = field(default_factory=dict)
    responders: dict[str, OnRequest] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    projections: dict[str, Projection] = field(default_factory=dict)
    #: what the unit has of a household, and how it goes (shared/runtime/erasure.py)
    keepers: "list[Keeper]" = field(default_factory=list)
    #: with which households the unit has to do at all (shared/runtime/unusual.py)
    relation: "Relation | None" = None

    def on(self, *kinds: type[Event]) -> Callable[[On], On]:
        """Runs in the consumer's transaction; what it publishes carries the event as its cause."""

        def register(handler: On) -> On:
            for kind in kinds:
                self.events.setdefault(kind.type_name(), []).append(handler)
            return handler

        return register

    def projection(self, name: str, *tables: Kept, own: bool = False, doubted: str = "") -> Projection:
        """Tables that are made of events alone and can be made again (projection.py). Raises ValueError for a name that is taken."""
        if name in self.projections:
            raise ValueError(f"there is a projection {name} already")
        made = self.projections[name] = Projection(name, tables, own, doubted)
        return made

    def timer(self, kind: str) -> Callable[[OnTimer], OnTimer]:
        """Runs in one transaction with the removal of the timer, when the database's clock says it is due."""
        return _register(self.timers, kind)

    def intent(self, kind: str, *, repeatable: bool = True) -> Callable[[OnIntent], OnIntent]:
        """Runs after commit, outside a transaction. `repeatable=False`: the other side knows no idempotency key, so an attempt whose end
        is not known (a crash, a timeout) is not repeated but shown to a person."""

        def register(handler: OnIntent) -> OnIntent:
            _register(self.intents, kind)(IntentHandler(handler, repeatable))
            return handler

        return register

    def serve(self, name: str) -> Callable[[OnRequest], OnRequest]:
        """Answers requests on `svc.<unit>.<name>.<asker>`; the third argument is the asker's unit code, proven by the broker."""
        return _register(self.responders, name)

    def ignore(self, *what: str | type[Event]) -> None:
        """Known and not for us: a whole channel by name, or one event class. Anything else that is unknown is held, not skipped."""
        for entry in what:
            self.ignored.add(entry if isinstance(entry, str) else entry.type_name())

    def ignores(self, channel: str, type_name: str) -> bool:
        return type_name in self.ignored or channel in self.ignored

    def knows(self, channel: str, type_name: str) -> bool:
        return type_name in self.events or self.ignores(channel, type_name)

    def missing(self, channels: Iterable[str]) -> list[str]:
        """Events on these channels that are neither handled nor ignored: each would set its household aside when it comes."""
        for module in pkgutil.iter_modules(shared.contracts.__path__):
            importlib.import_module(f"shared.contracts.{module.name}")
        wanted = set(channels)
        types = {(kind.channel, kind.type_name()) for kind in CATALOGUE.values() if kind.channel in wanted}
        return sorted(name for channel, name in types if not self.knows(channel, name))

    def copy(self) -> "Handlers":
        return Handlers(
            {name: list(found) for name, found in self.events.items()},
            dict(self.timers),
            dict(self.intents),
            dict(self.responders),
            set(self.ignored),
            dict(self.projections),
            list(self.keepers),
            self.relation,
        )

    def check(self) -> None:
        """Raises LookupError when a handler names an event that is in no contract."""
        known = {kind.type_name() for kind in CATALOGUE.values()}
        if unknown := sorted(set(self.events) - known):
            raise LookupError(f"handlers for events that no contract defines: {', '.join(unknown)}")


H = TypeVar("H")


def _register(table: dict[str, H], name: str) -> Callable[[H], H]:
    def register(handler: H) -> H:
        if name in table:
            raise ValueError(f"{name} has a handler already")
        table[name] = handler
        return handler

    return register
