"""What was measured, beside what was promised; shown and written down."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).with_name("RESULTS.md")
ABOUT = """\
Written by `{command}`; do not edit. One machine, one run: whole real processes on loopback that share the cores with the clients who measure
them; durable settings (PostgreSQL `fsync` on, NATS `sync_interval: always`). Wall-clock moves with the machine and is only printed. What is
**gated** is counted, comes out the same on every machine, and fails the command. Targets: the issue, and P1–P11 of the limits reference.
"""


def percentile(values: Iterable[float], share: float) -> float:
    """Nearest rank; not a number when nothing was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def milliseconds(values: Sequence[float], *shares: float) -> str:
    """Seconds as "p50 / p99 ms"."""
    return " / ".join(f"{percentile(values, share) * 1000:.1f}" for share in shares or (0.5, 0.99)) + " ms"


@dataclass
class Section:
    title: str
    how: str
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    #: contenders side by side: the first row is the head
    beside: list[tuple[str, ...]] = field(default_factory=list)

    def put_beside(self, *cells: str) -> None:
        self.beside.append(cells)
        print("    " + "   ".join(cells), flush=True)

    def add(self, what: str, measured: str, target: str = "", holds: bool | None = None, *, gated: bool = False) -> None:
        """`gated`: a counted figure that must hold; wall-clock never is."""
        verdict = "" if holds is None else ("yes" if holds else "**NO**") + (" (gated)" if gated else "")
        self.rows.append((what, measured, target, verdict))
        self.broken += [what] if gated and not holds else []
        print("    " + "   ".join(cell for cell in self.rows[-1] if cell), flush=True)

    def markdown(self) -> str:
        beside = [f"| {' | '.join(row)} |" for row in self.beside]
        beside[1:1] = [f"|{'---|' * len(self.beside[0])}"] if beside else []
        table = ["| measure | measured | target | holds |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in self.rows)]
        return "\n".join([f"## {self.title}", "", self.how, "", *beside, *([""] if beside else []), *table, ""])


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    memory = psutil.virtual_memory().total / 1024**3
    return f"{psutil.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.platform(terse=True)}, Python {platform.python_version()}"


def write(sections: Sequence[Section], command: str, began: datetime, load: float) -> None:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    minutes = (datetime.now(UTC) - began).total_seconds() / 60
    facts = [
        machine(),
        f"began {began:%Y-%m-%d %H:%M} UTC at load average {load:.2f} (of others), took {minutes:.1f} minutes",
        f"code {told.stdout.strip()}",
    ]
    missed = [
        f"- {section.title}: {what}: {told} (target {target})" for section in sections for what, told, target, holds in section.rows if "NO" in holds
    ]
    found = ["## Not reached", "", *(missed or ["Nothing: every target of this run holds."]), ""]
    head = ["# What we measured", "", ABOUT.format(command=command), *(f"- {fact}" for fact in facts), ""]
    RESULTS.write_text("\n".join(head + found + [section.markdown() for section in sections]), encoding="utf-8")
