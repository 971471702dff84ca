"""The one box: how long `make up` takes when nothing or everything is there, and what it weighs."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.onebox.ports import free_port
from tests.benchmarks.figures import Section
from tests.conftest import Box

#: P10 and the issue
COLD, WARM, RESIDENT_MB = 300.0, 20.0, 2560.0
SERVERS = {"postgres", "nats", "issuer", "gateway"}


def _up(box: Box) -> tuple[float, list[tuple[str, float]]]:
    """Seconds, and the steps that took over a second."""
    began = time.perf_counter()
    done = box.run("up", check=False)
    if done.returncode:
        raise RuntimeError(f"the one box did not come up\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    steps = re.findall(r"✓ (?:.* / )?(.*?) (\d+\.\d) s", done.stdout)
    return time.perf_counter() - began, [(step, float(seconds)) for step, seconds in steps]


@contextmanager
def fresh_box(environment: dict[str, str]) -> Iterator[Box]:
    """A box in a folder of its own on free ports; stopped and thrown away afterwards."""
    home, port = Path(tempfile.mkdtemp(prefix="tsunagari-bench-")), free_port()
    home.chmod(0o755)
    given = {key: value for key, value in environment.items() if key not in {"DATABASE_URL", "NATS_URL", "TSUNAGARI_HOUSEHOLDS"}}
    box = Box(home, port, {**given, "TSUNAGARI_HOME": str(home), "PORT": str(port)})
    try:
        yield box
    finally:
        box.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def start(box: Box, section: Section) -> None:
    cold, steps = _up(box)
    slowest = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in steps)
    section.add("cold `up`: empty home, packages there, 300 households loaded", f"{cold:.1f} s ({slowest})", "≤ 300 s with installing", cold <= COLD)
    began = time.perf_counter()
    box.run("down")
    section.add("`down`", f"{time.perf_counter() - began:.1f} s")
    warm, _ = _up(box)
    section.add("warm `up`: everything there, nothing running", f"{warm:.1f} s", "≤ 20 s", warm <= WARM)


def weigh(box: Box, section: Section, when: str) -> None:
    report = box.status()
    units = sum(one["rss_mb"] for one in report["programs"] if one["name"] not in SERVERS)
    section.add(f"resident memory {when}: all units / with servers and gateway (PSS)", f"{units:.0f} / {report['rss_mb']:.0f} MB", "≤ 2,560 MB", units <= RESIDENT_MB)


def idle(box: Box, section: Section, seconds: float = 5.0) -> None:
    """What the box uses while nobody does anything."""
    processes = {one["name"]: psutil.Process(one["pid"]) for one in box.status()["programs"]}
    before = {name: cpu_seconds(one) for name, one in processes.items()}
    time.sleep(seconds)
    used = {name: (cpu_seconds(one) - before[name]) / seconds * 100 for name, one in processes.items()}
    most = ", ".join(f"{name} {share:.1f}" for name, share in sorted(used.items(), key=lambda item: -item[1])[:4])
    section.add("processor of the idle box, % of one core", f"{sum(used.values()):.0f} % ({most}, …)")


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its living children (PostgreSQL's connections)."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total
