"""`make faults MINUTES=… SEED=… [NODES=3]`: a long random run, a table, and how to have the same again."""

import argparse
import asyncio
import json
import logging
import secrets
import shlex
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from random import Random

from tests.faults.catalogue import offered, possible
from tests.faults.report import table
from tests.faults.run import Result, endure
from tests.faults.world import NotQuiet, World

#: megabytes of the small disks: enough for a long run, and memory only as far as they are used
DISK = 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description="障害を起こしながら動かし、約束が守られたかを調べる / break things, then judge")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--rate", type=float, default=60.0, help="出来事／秒 / events a second, beta's answers not counted")
    parser.add_argument("--only", action="append", default=[], help="この障害だけ / only this fault (repeatable)")
    parser.add_argument("--once", action="store_true", help="それぞれ一度ずつ / each of them once, in order")
    parser.add_argument("--list", action="store_true", help="障害の一覧 / list the faults")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def _run(given: argparse.Namespace, home: Path, seed: int) -> Result:
    have = offered(given.nodes)
    chosen = [fault for fault in possible(have) if not given.only or fault.name in given.only]
    if missing := sorted(set(given.only) - {fault.name for fault in chosen}):
        raise AssertionError(f"この機械ではできないか、知らない障害です / unknown, or not possible on this machine: {', '.join(missing)}")
    needed = {need for fault in chosen for need in fault.needs}
    world = World(
        home, seed=seed, rate=given.rate, nodes=given.nodes, apart="netns" in needed,
        nats_disk=DISK if "tmpfs" in needed else 0, postgres_disk=2 * DISK if "tmpfs" in needed else 0,
    )  # fmt: skip
    try:
        await world.begin()
        return await endure(world, chosen, Random(seed), seconds=None if given.once else given.minutes * 60)
    finally:
        await world.end()


def main() -> int:
    given = _arguments()
    if given.list:
        print("\n".join(fault.name for fault in possible(offered(given.nodes))))
        return 0
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    home = Path(tempfile.mkdtemp(prefix=f"tsunagari-faults-{seed}-"))
    again = (
        f"make faults MINUTES={given.minutes:g} SEED={seed} NODES={given.nodes}"
        if not given.only
        else f"python -m tests.faults {' '.join(map(shlex.quote, sys.argv[1:]))} --seed {seed}"
    )
    try:
        result = asyncio.run(_run(given, home, seed))
    except (NotQuiet, AssertionError) as error:
        print(f"失敗 / failed: {error}\nもう一度 / again: {again}\n記録 / logs: {home}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(result), default=str, ensure_ascii=False) if given.json else table(result))
    if result.findings:
        print(f"もう一度 / again: {again}\n記録 / logs: {home}", file=sys.stderr)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
