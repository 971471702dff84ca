"""What comes over the wire or into a handler is wrong: copies, nonsense, poison, a future version; and a database that is slow."""

import asyncio
import base64
import json
from random import Random
from uuid import UUID, uuid4

from nats.aio.client import Client
from nats.errors import Error as NatsError

from tests.faults import operator
from tests.faults.fault import Fault
from tests.faults.losses import api
from tests.faults.world import World
from tests.faults.writer import HOUSEHOLDS


class Copies(Fault):
    """Messages of the last moments once more, three times, backwards: duplicates and wrong order on the wire."""

    name = "copies of messages, in wrong order"
    weight = 3

    async def apply(self, world: World, random: Random) -> None:
        async with world.admin() as client:
            state = (await client.jetstream().stream_info("EVT_ALPHA")).state
            last = range(max(state.first_seq, state.last_seq - 15), state.last_seq + 1)
            for sequence in [*reversed(last), *random.sample(last, len(last))]:
                await self._again(client, sequence)

    async def _again(self, client: Client, sequence: int) -> None:
        message = (await api(client, "STREAM.MSG.GET.EVT_ALPHA", {"seq": sequence}))["message"]
        lines = base64.b64decode(message.get("hdrs", "")).decode().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith("Nats-"))
        await client.jetstream().publish(message["subject"], base64.b64decode(message.get("data", "")), headers=headers)


class Late(Fault):
    """A message disappears before gamma hears it and comes back behind later ones: a gap that closes by itself, order kept."""

    name = "temporary gap (message comes late)"
    weight = 2
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        resting = world.crew.of("worker", "gamma")
        for actor in resting:
            await world.crew.stop(actor)
        await asyncio.sleep(1)
        async with world.admin() as client:
            state = (await client.jetstream().stream_info("EVT_ALPHA")).state
            chosen = random.sample(range(max(state.first_seq, state.last_seq - 30), state.last_seq + 1), 3)
            kept = [(await api(client, "STREAM.MSG.GET.EVT_ALPHA", {"seq": sequence}))["message"] for sequence in chosen]
            for sequence in chosen:
                await api(client, "STREAM.MSG.DELETE.EVT_ALPHA", {"seq": sequence})
            for actor in resting:
                world.crew.start(actor)
            await asyncio.sleep(3)
            for message in kept:
                lines = base64.b64decode(message["hdrs"]).decode().split("\r\n")[1:]
                headers = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith("Nats-"))
                await client.jetstream().publish(message["subject"], base64.b64decode(message["data"]), headers=headers)


def _good(household: UUID) -> dict[str, str]:
    """Headers of a message that would be right, were it not for what the fault does to it."""
    return {
        "ce-specversion": "1.0", "ce-id": str(uuid4()), "ce-source": "/alpha", "ce-type": "jp.tsunagari.fact.retracted.v1",
        "ce-subject": str(household), "ce-time": "2026-04-01T00:00:00Z", "ce-recordedtime": "2026-04-01T00:00:00Z", "ce-channel": "fact",
        "ce-datacontenttype": "application/json", "ce-correlationid": str(uuid4()), "ce-subjectseq": "1", "ce-outboxpos": "1",
    }  # fmt: skip


