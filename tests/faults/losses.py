"""The broker loses what it had acknowledged: its tail, a message in the middle, the whole stream. And it refuses: full, no credential."""

import asyncio
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

from nats.aio.client import Client

from tests.faults import operator
from tests.faults.fault import Fault
from tests.faults.world import World


class TailLost(Fault):
    """Every node comes back with the files of a few seconds ago, as after a power cut with a lying disk."""

    name = "stream tail lost (older store_dir)"
    weight = 2
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        copies = [store.with_name("older") for store in world.brokers.stores]
        await self._copy(world, copies)
        await asyncio.sleep(random.uniform(2, 4))
        world.brokers.kill()
        for store, copy in zip(world.brokers.stores, copies, strict=True):
            await asyncio.to_thread(_replace, store, copy)
        world.expect.alarms.add(("alpha", "stream_lost"))
        await world.brokers.start()

    async def _copy(self, world: World, copies: list[Path]) -> None:
        """All nodes stand still while they are copied: one moment of the whole broker."""
        for node in world.brokers.nodes:
            node.pause()
        for store, copy in zip(world.brokers.stores, copies, strict=True):
            shutil.rmtree(copy, ignore_errors=True)
            await asyncio.to_thread(shutil.copytree, store, copy)
        for node in world.brokers.nodes:
            node.resume()


def _replace(store: Path, copy: Path) -> None:
    """Inside the folder: it may be a disk of its own."""
    for entry in store.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(copy, store, dirs_exist_ok=True)
    shutil.rmtree(copy)


class StreamDeleted(Fault):
    """Somebody deletes the stream; the operator provisions it again. What was in it comes again from the outbox."""

    name = "stream deleted, provisioned again"
    weight = 2
    patience = 120.0

    def __init__(self, unit: str | None = None) -> None:
        self.unit = unit

    async def apply(self, world: World, random: Random) -> None:
        unit = self.unit or random.choice(("alpha", "beta"))
        async with world.admin() as client:
            await client.jetstream().delete_stream(f"EVT_{unit.upper()}")
        await asyncio.sleep(random.uniform(0, 2))
        await world.provision()
        world.expect.alarms.add((unit, "stream_lost"))


class HoleInTheMiddle(Fault):
    """Messages deleted one by one; gamma has not seen them. The gap is asked for, the audit finds the rest."""

    name = "hole in the middle (STREAM.MSG.DELETE)"
    weight = 2
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        resting = world.crew.of("worker", "gamma")
        for actor in resting:
            await world.crew.stop(actor)
        await asyncio.sleep(1.0)
        await self._delete(world, random)
        for actor in resting:
            world.crew.start(actor)
        world.expect.alarms.add(("alpha", "audit_found|repair_asked"))  # whoever comes first mends it, and the other finds nothing
        await asyncio.sleep(12)  # what was stored in the last ten seconds is not yet audited
        await operator.audit(world, "alpha")

    async def _delete(self, world: World, random: Random) -> None:
        async with world.admin() as client:
            state = (await client.jetstream().stream_info("EVT_ALPHA")).state
            newest = range(max(state.first_seq, state.last_seq - 40), state.last_seq + 1)
            for sequence in random.sample(newest, min(6, len(newest))):
                await api(client, "STREAM.MSG.DELETE.EVT_ALPHA", {"seq": sequence})


class StreamFull(Fault):
    """`max_bytes` is reached: the relay is told, waits, and goes on without a restart when there is room."""

    name = "stream full (max_bytes)"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        async with world.admin() as client:
            config = (await api(client, "STREAM.INFO.EVT_ALPHA"))["config"]
            used = (await client.jetstream().stream_info("EVT_ALPHA")).state.bytes
            await api(client, "STREAM.UPDATE.EVT_ALPHA", {**config, "max_bytes": max(used, 4096)})
            await operator.until_logged(world, "alpha", "relay_waits state=full")
            await asyncio.sleep(random.uniform(1, 3))
            await api(client, "STREAM.UPDATE.EVT_ALPHA", config)


class CredentialRevoked(Fault):
    """A unit's password changes under it and comes back: loud, nothing lost."""

    name = "credential revoked mid-run"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        unit = random.choice(("alpha", "beta", "gamma"))
        world.brokers.reload(world.accounts({**world.passwords, unit: "another"}))
        await operator.until_logged(world, unit, "no connection to NATS")
        await asyncio.sleep(random.uniform(1, 4))
        world.brokers.reload(world.accounts())


async def api(client: Client, subject: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call of the JetStream API as the examiner. Raises AssertionError with the broker's answer."""
    answer: dict[str, Any] = json.loads((await client.request(f"$JS.API.{subject}", json.dumps(body).encode() if body else b"", timeout=10)).data)
    if error := answer.get("error"):
        raise AssertionError(f"{subject}: {error}")
    return answer


LOSSES = (TailLost, StreamDeleted, HoleInTheMiddle, StreamFull, CredentialRevoked)
