"""The backbone: row and event committed here → published → effect committed in another database, once. Ours and the raw limit in one run."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import asyncpg
import nats
import psutil

from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.ports import free_port
from deploy.onebox.postgres import EmbeddedPostgres
from shared.messaging.provision import api_of, apply, desired
from tests.benchmarks import pipeline
from tests.benchmarks.figures import Section, milliseconds, percentile
from tests.benchmarks.one_box import cpu_seconds
from tests.benchmarks.pipeline import CLIENTS
from tests.conftest import Templates
from tests.shared.messaging.town import ALPHA, BETA

SPAWN = get_context("spawn")


@dataclass
class Servers:
    """PostgreSQL and NATS of our own, as durable as the box's."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats

    async def databases(self, kind: str) -> tuple[str, str]:
        """Two fresh databases, for the one who says and the one who hears; streams and consumer made."""
        broker = await nats.connect(self.nats.url)
        if kind == "ours":
            await apply(broker, desired((ALPHA, BETA)))
            templates = Templates(self.postgres)
            names = (await templates.clone(ALPHA))[1], (await templates.clone(BETA))[1]
        else:
            stream = {"name": "RAW", "subjects": ["raw.>"], "storage": "file", "allow_atomic": True}
            consumer = {"name": "bench", "durable_name": "bench", "ack_policy": "all", "max_ack_pending": 1024}
            await api_of(broker)("STREAM.CREATE.RAW", stream)
            await api_of(broker)("CONSUMER.CREATE.RAW.bench", {"stream_name": "RAW", "config": consumer, "action": "create"})
            admin = await asyncpg.connect(self.postgres.dsn())
            await admin.execute("create database raw_say")
            await admin.execute("create database raw_hear")
            await admin.close()
            names = self.postgres.dsn("raw_say"), self.postgres.dsn("raw_hear")
        await broker.close()
        return names


@contextmanager
def _servers() -> Iterator[Servers]:
    home = Path(tempfile.mkdtemp(prefix="tsunagari-bench-"))
    home.chmod(0o755)
    broker = EmbeddedNats(home / "nats", free_port(), free_port())
    servers = Servers(EmbeddedPostgres(home / "postgres", free_port(), secrets.token_urlsafe(16)), broker)
    try:
        servers.postgres.start()
        servers.nats.start()
        yield servers
    finally:
        servers.nats.stop()
        servers.postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class End:
    """A process that says or hears."""

    process: BaseProcess
    pipe: Connection

    @classmethod
    @contextmanager
    def running(cls, *given: str) -> Iterator["End"]:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=pipeline.run, args=(*given, theirs), daemon=True)
        process.start()
        theirs.close()  # so that its end is an EOFError here
        try:
            end = cls(process, ours)
            end.pipe.recv()  # ready
            yield end
        finally:
            process.terminate()
            process.join()

    def ask(self, **command: float) -> Any:
        self.pipe.send(command)
        return self.pipe.recv()


@dataclass
class Pipeline:
    servers: Servers
    say: End
    hear: End
    lost: int = 0

    def phase(self, **command: float) -> tuple[list[float], float, float]:
        """Commit → effect of each event; events per second until the last effect; processor seconds per 1,000 events."""
        before = self._cpu()
        said = self.say.ask(**command)
        heard = self.hear.ask(count=len(said["sent"]))
        waits = [heard[mark] - at for mark, at in said["sent"].items() if mark in heard]
        self.lost += len(said["sent"]) - len(waits)
        return waits, len(waits) / (max(heard.values()) - said["began"]), (self._cpu() - before) / len(waits) * 1000

    def _cpu(self) -> float:
        """Both ends and both servers."""
        pids = [one.process.pid for one in (self.servers.postgres, self.servers.nats, self.say, self.hear) if one.process]
        return sum(cpu_seconds(psutil.Process(pid)) for pid in pids)


@dataclass(frozen=True)
class Measured:
    rate: float
    steady: list[float]
    loaded: list[float]
    cpu: float
    lost: int

    @classmethod
    def of(cls, kind: str, servers: Servers) -> "Measured":
        saying, hearing = asyncio.run(servers.databases(kind))
        with End.running(kind, "hear", hearing, servers.nats.url) as hear, End.running(kind, "say", saying, servers.nats.url) as say:
            job = Pipeline(servers, say, hear)
            job.phase(seconds=2, rate=20)  # leases are taken, statements prepared
            _, rate, _ = job.phase(seconds=10)
            steady, _, _ = job.phase(seconds=10, rate=20)
            loaded, _, cpu = job.phase(seconds=8, rate=0.8 * rate)
            return cls(rate, steady, loaded, cpu, job.lost)


def measure(section: Section) -> None:
    with _servers() as servers:
        ours, raw = Measured.of("ours", servers), Measured.of("raw", servers)
    share, rates = ours.rate / raw.rate, f"{ours.rate:,.0f} / {raw.rate:,.0f} /s"
    section.add(f"sustained events/s, {CLIENTS} clients, one event a transaction: ours / raw", f"{rates} = {share:.0%}", "≥ 50 % (P1)", share >= 0.5)
    good = percentile(ours.steady, 0.5) <= 0.003 and percentile(ours.steady, 0.99) <= 0.015
    section.add("commit → effect at 20/s, p50 / p99: ours", milliseconds(ours.steady), "3 / 15 ms (P2)", good)
    section.add("the same: raw", milliseconds(raw.steady))
    good = percentile(ours.loaded, 0.99) <= 0.06
    section.add(f"commit → effect at 80 % ({0.8 * ours.rate:,.0f}/s), p50 / p99: ours", milliseconds(ours.loaded), "p99 ≤ 60 ms (P2)", good)
    section.add(f"the same at {0.8 * raw.rate:,.0f}/s: raw", milliseconds(raw.loaded))
    section.add("processor seconds per 1,000 events at 80 %: ours / raw", f"{ours.cpu:.2f} / {raw.cpu:.2f} s", "≤ 1.2 s (P3)", ours.cpu <= 1.2)
    section.add("committed events without an effect: ours / raw", f"{ours.lost} / {raw.lost}", "0 / 0", ours.lost == 0, gated=True)