class Nonsense(Fault):
    """Messages that no unit of ours would send (backbone.md §2.13): each is set aside with its reason, visible to an operator."""

    name = "undecodable and malformed messages"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        for headers, data in self._messages():
            await self._put(world, headers, data)
        await self._too_large(world)
        await self._doubled(world)

    def _messages(self) -> list[tuple[dict[str, str], bytes]]:
        body = json.dumps({"household_id": str(uuid4()), "legal_basis": "CONSENT", "fact_id": str(uuid4())}).encode()
        wrong = [_good(uuid4()) | change for change in ({"ce-datacontenttype": "text/plain"}, {"ce-id": "7"}, {"ce-subjectseq": "minus one"})]
        missing = [{name: value for name, value in _good(uuid4()).items() if name != gone} for gone in ("ce-type", "ce-subject", "ce-id")]
        return [
            ({}, b"\xff\xfe\x00"),
            *((headers, body) for headers in (*wrong, *missing)),
            (_good(uuid4()), b"\xff\xfe\x00"),
            (_good(uuid4()), b"x" * 50_000),
        ]

    async def _put(self, world: World, headers: dict[str, str], data: bytes) -> None:
        async with world.admin() as client:
            stored = await client.jetstream().publish("evt.alpha.fact.retracted.v1.a", data, headers=headers or None)
        await self._seen(world, stored.seq, headers.get("ce-subject"))

    async def _seen(self, world: World, position: int, household: str | None) -> None:
        world.expect.foreign.add(("alpha", position))
        for unit in ("beta", "gamma"):
            world.expect.dead.add((unit, "alpha", position))
            for _ in range(300):
                if found := await world.rows(unit, "select reason from dead_event where source = 'alpha' and stream_seq = $1", position):
                    break
                await asyncio.sleep(0.1)
            assert found, f"{unit} set message {position} aside nowhere"
            assert found[0]["reason"], f"{unit} gives no reason for message {position}"
            if household:
                await operator.release(world, unit, UUID(household), skip=True)

    async def _too_large(self, world: World) -> None:
        async with world.admin() as client:
            try:
                await client.jetstream().publish("evt.alpha.fact.retracted.v1.a", b"x" * (64 * 1024 + 1))
            except NatsError:
                return
        raise AssertionError("the broker took a message above 64 KiB")

    async def _doubled(self, world: World) -> None:
        """Written by hand: no client library sends a header twice."""
        household = uuid4()
        lines = [f"{name}: {value}" for name, value in _good(household).items()]
        head = ("\r\n".join(["NATS/1.0", *lines, "ce-subjectseq: 2"]) + "\r\n\r\n").encode()
        async with world.admin() as client:
            before = (await client.jetstream().stream_info("EVT_ALPHA")).state.last_seq
            inbox = client.new_inbox()
            answer = await client.subscribe(inbox)
            line = f"HPUB evt.alpha.fact.retracted.v1.a {inbox} {len(head)} {len(head) + 2}\r\n".encode()
            await client._send_command(line + head + b"{}\r\n")
            await client.flush()
            stored = json.loads((await answer.next_msg(timeout=5)).data)
        assert stored["seq"] > before
        await self._seen(world, stored["seq"], str(household))


class Poison(Fault):
    """A bug of beta in the events of two households: they wait, everybody else flows; repaired and released, they go on in order."""

    name = "poison: handler fails for a household"
    weight = 3

    async def apply(self, world: World, random: Random) -> None:
        sick = random.sample(HOUSEHOLDS, 2)
        world.controls.wish(poison=tuple(str(household) for household in sick))
        for household in sick:
            assert await operator.until_set_aside(world, "beta", household, True), "the failing household was never set aside"
        await world.flows()
        world.controls.wish(poison=())
        await asyncio.sleep(0.3)
        for household in sick:
            await operator.release(world, "beta", household)
        world.expect.alarms.add(("beta", "event_parked"))


class Glitches(Fault):
    """Handlers that fail once in a while with a person's words in the exception: repeated, never parked, never in a log."""

    name = "handlers fail now and then"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        world.controls.wish(glitch=0.01)
        await asyncio.sleep(random.uniform(2, 5))
        world.controls.wish(glitch=0.0)


class SlowDatabase(Fault):
    name = "slow database (pg_sleep in handlers)"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        world.controls.wish(slow=0.5)
        await asyncio.sleep(random.uniform(3, 6))
        world.controls.wish(slow=0.0)


class LockedRows(Fault):
    """Somebody's long transaction holds the counters of many households."""

    name = "lock contention on households"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        async with world.sql(random.choice(("alpha", "beta"))) as connection, connection.transaction():
            await connection.execute("select * from outbox_sequence order by household, channel limit 30 for update")
            await asyncio.sleep(random.uniform(2, 5))


class FromTheFuture(Fault):
    """alpha's next version speaks first: unknown types and majors wait with their households until the units that know them start."""

    name = "schema from the future, released later"
    weight = 1
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        speaker = world.hire("writer", "alpha", f"writer-future-{world.counts['futures']}", FAULTS_RATE="15", FAULTS_FUTURE="1")
        world.counts["futures"] += 1
        for unit in ("beta", "gamma"):
            await self._held(world, unit)
        await world.crew.stop(speaker)
        for actor in world.crew.of("worker"):
            actor.env["FAULTS_FUTURE"] = "1"
            await world.crew.stop(actor)
            world.crew.start(actor)
        await self._let_go(world)

    async def _held(self, world: World, unit: str) -> None:
        if any(actor.env.get("FAULTS_FUTURE") for actor in world.crew.of("worker", unit)):
            return  # an earlier time has released it already
        for _ in range(600):
            if await world.rows(unit, "select 1 from held_event where reason = 'unknown_type' limit 1"):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{unit} held nothing of an unknown type")

    async def _let_go(self, world: World) -> None:
        for _ in range(600):
            waiting = [await world.rows(unit, "select 1 from consumer_subject where state <> 'ok' limit 1") for unit in ("beta", "gamma")]
            if not any(waiting):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("what waited for its version was not released when that version started")


CONTENT = (Copies, Late, Nonsense, Poison, Glitches, SlowDatabase, LockedRows, FromTheFuture)
