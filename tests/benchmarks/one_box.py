"""The one box: how long `up` takes when nothing or everything is there, what it weighs, what it uses while nobody works."""

import os
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

SERVERS = {"postgres", "nats", "issuer", "gateway"}
OURS = {"DATABASE_URL", "NATS_URL", "TSUNAGARI_HOUSEHOLDS"}


@contextmanager
def fresh_box() -> Iterator[Box]:
    """A folder of its own on a free port; stopped and thrown away afterwards."""
    home, port = Path(tempfile.mkdtemp(prefix="tsunagari-bench-")), free_port()
    home.chmod(0o755)
    given = {key: value for key, value in os.environ.items() if key not in OURS}
    box = Box(home, port, {**given, "TSUNAGARI_HOME": str(home), "PORT": str(port)})
    try:
        yield box
    finally:
        box.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def _timed(box: Box, word: str) -> tuple[float, str]:
    """Seconds, and the steps that took over a second."""
    began = time.perf_counter()
    done = box.run(word, check=False)
    if done.returncode:
        raise RuntimeError(f"`{word}` of the one box failed\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    steps = re.findall(r"✓ (?:.* / )?(.*?) (\d+)\.\d s", done.stdout)
    return time.perf_counter() - began, ", ".join(f"{step} {seconds} s" for step, seconds in steps)


def start(box: Box, section: Section) -> None:
    cold, steps = _timed(box, "up")
    section.add("cold `up`: empty home, packages installed, 300 households", f"{cold:.1f} s ({steps})", "≤ 300 s (P10, with installing)", cold <= 300)
    section.add("`down`", f"{_timed(box, 'down')[0]:.1f} s")
    warm, steps = _timed(box, "up")
    section.add("warm `up`: everything there, nothing running", f"{warm:.1f} s ({steps})", "≤ 20 s (P10)", warm <= 20)
    _idle(box, section)


def weigh(box: Box, section: Section, when: str) -> None:
    report = box.status()
    units = sum(one["rss_mb"] for one in report["programs"] if one["name"] not in SERVERS)
    what = f"memory {when} (PSS): all units / with the servers and the gateway"
    section.add(what, f"{units:,.0f} / {report['rss_mb']:,.0f} MB", "≤ 2,560 MB (P10)", units <= 2560)


def _idle(box: Box, section: Section) -> None:
    time.sleep(5)  # what a start leaves to do
    clock = Processors(box)
    time.sleep(8)
    section.add("processor of the box while nobody works, % of one core", clock.told())


class Processors:
    """Who of the box uses the processors, from now on."""

    def __init__(self, box: Box) -> None:
        self._programs = {one["name"]: psutil.Process(one["pid"]) for one in box.status()["programs"]}
        self._before = {name: cpu_seconds(one) for name, one in self._programs.items()}
        self._began = time.perf_counter()

    def told(self) -> str:
        """Percent of one core: all together, then those who use most."""
        seconds = time.perf_counter() - self._began
        used = {name: (cpu_seconds(one) - self._before[name]) / seconds * 100 for name, one in self._programs.items()}
        most = ", ".join(f"{name} {share:.0f}" for name, share in sorted(used.items(), key=lambda item: -item[1])[:6])
        return f"{sum(used.values()):.0f} % ({most}, …)"


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its living children (PostgreSQL's connections)."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
