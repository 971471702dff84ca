"""Says a town's story to the real handlers, in a real transaction, as the consumer would."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from services.notify.handlers import handlers
from shared.contracts.event import Event
from shared.messaging import Envelope, Timer
from shared.runtime.database import Database
from tests.notify.town import Household

REGISTRY = handlers(None)


def envelope_of(unit: str, event: Event, seq: int, at: datetime) -> Envelope:
    return Envelope(
        id=uuid4(), type=event.type_name(), source=unit, subject=event.household_id, time=at, recorded_at=at,
        channel=event.channel, seq=seq, correlation_id=uuid4(), traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )  # fmt: skip


@dataclass
class Ears:
    """The unit's ears: `hears` says what is new in a household's story."""

    db: Database
    counts: dict[tuple[UUID, str, str], int] = field(default_factory=dict)
    said: dict[UUID, int] = field(default_factory=dict)
    envelopes: list[tuple[Event, Envelope]] = field(default_factory=list)

    async def hears(self, home: Household, at: datetime | None = None) -> None:
        fresh = home.told[self.said.get(home.id, 0) :]
        self.said[home.id] = len(home.told)
        at = at or datetime.now(UTC)
        spoken = [(event, self._envelope(home.id, unit, event, at + timedelta(milliseconds=n))) for n, (unit, event) in enumerate(fresh)]
        self.envelopes += spoken
        await self.receive(spoken)

    async def receive(self, spoken: Iterable[tuple[Event, Envelope]]) -> None:
        async with self.db.transaction() as tx:
            for event, envelope in spoken:
                for handler in REGISTRY.events[event.type_name()]:
                    await handler(tx, event, envelope)

    async def alerts(self) -> list[UUID]:
        return [row.id for row in await rows(self.db, "select id from alert order by raised_at, id")]

    def _envelope(self, home: UUID, unit: str, event: Event, at: datetime) -> Envelope:
        key = (home, unit, event.channel)
        self.counts[key] = self.counts.get(key, 0) + 1
        return envelope_of(unit, event, self.counts[key], at)


async def fire_due(db: Database, now: datetime | None = None) -> list[str]:
    """Fires every timer that is due at `now`, as the worker would; the kinds that fired."""
    fired = []
    now = now or datetime.now(UTC)
    while True:
        async with db.transaction(now) as tx:
            query = text(
                "delete from timer where (kind, key) in (select kind, key from timer where due_at <= :now order by due_at limit 1) returning *"
            )
            row = await tx.row(query, {"now": now})
            if row is None:
                return fired
            await REGISTRY.timers[row.kind](tx, Timer(row.kind, row.key, row.due_at, row.household))
            fired.append(row.kind)


async def rows(db: Database, query: str, **values: Any) -> list[Any]:
    async with db.read() as rd:
        return list(await rd.rows(text(query), values))


async def published(db: Database) -> list[str]:
    return [row.type.removeprefix("jp.tsunagari.") for row in await rows(db, "select type from outbox where channel <> 'domain' order by pos")]
