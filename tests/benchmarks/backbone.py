"""The job side by side, one contender after the other on fresh servers, in one run. Ratios count; the machine moves."""

import asyncio
import os
from dataclasses import dataclass

import psutil

from deploy.onebox.ports import free_port
from tests.benchmarks import ends
from tests.benchmarks.contenders.job import Contender
from tests.benchmarks.contenders.ours import OURS, TOGETHER
from tests.benchmarks.contenders.peers import DUAL_WRITE, OUTBOX_019
from tests.benchmarks.contenders.raw import RAW
from tests.benchmarks.ends import End
from tests.benchmarks.figures import Section, milliseconds, percentile
from tests.benchmarks.one_box import cpu_seconds
from tests.benchmarks.servers import Servers, servers

HEAD = (
    "contender",
    "events/s",
    "201 → effect at 20/s, p50 / p99",
    "at 80 %",
    "CPU s per 1,000 at 80 % (both ends, both servers)",
    "memory of both ends (PSS)",
    "not 201 / no effect / twice",
    "load average before",
)
CONTENDERS = (OUTBOX_019, DUAL_WRITE, RAW, OURS, TOGETHER)


@dataclass
class Phase:
    waits: list[float]
    rate: float
    cpu: float


@dataclass
class Job:
    servers: Servers
    web: End
    hear: End
    door: End
    refused: int = 0
    lost: int = 0
    twice: int = 0

    def phase(self, **command: object) -> Phase:
        """201 → effect of each event; events per second until the last effect; processor seconds per 1,000 events (the clients' not counted)."""
        before = self._cpu()
        said = self.door.ask(**command)
        heard, self.twice = self.hear.ask(count=len(said["answered"]))
        waits = [max(0.0, heard[mark] - at) for mark, at in said["answered"].items() if mark in heard]
        self.refused += said["refused"]
        self.lost += len(said["answered"]) - len(waits)
        if not waits:
            raise RuntimeError(f"nothing was heard of {len(said['answered'])} events; {said['refused']} were not answered with 201")
        return Phase(waits, len(waits) / (max(heard.values()) - said["began"]), (self._cpu() - before) / len(waits) * 1000)

    def _cpu(self) -> float:
        return self.servers.cpu_seconds() + sum(cpu_seconds(psutil.Process(end.process.pid)) for end in (self.web, self.hear))


@dataclass(frozen=True)
class Measured:
    name: str
    rate: float
    steady: list[float]
    loaded: list[float]
    cpu: float
    memory: float
    load: float
    refused: int
    lost: int
    twice: int

    @classmethod
    def of(cls, contender: Contender) -> "Measured":
        load = os.getloadavg()[0]
        with servers() as own:
            saying, hearing = asyncio.run(own.prepare(contender))
            port = free_port()
            with (
                End.running(ends.hear, contender, hearing, own.nats.url) as hear,
                End.running(ends.web, contender, saying, own.nats.url, port) as web,
                End.running(ends.knock, port) as door,
            ):
                job = Job(own, web, hear, door)
                job.phase(seconds=2, rate=20)  # leases are taken, statements prepared
                job.phase(seconds=1)
                rate = job.phase(seconds=6).rate
                steady = job.phase(seconds=6, rate=20).waits
                loaded = job.phase(seconds=6, rate=0.8 * rate)
                memory = web.megabytes + hear.megabytes
                return cls(contender.name, rate, steady, loaded.waits, loaded.cpu, memory, load, job.refused, job.lost, job.twice)

    def cells(self) -> tuple[str, ...]:
        """As HEAD names them."""
        return (
            self.name,
            f"{self.rate:,.0f}",
            milliseconds(self.steady),
            f"{milliseconds(self.loaded)} at {0.8 * self.rate:,.0f}/s",
            f"{self.cpu:.2f}",
            f"{self.memory:.0f} MB",
            f"{self.refused} / {self.lost} / {self.twice}",
            f"{self.load:.1f}",
        )


def measure(section: Section) -> None:
    section.put_beside(*HEAD)
    measured = {}
    for contender in CONTENDERS:
        measured[contender.name] = Measured.of(contender)
        section.put_beside(*measured[contender.name].cells())
    compare(section, measured)


def compare(section: Section, measured: dict[str, Measured]) -> None:
    peer, raw = measured["faststream-outbox"], measured["raw"]
    for ours in (one for name, one in measured.items() if name.startswith("ours")):
        times, share = ours.rate / peer.rate, ours.rate / raw.rate
        section.add(f"{ours.name}: events/s against faststream-outbox", f"{times:.1f} ×", "≥ 8 × (P1)", times >= 8)
        section.add(f"{ours.name}: events/s against the raw limit", f"{share:.0%}", "≥ 50 % (P1)", share >= 0.5)
        good = percentile(ours.steady, 0.5) <= 0.003 and percentile(ours.steady, 0.99) <= 0.015
        section.add(f"{ours.name}: 201 → effect at 20/s, p50 / p99", milliseconds(ours.steady), "3 / 15 ms (P2)", good)
        section.add(f"{ours.name}: the same at 80 %", milliseconds(ours.loaded), "p99 ≤ 60 ms (P2)", percentile(ours.loaded, 0.99) <= 0.06)
        section.add(f"{ours.name}: CPU s per 1,000 events at 80 %", f"{ours.cpu:.2f} s", "≤ 1.2 s (P3)", ours.cpu <= 1.2)
        counts = (ours.refused, ours.lost, ours.twice)
        what = f"{ours.name}: not answered with 201 / 201 without an effect / effects twice"
        section.add(what, " / ".join(map(str, counts)), "0 / 0 / 0", counts == (0, 0, 0), gated=True)
