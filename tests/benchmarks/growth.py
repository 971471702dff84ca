"""Does it get dearer with what is stored? And how fast are relay and consumer alone: filled by SQL in the shape that the code itself writes."""

import asyncio
import json
import time
from dataclasses import dataclass
from uuid import uuid4

import uvloop

from shared.contracts.event import HouseholdId
from shared.messaging import relay
from tests.benchmarks.figures import Section, milliseconds, percentile
from tests.benchmarks.servers import Servers, servers
from tests.benchmarks.town import ALPHA, Pair, pair, until

SIZES, WHOLE = (10_000, 100_000), (10_000, 100_000, 1_000_000)
REQUESTS, BURST = 300, 2_000
#: events a second that P7's 10^6 in 90 s come to
REBUILD = 1_000_000 / 90
#: One more household with one event each, made from the first event that the code wrote. Rows go in through the table, as `append` does it.
FILL = """
with made as materialized (select gen_random_uuid() as household, uuidv7() as event_id from generate_series(1, $1)),
drawn as (insert into outbox_sequence (channel, household, seq) select 'fact', household, 1 from made)
insert into outbox (channel, household, seq, event_id, type, subject, headers, payload, traceparent)
select o.channel, m.household, 1, m.event_id, o.type, left(o.subject, -1) || right(m.household::text, 1),
       replace(replace(o.headers::text, o.event_id::text, m.event_id::text), o.household::text, m.household::text)::jsonb,
       convert_to(replace(convert_from(o.payload, 'UTF8'), o.household::text, m.household::text), 'UTF8'), o.traceparent
from made m, (select * from outbox order by pos limit 1) o
"""

HOMES = "select household from outbox_sequence where channel = 'fact' order by random() limit $1"


@dataclass(frozen=True)
class Cost:
    """At `stored` events and households: a request's wait and processor seconds per 1,000; one look for pending rows; a burst all the way."""

    stored: int
    waits: list[float]
    request_cpu: float
    look: float
    buffers: int
    burst_cpu: float


def measure(section: Section, *, whole: bool = False) -> None:
    with servers() as own, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_measure(section, own, WHOLE if whole else SIZES))


async def _measure(section: Section, own: Servers, sizes: tuple[int, ...]) -> None:
    async with pair(own) as town:
        await town.say(HouseholdId(uuid4()))
        costs = []
        for size in sizes:
            await _alone(section, town, size)
            costs.append(await _cost(town, size))
        _compare(section, costs)


async def _fill(town: Pair, size: int) -> int:
    """Up to `size` events in all. Gives how many wait."""
    while (missing := size - int(await town.scalar(ALPHA, "select count(*) from outbox"))) > 0:
        async with town.alpha.transaction() as tx:
            await tx.connection.exec_driver_sql(FILL, (min(missing, 100_000),))
    for db in (town.alpha, town.beta):
        async with db.transaction() as tx:
            await tx.connection.exec_driver_sql("analyze")
    return int(await town.scalar(ALPHA, "select count(*) from outbox where published_at is null"))


async def _alone(section: Section, town: Pair, size: int) -> None:
    waiting = await _fill(town, size)
    before = town.cpu_seconds()
    async with town.relaying() as relaying:
        # Its own count of what it marked: counting the rows that wait would take more of the server than the relay does.
        await until(lambda: _has_published(relaying, 1), 60, 0.002)  # its lease is taken, its first batch is on the way
        already, began = relaying.published, time.monotonic()
        await until(lambda: _has_published(relaying, waiting), 600)
        rate, cpu = (waiting - already) / (time.monotonic() - began), (town.cpu_seconds() - before) / waiting * 1000
    assert not await _left(town)
    told = f"{rate:,.0f} /s, CPU {cpu:.3f} s per 1,000"
    section.add(f"relay alone: {waiting:,} pending rows into the stream", told, "≥ 15,000 /s (P4)", rate >= 15_000)
    await _rebuild(section, town, waiting)


