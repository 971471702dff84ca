"""Two units in this process on servers of our own: what is counted, and what is looked at one part after the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from sqlalchemy import event, text

from shared.contracts.case import FactRetracted
from shared.contracts.event import HouseholdId
from shared.messaging import Envelope, Handlers
from shared.messaging.relay import Relay
from shared.runtime.database import Database, Transaction
from shared.runtime.unit import Unit
from tests.benchmarks.contenders.job import ROW
from tests.benchmarks.contenders.ours import OURS, TOGETHER, worker
from tests.benchmarks.main_job import shape
from tests.benchmarks.servers import Servers
from tests.shared.messaging.town import ALPHA, BETA, retracted

__all__ = ["ALPHA", "BETA", "TOGETHER", "Pair", "Seen", "pair", "retracted"]


@dataclass
class Seen:
    """Statements of one engine by shape, and its commits, since `clear`. Leases are the worker's own heartbeat and are left out."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0

    @classmethod
    def on(cls, db: Database) -> "Seen":
        seen = cls()
        engine = db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda conn, cursor, statement, *_: seen._note(shape(statement)))
        event.listen(engine, "commit", lambda conn: seen._commit())
        return seen

    def _note(self, told: str) -> None:
        if not told.endswith("worker_lease"):
            self.statements.append(told)

    def _commit(self) -> None:
        self.commits += 1

    def clear(self) -> None:
        self.statements.clear()
        self.commits = 0

    @property
    def round_trips(self) -> int:
        """Each statement is one, BEGIN and COMMIT are two. An executemany is one."""
        return len(self.statements) + 2 * self.commits


@dataclass
class Pair:
    """Alpha says, beta hears. `heard` counts what beta's handler was given."""

    servers: Servers
    alpha: Database
    beta: Database
    heard: int = 0

    async def say(self, *homes: HouseholdId) -> None:
        async with self.alpha.transaction() as tx:
            tx.publish(*(retracted(home) for home in homes))

    async def scalar(self, unit: Unit, statement: str, **values: Any) -> Any:
        async with (self.alpha if unit is ALPHA else self.beta).read() as rd:
            return await rd.scalar(text(statement), values)

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[Relay]:
        speaking = worker(ALPHA, self._url(self.alpha), self.servers.nats.url, self.alpha, Handlers())
        await speaking.start()
        yield speaking.relay
        await speaking.stop()

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[None]:
        handlers = Handlers()

        @handlers.on(FactRetracted)
        async def fact_retracted(tx: Transaction, event: FactRetracted, envelope: Envelope) -> None:
            tx.on_commit(self._count)

        handlers.ignore(*handlers.missing(("household", "fact")))
        listening = worker(BETA, self._url(self.beta), self.servers.nats.url, self.beta, handlers)
        await listening.start()
        yield
        await listening.stop()

    def _count(self) -> None:
        self.heard += 1

    @staticmethod
    def _url(db: Database) -> str:
        return db.engine.url.render_as_string(hide_password=False)

    async def pending(self) -> bool:
        return bool(await self.scalar(ALPHA, "select exists (select from outbox where published_at is null)"))

    async def stream(self) -> dict[str, Any]:
        client = await nats.connect(self.servers.nats.url)
        info = await client.jetstream().stream_info(ALPHA.stream)
        await client.close()
        return {"messages": info.state.messages, "bytes": info.state.bytes}

    def cpu_seconds(self) -> float:
        """This process (both units) and both servers."""
        return time.process_time() + self.servers.cpu_seconds()


@asynccontextmanager
async def pair(servers: Servers) -> AsyncIterator[Pair]:
    saying, hearing = await servers.prepare(OURS)
    alpha, beta = Database(saying, ALPHA.code), Database(hearing, BETA.code)
    for db in (alpha, beta):
        async with db.transaction() as tx:
            await tx.execute(text(ROW))
    try:
        yield Pair(servers, alpha, beta)
    finally:
        await alpha.close()
        await beta.close()


async def until(condition: Callable[[], Awaitable[bool]], patience: float, every: float = 0.02) -> float:
    """Seconds it took. Raises TimeoutError."""
    began = time.monotonic()
    while not await condition():
        if time.monotonic() - began > patience:
            raise TimeoutError
        await asyncio.sleep(every)
    return time.monotonic() - began
