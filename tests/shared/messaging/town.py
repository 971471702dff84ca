"""A small town for the backbone's tests: units of our own on a real PostgreSQL and a real nats-server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import nats
from nats.aio.client import Client
from sqlalchemy import text

from shared.contracts.case import FactRetracted
from shared.contracts.event import Event, HouseholdId, LegalBasis
from shared.contracts.household import Area, HouseholdRegistered
from shared.messaging import Envelope, Handlers, Worker
from shared.messaging.provision import apply, desired
from shared.runtime.database import Database, Transaction
from shared.runtime.settings import Settings
from shared.runtime.testing import eventually
from shared.runtime.unit import Subscription, Unit


def unit(
    code: str, *, publishes: tuple[str, ...] = (), consumes: tuple[str, ...] = (), serves: tuple[str, ...] = (), asks: tuple[str, ...] = ()
) -> Unit:
    return Unit(
        code=code,
        title=code,
        package=f"services.{code}",
        base=f"/{code}",
        accepts_referrals=False,
        welfare_domain=None,
        publishes=publishes,
        consumes=tuple(Subscription(*entry.split(":", 1)) for entry in consumes),
        serves=serves,
        asks=asks,
        database=code.replace("-", "_"),
        migrations=("shared/messaging/migrations", "shared/runtime/migrations"),
        navigation=(),
        owners=(),
        contact="",
        legal_basis=(),
        quality={},
        root=Path("."),
    )


#: alpha speaks; beta hears alpha and answers on its own channel; gamma hears both
ALPHA = unit("alpha", publishes=("household", "fact", "domain"), asks=("beta.add",))
BETA = unit("beta", publishes=("fact",), consumes=("alpha:household", "alpha:fact"), serves=("add",))
GAMMA = unit("gamma", consumes=("*:household", "*:fact"))
UNITS = (ALPHA, BETA, GAMMA)


def household() -> HouseholdId:
    return HouseholdId(uuid4())


def registered(home: HouseholdId) -> HouseholdRegistered:
    return HouseholdRegistered(household_id=home, legal_basis=LegalBasis.CONSENT, area=Area.TOI)


def retracted(home: HouseholdId) -> FactRetracted:
    return FactRetracted(household_id=home, legal_basis=LegalBasis.CONSENT, fact_id=uuid4())


_EFFECTS = text("create table effect (n bigint generated always as identity, source text, channel text, household uuid, seq bigint, event uuid)")
_EFFECT = text("insert into effect (source, channel, household, seq, event) values (:source, :channel, :household, :seq, :event)")


async def note(tx: Transaction, envelope: Envelope) -> None:
    """The effect of the tests: one row per handled event."""
    e = envelope
    await tx.execute(_EFFECT, {"source": e.source, "channel": e.channel, "household": e.subject, "seq": e.seq, "event": e.id})


def noting() -> Handlers:
    handlers = Handlers()

    @handlers.on(HouseholdRegistered, FactRetracted)
    async def heard(tx: Transaction, event: Event, envelope: Envelope) -> None:
        await note(tx, envelope)

    return handlers


@dataclass
class Town:
    url: str
    databases: Callable[..., Awaitable[Database]]
    settings: Callable[..., Settings]
    dbs: dict[str, Database] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def provision(self, *units: Unit) -> list[str]:
        return await apply(await self.client(), desired(units or UNITS))

    async def client(self, **options: Any) -> Client:
        client = await nats.connect(self.url, **options)
        self.clients.append(client)
        return client

    async def db(self, of: Unit) -> Database:
        if of.code not in self.dbs:
            db = self.dbs[of.code] = await self.databases(of)
            async with db.transaction() as tx:
                await tx.execute(_EFFECTS)
        return self.dbs[of.code]

    async def worker(self, of: Unit, handlers: Handlers | None = None, *, url: str | None = None) -> Worker:
        db = await self.db(of)
        worker = Worker(of, self.settings(of, database=db, nats_url=url or self.url), db, handlers or noting())
        self.workers.append(worker)
        await worker.start()
        return worker

    async def say(self, of: Unit, *events: Event) -> None:
        async with (await self.db(of)).transaction() as tx:
            tx.publish(*events)

    async def rows(self, of: Unit, statement: str, **values: Any) -> list[Any]:
        async with (await self.db(of)).read() as rd:
            return list(await rd.rows(text(statement), values))

    async def effects(self, of: Unit, home: UUID | None = None) -> list[tuple[str, int]]:
        """(channel, seq) in the order of their effects."""
        rows = await self.rows(of, "select household, channel, seq from effect order by n")
        return [(row.channel, row.seq) for row in rows if home in (None, row.household)]

    async def until_effects(self, of: Unit, count: int, timeout: float = 10.0) -> None:
        async def enough() -> bool:
            return len(await self.effects(of)) >= count

        await eventually(enough, timeout)

    async def until_published(self, of: Unit, timeout: float = 10.0) -> None:
        async def all_published() -> bool:
            return not await self.rows(of, "select 1 from outbox where published_at is null")

        await eventually(all_published, timeout)

    async def close(self) -> None:
        for worker in self.workers:
            await worker.stop()
        for client in self.clients:
            await client.close()
