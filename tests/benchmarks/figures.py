"""What was measured, beside what was promised; and how it is shown and written down."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).with_name("RESULTS.md")
ABOUT = """\
Written by `{command}`; do not edit. One machine, one run: whole real processes on loopback that share the cores with the clients who measure them,
durable settings (PostgreSQL `fsync` on, NATS `sync_interval: always`). Wall-clock moves with the machine and is only printed; what is **gated** is
counted, the same on every machine, and fails the command. Targets: the issue, and P1–P11 of the limits reference.
"""


def percentile(values: Iterable[float], share: float) -> float:
    """Nearest rank; not a number when nothing was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def milliseconds(values: Sequence[float], *shares: float) -> str:
    """`p50 / p99` of seconds."""
    return " / ".join(f"{percentile(values, share) * 1000:.1f}" for share in shares or (0.5, 0.99)) + " ms"


@dataclass(frozen=True, slots=True)
class Figure:
    what: str
    measured: str
    target: str = ""
    holds: bool | None = None
    #: a counted figure that must hold; wall-clock never is
    gated: bool = False

    @property
    def verdict(self) -> str:
        return "" if self.holds is None else ("yes" if self.holds else "**NO**") + (" (gated)" if self.gated else "")

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return self.what, self.measured, self.target, self.verdict


@dataclass
class Section:
    title: str
    how: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, what: str, measured: str, target: str = "", holds: bool | None = None, *, gated: bool = False) -> None:
        self.figures.append(Figure(what, measured, target, holds, gated))
        print("    " + "   ".join(cell for cell in self.figures[-1].cells if cell), flush=True)

    def markdown(self) -> str:
        lines = ["| measure | measured | target | holds |", "|---|---|---|---|", *(f"| {' | '.join(one.cells)} |" for one in self.figures)]
        return "\n".join([f"## {self.title}", "", self.how, "", *lines, ""])


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    memory = psutil.virtual_memory().total / 1024**3
    versions = f"{platform.platform(terse=True)}, Python {platform.python_version()}"
    return f"{psutil.cpu_count()} cores ({model}), {memory:.0f} GiB, {versions}"


def write(sections: Sequence[Section], command: str, began: datetime, load: float) -> None:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=RESULTS.parent, capture_output=True, text=True, check=False).stdout.strip()
    minutes = (datetime.now(UTC) - began).total_seconds() / 60
    head = ["# What we measured", "", ABOUT.format(command=command), f"- machine: {machine()}", f"- began {began:%Y-%m-%d %H:%M} UTC, took {minutes:.1f} minutes"]
    head += [f"- load average of the machine before it began: {load:.2f}", f"- code: {commit or 'not in git'}", ""]
    RESULTS.write_text("\n".join(head + [section.markdown() for section in sections]), encoding="utf-8")
