"""The limit: asyncpg and nats-py alone. Row and outbox row in one statement, atomic batches in order, one transaction per fetched batch with
the position in it. It has no household lock, no sequence per household, no leases, no envelope, no trace: a limit, not a peer.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import nats
from fastapi import FastAPI
from nats.aio.client import Client
from nats.js.client import JetStreamContext

from shared.messaging.provision import api_of
from tests.benchmarks.contenders.job import POOL, ROW, Contender, Fact, Heard

BATCH = 500
OUTBOX = """
create table outbox (pos bigint generated always as identity primary key, payload bytea not null, published_at timestamptz, seq bigint);
create index on outbox (pos) where published_at is null
"""
SAY = "with row as (insert into effect (event) values ($1)) insert into outbox (payload) values ($2)"
PENDING = "select pos, payload from outbox where published_at is null order by pos limit $1"
MARK = "update outbox o set published_at = now(), seq = p.seq from unnest($1::bigint[], $2::bigint[]) as p(pos, seq) where o.pos = p.pos"


async def prepare(client: Client) -> None:
    stream = {"name": "RAW", "subjects": ["raw.>"], "storage": "file", "allow_atomic": True}
    consumer = {"name": "bench", "durable_name": "bench", "ack_policy": "all", "max_ack_pending": 1024}
    await api_of(client)("STREAM.CREATE.RAW", stream)
    await api_of(client)("CONSUMER.CREATE.RAW.bench", {"stream_name": "RAW", "config": consumer, "action": "create"})


def _loud(task: "asyncio.Task[None]") -> "asyncio.Task[None]":
    """A task that ends ends the process: a limit that quietly stopped would be measured as a slow one."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            print(f"raw: {task.exception()!r}", file=sys.stderr, flush=True)
            os._exit(3)

    task.add_done_callback(ended)
    return task


def _dsn(database: str) -> str:
    return database.replace("+asyncpg", "", 1)


async def _publish(client: Client, payloads: list[bytes]) -> int:
    batch = uuid4().hex
    for number, payload in enumerate(payloads, 1):
        headers = {"Nats-Msg-Id": uuid4().hex, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        if number < len(payloads):
            await client.publish("raw.fact", payload, headers=headers)
    answer = await client.request("raw.fact", payloads[-1], headers=headers | {"Nats-Batch-Commit": "1"}, timeout=10)
    return int(json.loads(answer.data)["seq"])


async def _relay(connection: asyncpg.Connection, client: Client, wake: asyncio.Event) -> None:
    while await wake.wait():
        wake.clear()
        while rows := await connection.fetch(PENDING, BATCH):
            last = await _publish(client, [row["payload"] for row in rows])
            await connection.execute(MARK, [row["pos"] for row in rows], list(range(last - len(rows) + 1, last + 1)))


def app(database: str, broker: str) -> FastAPI:
    wake = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        relay_connection = await asyncpg.connect(_dsn(database))
        await relay_connection.execute(f"{ROW};{OUTBOX}")
        client = await nats.connect(broker)
        async with asyncpg.create_pool(_dsn(database), min_size=POOL, max_size=POOL) as app.state.pool:
            relaying = _loud(asyncio.create_task(_relay(relay_connection, client, wake)))
            yield
            relaying.cancel()
        await client.close()
        await relay_connection.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/facts", status_code=201)
    async def retract(fact: Fact) -> Fact:
        await app.state.pool.execute(SAY, fact.mark, fact.model_dump_json().encode())
        wake.set()
        return fact

    return app


@asynccontextmanager
async def hear(heard: Heard, database: str, broker: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(_dsn(database))
    await connection.execute(f"{ROW}; create table position as select 0::bigint as seq")
    client = await nats.connect(broker)
    subscription = await client.jetstream().pull_subscribe_bind("bench", "RAW")
    hearing = _loud(asyncio.create_task(_hear(heard, connection, subscription)))
    yield
    hearing.cancel()
    await client.close()
    await connection.close()


async def _hear(heard: Heard, connection: asyncpg.Connection, subscription: JetStreamContext.PullSubscription) -> None:
    while True:
        try:
            messages = await subscription.fetch(256, timeout=1)
        except TimeoutError:
            continue
        if not messages:  # nats-py gives an empty list when its request ended at the broker
            continue
        marks = [UUID(json.loads(message.data)["mark"]) for message in messages]
        async with connection.transaction():
            await connection.execute("update position set seq = $1", messages[-1].metadata.sequence.stream)
            await connection.execute("insert into effect (event) select * from unnest($1::uuid[])", marks)
        heard.note(*marks)
        await messages[-1].ack()


RAW = Contender("raw", prepare, app, hear)
