"""A rolling upgrade from an earlier version of the code: its workers run on the new tables while they are replaced one by one."""

import asyncio
import shutil
import subprocess
from pathlib import Path
from random import Random

from shared.runtime.migrate import upgrade
from tests.faults.crew import ROOT, Nursery
from tests.faults.fault import Fault
from tests.faults.town import UNITS
from tests.faults.world import World

#: the last commit whose messaging tables are messaging_0001
BEFORE = "2ec264b"


class NoHistory(RuntimeError):
    """The earlier version cannot be had from this checkout; the text says what to do."""


def tree_of(version: str, folder: Path) -> Path:
    """The whole tree of that version, with today's fault suite on it."""
    there = subprocess.run(["git", "archive", version], cwd=ROOT, capture_output=True)
    if there.returncode:
        raise NoHistory(f"版 {version} が履歴にありません: git fetch --unshallow / the earlier version is not in this checkout's history.")
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=there.stdout, check=True)
    shutil.rmtree(folder / "tests" / "faults", ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "faults", folder / "tests" / "faults", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class OlderWorld(World):
    """Begins with tables and processes of the version before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tree = tree_of(BEFORE, self.home / "before")
        self.nursery = Nursery(self.home / "logs" / "nursery-before.log", self.tree)

    async def migrate(self, unit: str) -> None:
        await asyncio.to_thread(self.nursery.run, "tests.faults.migrate", self.database_url(unit), unit)


class RollingUpgrade(Fault):
    """The migration first, under running workers; then one process after the other."""

    name = "rolling upgrade with mixed versions"
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        for unit in UNITS:
            await upgrade(world.database_url(unit.code), unit)
            await asyncio.sleep(random.uniform(1, 2))
        await world.provision()
        new = Nursery(world.home / "logs" / "nursery.log")
        new.wake()
        for actor in [*world.crew.of("worker"), *world.crew.of("writer")]:
            await world.crew.stop(actor)
            actor.nursery = new
            world.crew.start(actor)
            await asyncio.sleep(random.uniform(0.5, 1.5))
        world.nursery.close()
        world.nursery = new
