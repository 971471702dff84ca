"""Database handles that say what you may do: `Read` reads, `Transaction` writes and publishes. Nobody commits by hand.

Shapes: statements are SQLAlchemy Core; times are aware UTC. A network call inside a transaction is a defect.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Executable, Row, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.contracts.event import Event, desk_aggregate
from shared.runtime.together import Together
from shared.runtime.unit import bases_of

if TYPE_CHECKING:
    from shared.messaging.envelope import Envelope
    from shared.runtime.rights import Rights

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class BasisNotInManifest(Exception):
    """A defect of the unit, not of the person at the desk: it would say something on a ground it has not declared."""


def _refuse_foreign_basis(unit: str, event: Event) -> None:
    """What a unit says of itself, and an announcement of any unit, concerns nobody and needs no ground."""
    allowed = bases_of(unit)
    of_a_unit = event.channel == "domain" or event.household_id == desk_aggregate(unit)
    if allowed is None or of_a_unit or event.legal_basis.value in allowed:
        return
    raise BasisNotInManifest(
        f"{unit} would publish {type(event).type_name()} on {event.legal_basis.value}: "
        f"if the law lets this unit, add it to legal_basis (or received_basis) in its unit.toml; "
        f"otherwise publish on one of {', '.join(sorted(allowed))}"
    )


@dataclass
class Read:
    """A snapshot for reading. `now` is this transaction's time (aware, UTC)."""

    connection: AsyncConnection
    now: datetime
    unit: str
    #: whose eyes it reads with; None for the unit's own work
    rights: "Rights | None" = field(default=None, kw_only=True)

    async def rows(self, statement: Executable, parameters: Parameters = None) -> Sequence[Row[Any]]:
        return (await self.connection.execute(statement, parameters)).all()

    async def row(self, statement: Executable, parameters: Parameters = None) -> Row[Any] | None:
        return (await self.connection.execute(statement, parameters)).first()

    async def scalar(self, statement: Executable, parameters: Parameters = None) -> Any:
        return (await self.connection.execute(statement, parameters)).scalar()


@dataclass
class Transaction(Read):
    """Writes and publishes. Events, intents and timers become rows as the last statements before COMMIT."""

    _events: "list[tuple[Event, Envelope | None]]" = field(default_factory=list)
    _intents: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    _timers: list[tuple[str, str, datetime | None, UUID | None]] = field(default_factory=list)
    _callbacks: list[Callable[[], None]] = field(default_factory=list)
    _writes: dict[Executable, list[Mapping[str, Any]]] = field(default_factory=dict)

    async def execute(self, statement: Executable, parameters: Parameters = None) -> int:
        """Rows touched."""
        return (await self.connection.execute(statement, parameters)).rowcount

    def later(self, statement: Executable, parameters: Mapping[str, Any]) -> None:
        """Like `execute`, but just before COMMIT, in one round trip with all others of the same statement (the same object).

        For rows that nothing in this transaction reads: a batch of 256 events writes its 256 rows at once. Statements run in the order
        in which each came first."""
        self._writes.setdefault(statement, []).append(parameters)

    def publish(self, *events: Event, causation: "Envelope | None" = None) -> None:
        """Say facts. They commit with this transaction or not at all, in order per household.

        Raises BasisNotInManifest when the unit's manifest does not name the legal basis an event carries."""
        for said in events:
            _refuse_foreign_basis(self.unit, said)
        self._events.extend((event, causation) for event in events)

    def intend(self, kind: str, key: str, payload: dict[str, Any]) -> None:
        """An effect outside the database, done after commit by the worker; `key` makes it happen once."""
        self._intents.append((kind, key, payload))

    def schedule(self, kind: str, key: str, due_at: datetime, household_id: UUID | None = None) -> None:
        """Set or move the durable timer (kind, key)."""
        self._timers.append((kind, key, due_at, household_id))

    def cancel(self, kind: str, key: str) -> None:
        self._timers.append((kind, key, None, None))

    def on_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    async def _flush(self) -> bool:
        """Writes what was said. True when the worker should be woken."""
        from shared.messaging import outbox

        await write_all(self.connection, self._writes)
        await self._flush_plans()
        if self._events:
            await outbox.append(self.connection, self.unit, self._events, self.now)
        return self._left_work

    @property
    def _left_work(self) -> bool:
        return bool(self._events or self._intents or self._timers)

    async def _flush_plans(self) -> None:
        from shared.messaging import intents, timers

        for kind, key, due_at, household_id in self._timers:
            if due_at is None:
                await timers.cancel(self.connection, kind, key)
            else:
                await timers.store(self.connection, kind, key, due_at, household_id)
        if self._intents:
            await intents.store(self.connection, self._intents, self.now)


