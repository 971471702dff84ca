"""One process of the suite: `writer|worker <unit> <name>`, forked by the nursery; the rest comes from the environment.

A worker is the product's own `shared.messaging.Worker`. The environment: DATABASE_URL, NATS_URL, FAULTS_HOME, FAULTS_RATE,
FAULTS_DIE (where to kill itself), FAULTS_FUTURE (knows the events of the next version).
"""

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from tests.faults import deaths, handlers, writer
from tests.faults.controls import Controls
from tests.faults.town import BY_CODE


def _settings(name: str) -> Settings:
    return Settings(profile="test", public_url="http://testserver", instance=name)  # type: ignore[call-arg,arg-type]


async def _tell(worker: Worker, path: Path) -> None:
    """What an operator would see, once in half a second; a reason not to be ready goes to the log as well."""
    said: list[str] = []
    while True:
        status = worker.status()
        path.with_suffix(".new").write_text(json.dumps(status, default=str))
        path.with_suffix(".new").rename(path)
        if status["reasons"] != said:
            said = status["reasons"]
            logging.warning("readiness reasons=%s", json.dumps(said))
        await asyncio.sleep(0.5)


async def _work(unit: str, name: str, home: Path) -> None:
    settings = _settings(name)
    db = Database(settings.database_url.get_secret_value(), unit)
    worker = Worker(BY_CODE[unit], settings, db, handlers.of(unit, Controls(home)))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.start()
    telling = asyncio.create_task(_tell(worker, home / "status" / f"{name}.json"))
    await stop.wait()
    telling.cancel()
    await worker.stop()
    await db.close()


async def _write(unit: str, name: str, home: Path) -> None:
    settings = _settings(name)
    db = Database(settings.database_url.get_secret_value(), unit, pool_size=6)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with (home / "ledger" / f"{name}-{os.getpid()}.jsonl").open("a", buffering=1) as ledger:
        await writer.write(db, Controls(home), ledger, stop, rate=float(os.environ.get("FAULTS_RATE", "50")))
    await db.close()


def main(argv: list[str]) -> None:
    role, unit, name = argv
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if place := os.environ.get("FAULTS_DIE"):
        deaths.prepare(place)
    home = Path(os.environ["FAULTS_HOME"])
    asyncio.run((_work if role == "worker" else _write)(unit, name, home))


if __name__ == "__main__":
    main(sys.argv[1:])
