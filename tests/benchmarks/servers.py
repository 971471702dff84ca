"""PostgreSQL and NATS of our own for one section, as durable as the box's."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import nats
import psutil

from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.ports import free_port
from deploy.onebox.postgres import EmbeddedPostgres
from tests.benchmarks.contenders.job import Contender
from tests.benchmarks.one_box import cpu_seconds
from tests.conftest import Templates
from tests.shared.messaging.town import ALPHA, BETA


@dataclass
class Servers:
    postgres: EmbeddedPostgres
    nats: EmbeddedNats
    templates: Templates
    made: int = 0

    async def prepare(self, contender: Contender) -> tuple[str, str]:
        """Two fresh databases, for the one who says and the one who hears; streams and consumers made."""
        broker = await nats.connect(self.nats.url)
        await contender.prepare(broker)
        await broker.close()
        if contender.migrated:
            return (await self.templates.clone(ALPHA))[1], (await self.templates.clone(BETA))[1]
        self.made += 1
        names = f"say_{self.made}", f"hear_{self.made}"
        admin = await asyncpg.connect(self.postgres.dsn())
        for name in names:
            await admin.execute(f"create database {name}")
        await admin.close()
        return self.postgres.url(names[0]), self.postgres.url(names[1])

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(psutil.Process(one.process.pid)) for one in (self.postgres, self.nats) if one.process)


@contextmanager
def servers() -> Iterator[Servers]:
    home = Path(tempfile.mkdtemp(prefix="tsunagari-bench-"))
    home.chmod(0o755)
    postgres = EmbeddedPostgres(home / "postgres", free_port(), secrets.token_urlsafe(16))
    broker = EmbeddedNats(home / "nats", free_port(), free_port())
    try:
        postgres.start()
        broker.start()
        yield Servers(postgres, broker, Templates(postgres))
    finally:
        broker.stop()
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)
