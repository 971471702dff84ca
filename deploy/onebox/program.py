"""監督者が動かすプログラム一つの仕様と、いまの様子。"""

import hashlib
import json
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import psutil

from deploy.onebox.home import Home, read_json, write_private
from deploy.onebox.osuser import OsUser

# Phases: started together, stopped from the highest to the lowest.
SERVERS, UNITS, DOORS = 0, 1, 2


@dataclass(frozen=True)
class Program:
    """何を、どの環境で、誰として動かし、どう止め、どこで準備完了を聞くか。

    値が変われば再起動される。`reload` だけが変わったときは、止めずに `reload_signal` を送って読み直させる。
    """

    name: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    phase: int
    ready: str = ""  # "http://…" (200 when ready) or "postmaster:<data folder>"
    user: OsUser | None = None
    stop_signal: int = int(signal.SIGTERM)
    death_signal: int = int(signal.SIGTERM)
    patience: float = 30.0
    fingerprint: str = ""  # of code and configuration files the process has read
    reload: str = ""  # of configuration it reads again when told to
    reload_signal: int = 0

    @property
    def identity(self) -> str:
        """この仕様の印。processes.json に写るので、入れ替えが済んだかが分かる（秘密は読み取れない）。"""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def may_become(self, other: "Program") -> bool:
        """止めずに、合図だけで `other` になれるか。"""
        return bool(self.reload_signal) and replace(self, reload=other.reload) == other

    @classmethod
    def read(cls, value: dict[str, Any]) -> Self:
        return cls(**{**value, "user": OsUser(**value["user"]) if value["user"] else None})


def write_wanted(home: Home, programs: Iterable[Program]) -> None:
    write_private(home.wanted, json.dumps({program.name: asdict(program) for program in programs}, indent=1))


def read_wanted(home: Home) -> dict[str, Program]:
    return {name: Program.read(value) for name, value in read_json(home.wanted).items()}


@dataclass
class Running:
    """processes.json の一行。pid は作成時刻とともに覚え、使い回された pid を他人のプロセスと取り違えない。"""

    name: str
    phase: int
    state: str  # running, waiting (for the next try), stopping, stopped
    pid: int | None = None
    created: float | None = None
    started_at: float | None = None
    restarts: int = 0
    last_exit: int | None = None
    retry_at: float | None = None
    stop_signal: int = int(signal.SIGTERM)
    ready: str = ""
    fingerprint: str = ""  # Program.identity

    def process(self) -> psutil.Process | None:
        """いまも同じプロセスが生きていれば、それ。"""
        if self.pid is None:
            return None
        try:
            process = psutil.Process(self.pid)
            same = self.created is None or abs(process.create_time() - self.created) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def read_running(home: Home) -> list[Running]:
    return [Running(**value) for value in read_json(home.processes).get("programs", [])]


@dataclass
class Leftovers:
    """監督者が突然死んだあとに残ったプロセス。"""

    home: Home
    stopped: list[str] = field(default_factory=list)

    def clear(self, patience: float = 30.0) -> list[str]:
        """段の高い順（入口 → ユニット → サーバー）に止め、名前を返す。"""
        alive = [(one, process) for one in read_running(self.home) if (process := one.process())]
        for phase in sorted({one.phase for one, _ in alive}, reverse=True):
            group = [(one, process) for one, process in alive if one.phase == phase]
            for one, process in group:
                _signal(process, one.stop_signal)
                self.stopped.append(one.name)
            _, deaf = psutil.wait_procs([process for _, process in group], timeout=patience)
            for process in deaf:
                _signal(process, signal.SIGKILL)
            psutil.wait_procs(deaf, timeout=5)
        return self.stopped


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


POSTMASTER = "postmaster:"


def is_ready(probe: str) -> bool:
    """`Program.ready` に聞く。"""
    from deploy.onebox.probe import http_ok, postmaster_ready

    if probe.startswith(POSTMASTER):
        return postmaster_ready(Path(probe.removeprefix(POSTMASTER)))
    return http_ok(probe) if probe else True


def is_leaving(probe: str) -> bool:
    """生きているが、もう新しい人を入れない。ほかのサーバーは、止まれと言われればひとりでに終わる。"""
    from deploy.onebox.probe import postmaster_says

    return probe.startswith(POSTMASTER) and postmaster_says(Path(probe.removeprefix(POSTMASTER))) == "stopping"


def wait_until(done: Any, seconds: float, pause: float = 0.1) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
