"""A town of the units that a consultation passes through, with everything it writes down within reach of the scan."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from deploy.onebox.postgres import EmbeddedPostgres
from shared.messaging import provision
from shared.runtime.settings import Profile, Settings
from shared.runtime.testing import eventually
from shared.runtime.unit import all_units
from tests.conftest import TICKET_KEY, Templates, start_nats
from tests.console.collected import Collected, collecting
from tests.journeys.conftest import Town
from tests.rights.canary_clues import Piece
from tests.rights.canary_journey import MANAGER
from tests.rights.canary_places import Listening, Seen, Tables, Tap, answers, listening, metrics, spans, stream_files, streams

UNITS = ("intake", "cases-elderly", "cases-poverty", "cases-center", "outreach", "notify")
DESKS = 4


@dataclass
class Watched:
    """The town, and every place in it where something is written."""

    town: Town
    tables: list[Tables]
    broker_home: Path
    client: Client
    tap: Tap
    logs: Listening
    left: Collected

    async def rows(self) -> list[Piece]:
        return [piece for tables in self.tables for piece in await tables.pieces()]

    async def pieces(self, seen: list[Seen]) -> list[Piece]:
        """All there is now, once every unit has published what it wrote."""
        await eventually(self.town.quiet, timeout=60)
        figures = [metrics(code, (await self.town.ask(code, "GET", "/metrics", MANAGER)).text) for code in UNITS]
        found = [*await streams(self.client), *stream_files(self.broker_home), *self.tap.pieces, *await self.rows(), *answers(seen), *figures]
        return [*found, *self.logs.pieces(), *spans(self.left.spans, self.left.wire())]


@contextmanager
def watched_writing() -> Iterator[tuple[Listening, Collected]]:
    with listening() as logs, collecting() as left:
        yield logs, left


@pytest.fixture(scope="module")
async def watched(templates: Templates, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    home = tmp_path_factory.mktemp("canary") / "nats"
    broker = start_nats(home)
    client, tap, town = Client(), Tap(), Town()
    await client.connect(broker.url)
    await provision.apply(client, provision.desired(all_units(), max_bytes=64 << 20))
    await client.subscribe(">", cb=tap.hear)
    names = {}
    for unit in all_units():
        if unit.code in UNITS:
            names[unit.code], url = await templates.clone(unit)
            town.settings[unit.code] = _settings(unit.code, url, broker.url)
    with watched_writing() as (logs, left):
        await asyncio.gather(*(town.start(code) for code in UNITS))
        await eventually(lambda: _acquainted(town), timeout=60)
        tables = [Tables(code, postgres.dsn(name)) for code, name in names.items()]
        yield Watched(town, tables, home / "jetstream", client, tap, logs, left)
        await asyncio.gather(*(town.stop(code) for code in list(town.apps)))
    await client.close()
    for name in names.values():
        await templates.drop(name)
    broker.stop()


def _settings(code: str, database_url: str, nats_url: str) -> Settings:
    given: dict[str, Any] = {"profile": Profile.TEST, "ticket_keys": TICKET_KEY, "public_url": "http://testserver", "instance": code}
    # An endpoint makes the apps trace their requests; the spans go to `collecting`, nothing is sent there.
    return Settings(**given, database_url=database_url, nats_url=nats_url, otlp_endpoint="http://127.0.0.1:9")


async def _acquainted(town: Town) -> bool:
    return len(await town.rows("intake", "select 1 from announced_unit where accepts_referrals")) >= DESKS
