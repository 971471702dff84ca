"""The actors of a world: started, watched, started again when they die, as systemd would."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.onebox import process

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """A process with everything imported, of one version of the code (`tree`)."""

    def __init__(self, log: Path, tree: Path = ROOT) -> None:
        self._log, self._tree = log, tree
        self._process: subprocess.Popen[str] | None = None
        self._awake = False

    def fork(self, argv: list[str], env: dict[str, str], log: Path) -> int:
        nursery = self._ready()
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        nursery.stdin.write(json.dumps({"argv": argv, "env": env, "log": str(log)}) + "\n")
        nursery.stdin.flush()
        return int(nursery.stdout.readline())

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self._tree), "PYTHONUTF8": "1"}

    def run(self, module: str, *words: str) -> None:
        """Another program of the same version, to its end. Raises CalledProcessError."""
        subprocess.run([sys.executable, "-m", module, *words], cwd=self._tree, env=self._env, check=True, capture_output=True)

    def wake(self) -> None:
        """Begins to import; the first order waits until that is done."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery"],
                cwd=self._tree, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def _ready(self) -> subprocess.Popen[str]:
        if self._process is None:
            self.wake()
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._awake and self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the nursery did not start\n{process.tail(self._log)}")
        self._awake = True
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()  # end of its orders
            self._process = None


@dataclass
class Actor:
    role: str
    unit: str
    name: str
    env: dict[str, str]
    nursery: Nursery
    pid: int = 0
    #: not started again: it is stopped on purpose
    resting: bool = False

    @property
    def alive(self) -> bool:
        return self.pid > 0 and Path(f"/proc/{self.pid}").exists()

    def send(self, sign: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, sign)


@dataclass
class Crew:
    home: Path
    actors: dict[str, Actor] = field(default_factory=dict)
    deaths: int = 0

    def add(self, actor: Actor) -> Actor:
        self.actors[actor.name] = actor
        self.start(actor)
        return actor

    def start(self, actor: Actor, **once: str) -> None:
        """`once`: environment of this life only."""
        env = {**actor.env, "FAULTS_HOME": str(self.home), **once}
        actor.pid = actor.nursery.fork([actor.role, actor.unit, actor.name], env, self.home / "logs" / f"{actor.name}.log")
        actor.resting = False

    def of(self, role: str, unit: str | None = None) -> list[Actor]:
        return [actor for actor in self.actors.values() if actor.role == role and unit in (None, actor.unit) and not actor.resting]

    async def watch(self) -> None:
        """For ever: the dead are started again after a moment."""
        while True:
            await asyncio.sleep(0.2)
            for actor in list(self.actors.values()):
                if not actor.alive and not actor.resting:
                    self.deaths += 1
                    self.start(actor)

    async def buried(self, actor: Actor) -> None:
        """After a kill: the process is gone, and `watch` does not start it before we do."""
        actor.resting = True
        await gone(actor, 5)

    async def stop(self, actor: Actor, patience: float = 30.0) -> None:
        """Asked, then made to. Raises nothing: one that does not listen is killed and counted as a death."""
        actor.resting = True
        actor.send(signal.SIGTERM)
        if not await gone(actor, patience):
            self.deaths += 1
            actor.send(signal.SIGKILL)
            await gone(actor, 5)

    async def stop_all(self, role: str | None = None) -> None:
        await asyncio.gather(*(self.stop(actor) for actor in self.actors.values() if role in (None, actor.role) and actor.alive))


async def gone(actor: Actor, patience: float) -> bool:
    deadline = asyncio.get_running_loop().time() + patience
    while actor.alive and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    return not actor.alive
