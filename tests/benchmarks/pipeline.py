"""One end of a pipeline, in a process of its own (`run`). A command comes through its pipe and is answered through it.

`ours` is shared/messaging through its public API. `raw` does the same job with asyncpg and nats-py alone: row and outbox row in one statement,
atomic batches, one transaction per fetched batch with the position in it. Raw has no household lock, no sequence per household, no leases,
no envelope, no trace: it is the limit, not a peer.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import nats
import uvloop
from nats.js.client import JetStreamContext
from sqlalchemy import text

from shared.contracts.case import FactRetracted
from shared.contracts.event import HouseholdId, LegalBasis
from shared.messaging import Envelope, Handlers, Worker
from shared.runtime.database import Database, Transaction
from shared.runtime.settings import Settings
from tests.shared.messaging.town import ALPHA, BETA

#: each with one transaction in flight: what a unit's web process has at a busy moment
CLIENTS, BATCH = 8, 500
HOMES = [HouseholdId(uuid4()) for _ in range(1000)]
ROW = "create table effect (n bigint generated always as identity, event uuid)"
EFFECT = text("insert into effect (event) values (:event)")
RAW_OUTBOX = """
create table outbox (pos bigint generated always as identity primary key, payload bytea not null, published_at timestamptz, seq bigint);
create index on outbox (pos) where published_at is null
"""
RAW_SAY = "with row as (insert into effect (event) values ($1)) insert into outbox (payload) values ($2)"
RAW_PENDING = "select pos, payload from outbox where published_at is null order by pos limit $1"
RAW_MARK = "update outbox o set published_at = now(), seq = p.seq from unnest($1::bigint[], $2::bigint[]) as p(pos, seq) where o.pos = p.pos"

#: says one event in a transaction with one row; gives its mark when that is committed
Say = Callable[[HouseholdId], Awaitable[UUID]]


class Heard:
    """When the effect of each event was committed."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def note(self, *marks: UUID) -> None:
        self.at.update(dict.fromkeys(map(str, marks), time.monotonic()))

    async def report(self, count: int) -> dict[str, float]:
        deadline = time.monotonic() + 30
        while len(self.at) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        heard, self.at = self.at, {}
        return heard


async def our_say(database: str, broker: str) -> Say:
    db = Database(database, ALPHA.code, pool_size=CLIENTS + 2)
    async with db.transaction() as tx:
        await tx.execute(text(ROW))
    await Worker(ALPHA, Settings(profile="test", database_url=database, nats_url=broker, instance="say"), db, Handlers()).start()

    async def say(home: HouseholdId) -> UUID:
        mark = uuid4()
        async with db.transaction() as tx:
            await tx.execute(EFFECT, {"event": mark})
            tx.publish(FactRetracted(household_id=home, legal_basis=LegalBasis.CONSENT, fact_id=mark))
        return mark

    return say


async def our_hear(heard: Heard, database: str, broker: str) -> None:
    handlers = Handlers()

    @handlers.on(FactRetracted)
    async def fact_retracted(tx: Transaction, event: FactRetracted, envelope: Envelope) -> None:
        await tx.execute(EFFECT, {"event": event.fact_id})
        tx.on_commit(lambda: heard.note(event.fact_id))

    handlers.ignore(*handlers.missing(("household", "fact")))
    db = Database(database, BETA.code)
    async with db.transaction() as tx:
        await tx.execute(text(ROW))
    await Worker(BETA, Settings(profile="test", database_url=database, nats_url=broker, instance="hear"), db, handlers).start()


async def raw_say(database: str, broker: str) -> Say:
    pool, relay_connection = await asyncpg.create_pool(database, min_size=CLIENTS, max_size=CLIENTS), await asyncpg.connect(database)
    await relay_connection.execute(f"{ROW};{RAW_OUTBOX}")
    client, wake = await nats.connect(broker), asyncio.Event()

    async def publish(payloads: list[bytes]) -> int:
        batch = uuid4().hex
        for number, payload in enumerate(payloads, 1):
            headers = {"Nats-Msg-Id": uuid4().hex, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number < len(payloads):
                await client.publish("raw.fact", payload, headers=headers)
        answer = await client.request("raw.fact", payloads[-1], headers=headers | {"Nats-Batch-Commit": "1"}, timeout=10)
        return int(json.loads(answer.data)["seq"])

    async def relay() -> None:
        while await wake.wait():
            wake.clear()
            while rows := await relay_connection.fetch(RAW_PENDING, BATCH):
                last = await publish([row["payload"] for row in rows])
                await relay_connection.execute(RAW_MARK, [row["pos"] for row in rows], list(range(last - len(rows) + 1, last + 1)))

    relaying = asyncio.create_task(relay())

    async def say(home: HouseholdId) -> UUID:
        assert not relaying.done(), relaying
        mark = uuid4()
        payload = {"household_id": str(home), "legal_basis": "CONSENT", "fact_id": str(mark)}
        await pool.execute(RAW_SAY, mark, json.dumps(payload).encode())
        wake.set()
        return mark

    return say


async def raw_hear(heard: Heard, database: str, broker: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(f"{ROW}; create table position as select 0::bigint as seq")
    subscription = await (await nats.connect(broker)).jetstream().pull_subscribe_bind("bench", "RAW")
    heard.hearing = asyncio.create_task(_raw_hear(heard, connection, subscription))  # type: ignore[attr-defined]  # kept alive


async def _raw_hear(heard: Heard, connection: asyncpg.Connection, subscription: JetStreamContext.PullSubscription) -> None:
    while True:
        try:
            messages = await subscription.fetch(256, timeout=1)
        except TimeoutError:
            continue
        marks = [UUID(json.loads(message.data)["fact_id"]) for message in messages]
        async with connection.transaction():
            await connection.execute("update position set seq = $1", messages[-1].metadata.sequence.stream)
            await connection.execute("insert into effect (event) select * from unnest($1::uuid[])", marks)
        heard.note(*marks)
        await messages[-1].ack()


async def speak(say: Say, seconds: float, rate: float | None = None) -> dict[str, Any]:
    """As fast as CLIENTS can, or at a rate whatever the answers take (an event that had to wait for the one before counts as late)."""
    sent: dict[str, float] = {}
    began = time.monotonic()

    async def one(number: int) -> None:
        sent[str(await say(HOMES[number % len(HOMES)]))] = time.monotonic()

    async def client(number: int) -> None:
        while time.monotonic() < began + seconds:
            await one(number := number + CLIENTS)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds) if rate else CLIENTS):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()) if rate else 0)
            group.create_task(one(number) if rate else client(number))
    return {"began": began, "sent": sent}


async def _serve(kind: str, end: str, database: str, broker: str, pipe: Connection) -> None:
    answer: Callable[..., Awaitable[Any]]
    if end == "say":
        answer = partial(speak, await (our_say if kind == "ours" else raw_say)(database, broker))
    else:
        heard = Heard()
        await (our_hear if kind == "ours" else raw_hear)(heard, database, broker)
        answer = heard.report
    pipe.send("ready")
    while command := await asyncio.to_thread(pipe.recv):
        pipe.send(await answer(**command))


def run(*given: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(*given))
