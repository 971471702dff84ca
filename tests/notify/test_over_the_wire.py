"""From another desk's commit, over the real broker, to an open page of the center: by itself, once, also after an outage."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import nats as nats_client
import pytest

from deploy.onebox.broker import EmbeddedNats
from services.notify import store
from services.notify.app import create_app
from services.notify.worker import create_worker
from shared.contracts.household import LeavingReason
from shared.messaging import Handlers, Worker
from shared.messaging.provision import apply, desired
from shared.runtime.database import Database
from shared.runtime.testing import eventually
from shared.runtime.unit import Unit, all_units
from tests.conftest import unit_of
from tests.notify.heard import Ears, published, rows
from tests.notify.test_pages import Desk, listening
from tests.notify.town import Household, mother_and_son

TODAY = datetime.now(UTC).date()
SHARED = ("shared/messaging/migrations", "shared/runtime/migrations")


def speaker(code: str) -> Unit:
    """Another unit reduced to its outbox: its own tables play no part here."""
    return replace(unit_of(code), migrations=SHARED, database=f"{code.replace('-', '_')}_speaker")


@dataclass
class City:
    """Three desks that speak, and notify."""

    desk: Desk
    databases: Any
    settings: Any
    nats_url: str
    speakers: dict[str, Database] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    async def start_notify(self) -> Worker:
        settings = self.settings("notify", database=self.desk.db, nats_url=self.nats_url)
        return await self._start(create_worker(settings, self.desk.db))

    async def says(self, home: Household, fresh: int) -> None:
        """The last `fresh` things of the story, each desk committing its own."""
        for code, event in home.told[-fresh:]:
            async with (await self._speaker(code)).transaction() as tx:
                tx.publish(event)

    async def _speaker(self, code: str) -> Database:
        if code not in self.speakers:
            unit = speaker(code)
            db = self.speakers[code] = await self.databases(unit)
            await self._start(Worker(unit, self.settings(code, database=db, nats_url=self.nats_url), db, Handlers()))
        return self.speakers[code]

    async def _start(self, worker: Worker) -> Worker:
        await worker.start()
        self.workers.append(worker)
        return worker


@pytest.fixture
async def city(databases: Any, test_settings: Any, own_nats: EmbeddedNats) -> AsyncIterator[City]:
    client = await nats_client.connect(own_nats.url)
    await apply(client, desired(all_units()))
    await client.close()
    db = await databases("notify")
    settings = test_settings("notify", database=db, roles="web")
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        city = City(Desk(app, None, settings, Ears(db)), databases, test_settings, own_nats.url)  # type: ignore[arg-type]
        yield city
        for worker in city.workers:
            await worker.stop()


async def test_a_fact_committed_at_another_desk_appears_on_the_open_page_by_itself(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Web and worker as two processes would be: no bell rings between them, the page finds it in the database. How fast: `make bench`."""
    monkeypatch.setattr(store, "ring", lambda: None)
    home, _, son = mother_and_son()
    await city.start_notify()
    await city.says(home, 3)
    await eventually(lambda: rows(city.desk.db, "select * from household"))
    async with listening(city.desk) as stream:
        home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
        await city.says(home, 1)
        await eventually(lambda: stream.messages(), timeout=20)


async def test_t01_and_t02_over_the_wire_are_three_alerts_and_the_trace_of_the_cause(city: City) -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-elderly", None, "child_concern", "yes", as_of=TODAY)
    home.fact("cases-poverty", son, "employment", "not_seeking", since="2011-04", as_of=TODAY)
    await city.start_notify()
    await city.says(home, 5)
    await eventually(lambda: has(city.desk.db, "R-502", "R-503"))
    home.left(mother, LeavingReason.DIED, TODAY)
    await city.says(home, 1)
    await eventually(lambda: has(city.desk.db, "R-502", "R-503", "R-504"))
    assert (await published(city.desk.db)).count("alert.raised.v1") == 3
    for code in ("cases-poverty", "intake"):
        causes = {row.correlation_id for row in await rows(city.desk.db, "select correlation_id from alert")}
        said = {row.event_id for row in await rows(city.speakers[code], "select event_id from outbox")}
        assert causes & said


async def test_notify_down_catches_up_and_says_everything_once(city: City) -> None:
    home, _, son = mother_and_son()
    first = await city.start_notify()
    await city.says(home, 3)
    await eventually(lambda: rows(city.desk.db, "select * from household"))
    await first.stop()
    home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
    await city.says(home, 1)
    await city.start_notify()
    await eventually(lambda: has(city.desk.db, "R-502"))
    assert await published(city.desk.db) == ["alert.raised.v1"]


async def has(db: Database, *rules: str) -> bool:
    return sorted(row.rule_id for row in await rows(db, "select rule_id from alert")) == sorted(rules)
