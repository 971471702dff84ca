"""SIGSTOP: the process holds its locks, its connections and its requests, and says nothing."""

import asyncio
import signal
from pathlib import Path
from random import Random

from tests.faults.crew import Actor
from tests.faults.fault import Fault
from tests.faults.world import World


async def freeze(world: World, actor: Actor, seconds: float) -> None:
    actor.send(signal.SIGSTOP)
    world.counts["freezes"] += 1
    await asyncio.sleep(seconds)
    actor.send(signal.SIGCONT)


class FreezeWorker(Fault):
    name = "SIGSTOP worker 2-10 s"
    weight = 9

    async def apply(self, world: World, random: Random) -> None:
        await freeze(world, random.choice(world.crew.of("worker")), random.uniform(2, 10))


class FreezeNats(Fault):
    name = "SIGSTOP nats-server 2-10 s"
    weight = 4

    async def apply(self, world: World, random: Random) -> None:
        node = random.choice(world.brokers.nodes)
        node.pause()
        world.counts["freezes"] += 1
        await asyncio.sleep(random.uniform(2, 10))
        node.resume()


class FreezeInTransaction(Fault):
    """In the middle of a handler: the row locks stay. The database must end it, a successor must lead, the zombie must be fenced."""

    name = "SIGSTOP worker inside a transaction"
    weight = 6

    def __init__(self, longest: float = 10.0) -> None:
        self.longest = longest

    async def apply(self, world: World, random: Random) -> None:
        unit = random.choice(("beta", "gamma"))
        world.controls.wish(linger=unit)
        try:
            actor = await self._caught(world, unit)
        finally:
            world.controls.wish(linger="")
        await freeze(world, actor, random.uniform(2, self.longest))

    async def _caught(self, world: World, unit: str) -> Actor:
        for _ in range(2000):
            for actor in world.crew.of("worker", unit):
                if Path(world.home, "lingering", str(actor.pid)).exists():
                    actor.send(signal.SIGSTOP)
                    return actor
            await asyncio.sleep(0.01)
        raise AssertionError(f"no worker of {unit} stood inside a transaction")


FREEZES = (FreezeWorker, FreezeNats, FreezeInTransaction)
