"""kill -9 of everything that has a process id."""

import asyncio
import signal
from random import Random

import psutil

from tests.faults.crew import Actor
from tests.faults.deaths import PLACES
from tests.faults.fault import Fault
from tests.faults.world import World, start_again


def kill(world: World, actor: Actor) -> None:
    """One that is dead already is not counted."""
    world.counts["kills"] += actor.alive
    actor.send(signal.SIGKILL)


class KillWorker(Fault):
    """Often the leader: of two workers of a unit one is drawn."""

    name = "kill -9 worker"
    weight = 14

    async def apply(self, world: World, random: Random) -> None:
        kill(world, random.choice(world.crew.of("worker")))


class KillBothWorkers(Fault):
    name = "kill -9 both workers of a unit"

    async def apply(self, world: World, random: Random) -> None:
        for actor in world.crew.of("worker", random.choice(("alpha", "beta", "gamma"))):
            kill(world, actor)


class KillWriter(Fault):
    name = "kill -9 writer"
    weight = 6

    async def apply(self, world: World, random: Random) -> None:
        kill(world, random.choice(world.crew.of("writer")))


class KillAtAPlace(Fault):
    """A process that dies by itself between two promises: deaths.PLACES."""

    name = "kill -9 at a chosen await"
    weight = 10

    def __init__(self, place: str | None = None) -> None:
        self.place = place

    async def apply(self, world: World, random: Random) -> None:
        place = self.place or random.choice(sorted(PLACES))
        if place.startswith("writer"):
            chosen = world.crew.of("writer")[:1]
        else:
            chosen = world.crew.of("worker", random.choice(("alpha", "beta") if place.startswith("relay") else ("beta", "gamma")))
        for actor in chosen:  # both workers: whoever leads reaches the place
            kill(world, actor)
            await world.crew.buried(actor)
            world.crew.start(actor, FAULTS_DIE=place)
        await self._one_died(world, chosen, place)

    async def _one_died(self, world: World, chosen: list[Actor], place: str) -> None:
        first = {actor.name: actor.pid for actor in chosen}
        for _ in range(300):
            if died := [actor for actor in chosen if actor.pid != first[actor.name] or not actor.alive]:
                world.counts["kills"] += len(died)
                world.places[place] += 1
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody reached the place {place!r}")


class KillNats(Fault):
    name = "kill -9 nats-server"
    weight = 8

    async def apply(self, world: World, random: Random) -> None:
        node = random.choice(world.brokers.nodes)
        node.kill()
        world.counts["kills"] += 1
        await asyncio.sleep(random.uniform(0, 1.5))
        await world.brokers.again(node)


class KillPostmaster(Fault):
    name = "kill -9 postmaster"
    weight = 3

    async def apply(self, world: World, random: Random) -> None:
        assert world.postgres.process is not None
        world.postgres.process.kill()
        world.postgres.process.wait()
        world.counts["kills"] += 1
        await asyncio.sleep(random.uniform(0, 1))
        await start_again(world.postgres)


class KillBackend(Fault):
    """The postmaster then restarts all of them: crash recovery."""

    name = "kill -9 one PostgreSQL backend"
    weight = 4

    async def apply(self, world: World, random: Random) -> None:
        assert world.postgres.process is not None
        backends = [pid for pid in await _backends(world) if psutil.pid_exists(pid)]
        psutil.Process(random.choice(backends)).kill()
        world.counts["kills"] += 1


class TerminateBackends(Fault):
    name = "pg_terminate_backend"
    weight = 6

    async def apply(self, world: World, random: Random) -> None:
        for pid in random.sample(found := await _backends(world), min(3, len(found))):
            async with world.sql() as connection:
                await connection.execute("select pg_terminate_backend($1)", pid)


async def _backends(world: World) -> list[int]:
    async with world.sql() as connection:
        rows = await connection.fetch("select pid from pg_stat_activity where datname in ('alpha', 'beta', 'gamma')")
    return [row["pid"] for row in rows]


class KillStorm(Fault):
    """One kill after the other, before anything has recovered from the last."""

    name = "storm of kill -9"
    weight = 14
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        for _ in range(8):
            kind = random.choices((KillWorker, KillWriter, KillNats, KillBackend), (6, 2, 2, 1))[0]
            await kind().apply(world, random)
            await asyncio.sleep(random.uniform(0.3, 1.5))


class RollingRestart(Fault):
    """Every worker in turn, politely, then the broker."""

    name = "rolling restart"
    weight = 2

    async def apply(self, world: World, random: Random) -> None:
        for actor in world.crew.of("worker"):
            await world.crew.stop(actor)
            world.crew.start(actor)
        for node in world.brokers.nodes:
            await asyncio.to_thread(node.stop)
            await world.brokers.again(node)


KILLS: tuple[type[Fault], ...] = (
    KillWorker, KillBothWorkers, KillWriter, KillAtAPlace, KillNats, KillPostmaster, KillBackend, KillStorm, TerminateBackends, RollingRestart,
)  # fmt: skip