async def _rebuild(section: Section, town: Pair, waiting: int) -> None:
    already, before = town.heard, town.cpu_seconds()
    async with town.hearing():
        await until(lambda: _is_heard(town, already + 1), 60, 0.002)
        left, began = already + waiting - town.heard, time.monotonic()
        await until(lambda: _is_heard(town, already + waiting), 600, 0.01)
        rate, cpu = left / (time.monotonic() - began), (town.cpu_seconds() - before) / waiting * 1000
    told = f"{rate:,.0f} /s, CPU {cpu:.3f} s per 1,000"
    section.add(f"consumer alone (rebuild from the stream), {waiting:,} events of new households", told, "≥ 15,000 /s (P4)", rate >= 15_000)
    if waiting > 50_000:
        section.add("that is for 10^6 events", f"{1_000_000 / rate:.0f} s", "≤ 90 s (P7)", rate >= REBUILD)


async def _left(town: Pair) -> int:
    return int(await town.scalar(ALPHA, "select count(*) from outbox where published_at is null"))


async def _has_published(relaying: relay.Relay, count: int) -> bool:
    return relaying.published >= count


async def _is_heard(town: Pair, count: int) -> bool:
    return town.heard >= count


async def _homes(town: Pair, count: int) -> list[HouseholdId]:
    """From anywhere in the table, so that the pages of the indexes are cold and warm as they come."""
    async with town.alpha.read() as rd:
        rows = await rd.connection.exec_driver_sql(
            "select household from outbox_sequence where channel = 'fact' order by random() limit $1", (count,)
        )
        return [HouseholdId(row.household) for row in rows]


async def _cost(town: Pair, size: int) -> Cost:
    """Of what is stored: what was published a moment ago leaves index entries behind until the next vacuum, which comes within minutes by itself."""
    async with town.alpha.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).exec_driver_sql("vacuum")
    homes = await _homes(town, REQUESTS + BURST)
    waits, before = [], town.cpu_seconds()
    for home in homes[:REQUESTS]:
        began = time.monotonic()
        await town.say(home)
        waits.append(time.monotonic() - began)
    request_cpu = (town.cpu_seconds() - before) / REQUESTS * 1000
    look, buffers = await _look(town)
    await town.say(*homes[REQUESTS:])
    waiting, already, before = await _left(town), town.heard, town.cpu_seconds()
    async with town.hearing(), town.relaying():
        await until(lambda: _is_heard(town, already + waiting), 120, 0.02)
        burst_cpu = (town.cpu_seconds() - before) / waiting * 1000
    return Cost(size, waits, request_cpu, look, buffers, burst_cpu)


async def _look(town: Pair) -> tuple[float, int]:
    """Milliseconds and pages of the relay's look for pending rows, with REQUESTS of them there."""
    statement = f"explain (analyze, buffers, format json) {relay._PENDING.replace('$1', str(relay.BATCH))}"
    async with town.alpha.read() as rd:
        for _ in range(3):
            told = (await rd.connection.exec_driver_sql(statement)).scalar_one()
    plan = (json.loads(told) if isinstance(told, str) else told)[0]
    return float(plan["Execution Time"]), int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def _compare(section: Section, costs: list[Cost]) -> None:
    first = costs[0]
    for cost in costs:
        told = (
            f"p50 / p99 {milliseconds(cost.waits)}, CPU {cost.request_cpu:.2f} s · {cost.look:.2f} ms, {cost.buffers} pages · {cost.burst_cpu:.2f} s"
        )
        what = f"{cost.stored:,} stored events and households: a request (per 1,000) · a look for pending rows · relay and consumer (per 1,000)"
        section.add(what, told)
    last = costs[-1]
    ratios = [percentile(last.waits, 0.5) / percentile(first.waits, 0.5), last.request_cpu / first.request_cpu, last.burst_cpu / first.burst_cpu]
    told = " · ".join(f"{ratio:.2f} ×" for ratio in ratios)
    what = f"{last.stored:,} against {first.stored:,}: a request's wait · its CPU · CPU of relay and consumer"
    section.add(what, told, "within ± 15 % (P7)", all(ratio <= 1.15 for ratio in ratios))
    good = last.buffers <= 3 * first.buffers
    section.add(
        "pages that a look for pending rows touches", f"{first.buffers} → {last.buffers}", "≤ 3 ×: no scan of what is stored", good, gated=True
    )
