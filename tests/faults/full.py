"""Disks that are full to the last byte, and get room again."""

import asyncio
from pathlib import Path
from random import Random

from tests.faults.fault import Fault
from tests.faults.world import World, start_again


class NatsDiskFull(Fault):
    """nats-server freezes a stream that it could not write and needs a restart after there is room again; the operator gives it one."""

    name = "disk full: NATS"
    needs = frozenset({"tmpfs"})
    weight = 2
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        disk, node = world.nats_disks[0], world.brokers.nodes[0]
        disk.fill()
        await _hit(node.log)
        await asyncio.sleep(random.uniform(1, 4))
        disk.free()
        await asyncio.to_thread(node.stop)
        await world.brokers.again(node)


class PostgresDiskFull(Fault):
    """PostgreSQL cannot write its log and stops; every unit waits."""

    name = "disk full: PostgreSQL"
    needs = frozenset({"tmpfs"})
    weight = 2
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        assert world.disk_of_postgres is not None
        world.disk_of_postgres.fill()
        await _hit(world.postgres.log)
        await asyncio.sleep(random.uniform(1, 4))
        world.disk_of_postgres.free()
        assert world.postgres.process is not None
        if world.postgres.process.poll() is not None:
            await start_again(world.postgres)


async def _hit(log: Path, patience: float = 60.0) -> None:
    """Somebody wanted to write and could not. Raises AssertionError: a full disk that nobody noticed shows nothing."""
    before = log.read_text(errors="replace").lower().count("no space left")
    for _ in range(int(patience * 10)):
        if log.read_text(errors="replace").lower().count("no space left") > before:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the full disk was not noticed in {log.name}")


FULL = (NatsDiskFull, PostgresDiskFull)
