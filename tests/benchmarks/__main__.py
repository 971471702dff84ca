"""`python -m tests.benchmarks [--write] [part …]`: measure on this machine, in one run; `PARTS` below names the parts."""

import argparse
import asyncio
import os
import signal
import sys
from datetime import UTC, datetime

from tests.benchmarks import backbone, candidates, counters, figures, growth, main_job, one_box, rights
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
        "4. The backbone: the same job in five ways",
        "POST → row and event committed → published → consumed once into another database. One uvicorn with FastAPI and one consumer process each, "
        "32 clients on loopback, fresh servers for every contender (`contenders/` says what each does and leaves out). Ours: household lock, "
        "sequence, envelope, trace context, leases, fenced positions; with one commit a request, and with shared commits (`db.together`).",
    ),
    "counters": (
        "5. What is counted",
        "Statements at SQLAlchemy, fsyncs by PostgreSQL's own statistics, bytes as stored. These come out the same on every machine.",
    ),
    "growth": (
        "6. Growth, relay and consumer alone",
        "One process with both units. The outbox is filled by SQL in the shape that the code itself writes, one household an event; the relay "
        "carries it into the stream, the consumer rebuilds from the stream with a handler that only counts. `--whole` goes on to 10^6.",
    ),
    "rights": (
        "7. What a right costs",
        "The policies of `shared/runtime/policies` by Cedar in this process; the snapshot that each request takes, on a desk's database.",
    ),
}


def _measure(sections: dict[str, Section], whole: bool) -> None:
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
    if "counters" in sections:
        counters.measure(begin("counters"))
    if "growth" in sections:
        growth.measure(begin("growth"), whole=whole)
    if "rights" in sections:
        rights.measure(begin("rights"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="性能を測る / measure")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{' '.join(PARTS)}（省けば全部 / all）")
    parser.add_argument("--write", action="store_true", help="RESULTS.md に書く / write RESULTS.md")
    parser.add_argument("--whole", action="store_true", help="growth まで 10^6 件 / growth up to 10^6 events")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped and thrown away
    began, load = datetime.now(UTC), os.getloadavg()[0]
    print(f"{figures.machine()}; load {load:.2f}")
    sections = {part: Section(*told) for part, told in PARTS.items() if part in (given.parts or PARTS)}
    _measure(sections, given.whole)
    if given.write:
        figures.write(
            list(sections.values()),
            " ".join(["python -m tests.benchmarks", *given.parts, *(["--whole"] if given.whole else []), "--write"]),
            began,
            load,
        )
    broken = [what for section in sections.values() for what in section.broken]
    print(*(f"✗ {what}" for what in broken), sep="\n", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
