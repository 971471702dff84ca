"""Reads a `History` from the databases and the streams with plain asyncpg and nats: no code and no counter of shared/messaging."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
from nats.aio.client import Client
from nats.errors import TimeoutError as NoAnswer
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from tests.faults import markers
from tests.faults.expectation import Expectation
from tests.faults.history import Committed, Effect, History, Message, Said
from tests.faults.town import UNITS, answer_to, wants_intent, wants_timer
from tests.faults.world import World

#: what the manifests of town.py say, written down a second time on purpose
CONSUMERS = {
    "beta": frozenset({("alpha", "household"), ("alpha", "fact")}),
    "gamma": frozenset({("alpha", "household"), ("alpha", "fact"), ("beta", "fact")}),
}
_SAID = """
select channel, household, seq, pos, event_id, coalesce(p ->> 'fact_id', p ->> 'member_id')::uuid as mark
from (select *, convert_from(payload, 'UTF8')::json as p from outbox) as o
"""
_WAITING = {
    "pending": "select count(*) from outbox where published_at is null",
    "held": "select count(*) from held_event",
    "set aside": "select count(*) from consumer_subject where state <> 'ok'",
    "timers": "select count(*) from timer",
    "intents": "select count(*) from intent where state <> 'done'",
}
_PARKED = "select source, stream_seq from dead_event where state = 'parked'"
_TEXTS = """
select 'outbox' as place, payload || convert_to(headers::text, 'UTF8') as content from outbox
union all select 'held_event', payload || convert_to(headers::text || reason, 'UTF8') from held_event
union all select 'dead_event', payload || convert_to(headers::text || reason, 'UTF8') from dead_event
union all select 'timer', convert_to(coalesce(last_error, ''), 'UTF8') from timer
union all select 'intent', convert_to(payload::text || coalesce(last_error, ''), 'UTF8') from intent
"""


async def read(world: World) -> History:
    """Everything, after the world came to rest."""
    committed: list[Committed] = []
    said: list[Said] = []
    effects: list[Effect] = []
    messages: list[Message] = []
    waiting: Counter[tuple[str, str]] = Counter()
    leaks = [str(path) for path in markers.leaking_files([world.home / "logs", *stream_folders(world)])]
    for unit in UNITS:
        async with world.sql(unit.code) as connection:
            committed += [Committed(unit.code, **row) for row in await connection.fetch("select channel, household, n, mark, at from business")]
            said += [Said(unit.code, *row) for row in await connection.fetch(_SAID)]
            effects += [
                Effect(unit.code, *row)
                for row in await connection.fetch("select n, source, channel, household, seq, event, mark, cause, at from effect")
            ]
            waiting |= await _waiting(connection, unit.code, world.expect)
            leaks += [f"{unit.code} {row['place']}" for row in await connection.fetch(_TEXTS) if markers.leaks_in(row["content"])]
        async with world.admin() as client:
            messages += [message async for message in _messages(client, unit.code, world.expect)]
    heard = [row for row in committed if row.source == "alpha"]
    return History(
        consumers=CONSUMERS,
        committed=tuple(committed),
        said=tuple(said),
        effects=tuple(effects),
        messages=tuple(messages),
        acknowledged=_acknowledged(world.home),
        waiting=waiting,
        answers={answer_to(row.mark): row.mark for row in heard},
        later=await _later(world, [row.mark for row in heard]),
        leaks=tuple(leaks),
        silent=tuple(_silent(world)),
    )


def stream_folders(world: World) -> list[Path]:
    return [world.home / "nats"]


async def _waiting(connection: asyncpg.Connection, unit: str, expect: Expectation) -> Counter[tuple[str, str]]:
    waiting = Counter({(unit, what): await connection.fetchval(statement) for what, statement in _WAITING.items()})
    parked = {(unit, row["source"], row["stream_seq"]) for row in await connection.fetch(_PARKED)}
    waiting[unit, "parked"] = len(parked - expect.dead)
    return waiting


async def _messages(client: Client, unit: str, expect: Expectation) -> AsyncIterator[Message]:
    """The whole stream, headers only. The canary has no household and belongs to nobody's history."""
    stream = f"EVT_{unit.upper()}"
    js = client.jetstream()
    try:
        last = (await js.stream_info(stream)).state.last_seq
    except NotFoundError:
        return
    if not last:
        return
    reader = await js.pull_subscribe(f"evt.{unit}.>", stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE, headers_only=True))
    position = 0
    while position < last:
        try:
            batch = await reader.fetch(1000, timeout=2)
        except (TimeoutError, NoAnswer):
            break
        for message in batch:
            position = message.metadata.sequence.stream
            if ".canary." not in message.subject and (unit, position) not in expect.foreign:
                yield Message(unit, position, _event(message.headers or {}))
    await reader.unsubscribe()


def _event(headers: dict[str, str]) -> UUID | None:
    try:
        return UUID(headers.get("ce-id", ""))
    except ValueError:
        return None


def _acknowledged(home: Path) -> frozenset[UUID]:
    lines = [line for ledger in sorted((home / "ledger").glob("*.jsonl")) for line in ledger.read_text().splitlines()]
    # A writer that is killed may leave half a line; what it says was not acknowledged to anybody else.
    return frozenset(UUID(mark) for line in lines if line.endswith("]]]") for _, _, marks in json.loads(line) for mark in marks)


async def _later(world: World, marks: list[UUID]) -> dict[tuple[str, str], tuple[int, int]]:
    fired = Counter(row["key"] for row in await world.rows("beta", "select key from fired"))
    letters = Counter(row["key"] for row in await world.rows("beta", "select key from letter"))
    timers = {str(mark) for mark in marks if wants_timer(mark)}
    intents = {str(mark) for mark in marks if wants_intent(mark)}
    return {("timer", key): (int(key in timers), fired[key]) for key in timers | set(fired)} | {
        ("letter", key): (int(key in intents), letters[key]) for key in intents | set(letters)
    }


def _silent(world: World) -> list[str]:
    """Alarms that should stand in a log and do not."""
    return [f"{unit}: {words}" for unit, words in sorted(world.expect.alarms) if not any(_logged(world.home, unit, one) for one in words.split("|"))]


def _logged(home: Path, unit: str, words: str) -> bool:
    return any(words in log.read_text(errors="replace") for log in (home / "logs").glob(f"{unit}-*.log"))