async def write_all(connection: AsyncConnection, writes: Mapping[Executable, Sequence[Mapping[str, Any]]]) -> None:
    for statement, rows in writes.items():
        await connection.execute(statement, rows)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _refuse_closed(connection: Any, *_: object) -> None:
    """Instead of a ping, which costs three round trips a transaction: the event loop has noticed already when the server closed a connection.
    The one who is faster than that gets an error, and the pool is fresh after it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class Database:
    """One unit's database. Up to twice `pool_size` connections, opened when needed.

    `wake` is set after a commit that left work for the worker of this process."""

    def __init__(self, url: str, unit: str, *, pool_size: int = 5) -> None:
        self.unit = unit
        self.engine: AsyncEngine = create_async_engine(
            url,
            # No overflow: such a connection is closed after one use, and the next one costs several milliseconds of SCRAM on both sides.
            pool_size=2 * pool_size,
            max_overflow=0,
            pool_use_lifo=True,
            pool_recycle=1800,
            hide_parameters=True,
            json_serializer=_dump,
            connect_args={"server_settings": {"application_name": unit, "timezone": "UTC"}},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self.wake = asyncio.Event()
        self._together = Together(self)

    @asynccontextmanager
    async def transaction(self, now: datetime | None = None) -> AsyncIterator[Transaction]:
        """One COMMIT at the end of the block, none when it raises. `now` lets the fictional city play the past."""
        async with self.engine.connect() as connection:
            async with connection.begin():
                tx = Transaction(connection, now or datetime.now(UTC), self.unit)
                yield tx
                await tx._flush()
            self.committed(tx)

    async def together(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs `work` in a transaction that it may share with others who come at the same moment, and returns after the COMMIT.

        For short work on a hot route: many share one fsync. `work` may be run twice (when another member of its transaction failed), so
        it does nothing outside its transaction, and waits for nothing but the database. It raises what `work` raises."""
        return await self._together.run(work)

    def committed(self, tx: Transaction) -> None:
        """What follows a commit: the worker is woken, callbacks are called."""
        if tx._left_work:
            self.wake.set()
        for callback in tx._callbacks:
            callback()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Read]:
        async with self.engine.connect() as connection, connection.begin():
            yield Read(connection, datetime.now(UTC), self.unit)

    async def close(self) -> None:
        await self._together.close()
        await self.engine.dispose()


async def judge(request: Request, handle: Read) -> None:
    """Whoever is signed in reads with their own rights."""
    from shared.runtime import rights

    await rights.judge(request, handle)


async def transaction(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.db
    async with database.transaction() as tx:
        await judge(request, tx)
        yield tx
        if tx._events and (pressure := getattr(request.app.state, "pressure", None)):
            pressure.check()  # here and not in `Database`: only people at a desk can wait, a worker's derived events must go on


async def read(request: Request) -> AsyncIterator[Read]:
    database: Database = request.app.state.db
    async with database.read() as rd:
        await judge(request, rd)
        yield rd


#: scope="function": by default FastAPI would run the exit, and so the COMMIT, after the response was sent.
Tx = Annotated[Transaction, Depends(transaction, scope="function")]
Rd = Annotated[Read, Depends(read, scope="function")]
