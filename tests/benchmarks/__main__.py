"""`python -m tests.benchmarks [--write] [part …]`: measure on this machine, in one run. Parts: box job candidates backbone (all)."""

import argparse
import asyncio
import os
import signal
import sys
from datetime import UTC, datetime

from tests.benchmarks import backbone, candidates, figures, main_job, one_box
from tests.benchmarks.figures import Section

PARTS = {
    "box": ("1. The one box", "A fresh `TSUNAGARI_HOME` on free ports; packages and front-end assets are installed already."),
    "job": (
        "2. The main job",
        "`POST /intake/new` of an 8050 consultation (two people, three desks) through the gateway of that box while the center's inbox is open on "
        "its stream of server-sent events. Statements are counted at SQLAlchemy, in an intake of our own on the same database.",
    ),
    "candidates": (
        "3. Candidates over the whole city",
        "`deploy.city people` into `services.intake.load_register` while only intake runs, then one search after the other through the gateway; then "
        "the other units are started and hear of everybody.",
    ),
    "backbone": (
        "4. The backbone",
        "Two processes, two databases, PostgreSQL and NATS of their own (the box is down). Ours: `tx.publish` → relay → consumer → a handler that "
        "writes one row; household lock, sequence and position on. Raw: asyncpg and nats-py alone (`pipeline.py` says what it leaves out). "
        "FastStream with faststream-outbox joins as a peer in the next issue.",
    ),
}


def _measure(sections: dict[str, Section]) -> None:
    def begin(part: str) -> Section:
        print(f"\n{sections[part].title}", flush=True)
        return sections[part]

    if sections.keys() & {"box", "job", "candidates"}:
        with one_box.fresh_box() as box:
            of_the_box = begin("box") if "box" in sections else Section(*PARTS["box"])
            one_box.start(box, of_the_box)
            if "job" in sections:
                asyncio.run(main_job.measure(box, begin("job")))
            if "candidates" in sections:
                asyncio.run(candidates.measure(box, begin("candidates")))
            one_box.weigh(box, of_the_box, "after all the work of this run")
    if "backbone" in sections:
        backbone.measure(begin("backbone"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="性能を測る / measure")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{' '.join(PARTS)}（省けば全部 / all）")
    parser.add_argument("--write", action="store_true", help="RESULTS.md に書く / write RESULTS.md")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped and thrown away
    began, load = datetime.now(UTC), os.getloadavg()[0]
    print(f"{figures.machine()}; load {load:.2f}")
    sections = {part: Section(*told) for part, told in PARTS.items() if part in (given.parts or PARTS)}
    _measure(sections)
    if given.write:
        figures.write(list(sections.values()), " ".join(["python -m tests.benchmarks", *given.parts, "--write"]), began, load)
    broken = [what for section in sections.values() for what in section.broken]
    print(*(f"✗ {what}" for what in broken), sep="\n", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
