"""Back-pressure: when events cannot leave, requests that publish wait (503 with Retry-After), everything else goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import event, text

from deploy.onebox.broker import EmbeddedNats
from shared.contracts.case import FactRetracted
from shared.contracts.event import HouseholdId
from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers, Worker
from shared.runtime import pressure
from shared.runtime.database import Database, Rd, Transaction, Tx
from shared.runtime.limits import Limits
from shared.runtime.pressure import EventsWait, Measured, measure
from shared.runtime.settings import Settings
from shared.runtime.testing import eventually
from shared.runtime.unit import Unit
from shared.runtime.web import create_web
from tests.shared.messaging.town import ALPHA, BETA, Town, household, note, registered, retracted

HTML, FRAGMENT = {"accept": "text/html"}, {"accept": "text/html", "hx-request": "true"}
_OLD = text("update outbox set created_at = created_at - interval '11 minutes' where published_at is null")
_NOTE = text("insert into effect (source) values ('a draft')")
router = APIRouter()


@router.post("/homes/{home}", status_code=201)
async def register(home: UUID, tx: Tx) -> dict[str, str]:
    await tx.execute(_NOTE)
    tx.publish(registered(HouseholdId(home)))
    return {"saved": str(home)}


@router.post("/drafts", status_code=201)
async def draft(tx: Tx) -> None:
    await tx.execute(_NOTE)


@router.get("/homes")
async def homes(rd: Rd) -> int:
    return int(await rd.scalar(text("select count(*) from effect")))


@dataclass
class Desk:
    app: FastAPI

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Response:
        async with AsyncClient(transport=ASGITransport(self.app), base_url="http://testserver") as client:
            return await client.request(method, path, headers={"sec-fetch-site": "same-origin"} | (headers or {}))

    async def register(self, headers: dict[str, str] | None = None) -> Response:
        return await self.ask("POST", f"/homes/{uuid4()}", headers)

    async def until(self, status: int) -> None:
        async def answers() -> bool:
            return (await self.register()).status_code == status

        await eventually(answers, 15)


@pytest.fixture
async def town(own_nats: EmbeddedNats, databases: Callable[..., Awaitable[Database]], test_settings: Callable[..., Settings]) -> AsyncIterator[Town]:
    town = Town(own_nats.url, databases, test_settings)
    yield town
    await town.close()


@asynccontextmanager
async def desk_of(town: Town, of: Unit, handlers: Handlers | None = None, **settings: str) -> AsyncIterator[Desk]:
    given = town.settings(of, database=await town.db(of), **{"nats_url": town.url, **settings})
    app = create_web(of, given, routers=[router], create_worker=lambda s, db: Worker(of, s, db, handlers or Handlers()))
    async with app.router.lifespan_context(app):
        yield Desk(app)


async def make_old(town: Town, of: Unit) -> None:
    async with (await town.db(of)).transaction() as tx:
        await tx.execute(_OLD)


async def test_the_desk_waits_while_the_broker_is_away_and_everything_arrives_afterwards(town: Town, own_nats: EmbeddedNats) -> None:
    await town.provision()
    async with desk_of(town, ALPHA) as desk:
        await desk.until(201)
        await town.until_published(ALPHA)
        own_nats.stop()
        assert (await desk.register()).status_code == 201  # a short absence is nobody's business
        await make_old(town, ALPHA)
        await desk.until(503)
        before = (await desk.ask("GET", "/homes")).json()

        json, page, fragment = await desk.register(), await desk.register(HTML), await desk.register(FRAGMENT)
        assert [answer.status_code for answer in (json, page, fragment)] == [503] * 3
        assert {answer.headers["retry-after"] for answer in (json, page, fragment)} == {"60"}
        assert json.json() == {"code": "events_wait", "sentence": EventsWait.sentence, "fields": {}}
        assert "<html" in page.text
        assert "<html" not in fragment.text
        for answer in (page, fragment):
            assert "電話" in answer.text

        assert (await desk.ask("GET", "/homes")).json() == before  # nothing of a refused request was kept, and reading goes on
        assert (await desk.ask("POST", "/drafts")).status_code == 201
        own_nats.start()
        await desk.until(201)
        await town.until_published(ALPHA, 30)
    said = await town.rows(ALPHA, "select count(*) as n from outbox where channel = 'household'")
    stored = await (await town.client()).jetstream().stream_info("EVT_ALPHA", subjects_filter="evt.alpha.household.>")
    assert sum((stored.state.subjects or {}).values()) == said[0].n


async def test_a_process_that_only_serves_the_desk_knows_it_too(town: Town) -> None:
    async with desk_of(town, ALPHA, roles="web") as desk:
        await desk.until(201)
        await make_old(town, ALPHA)
        await desk.until(503)


async def test_what_a_worker_derives_from_an_event_is_never_refused(town: Town) -> None:
    """Else consumers would stop, and the pressure would go round to the units that speak."""
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def answer(tx: Transaction, heard: HouseholdRegistered, envelope: Envelope) -> None:
        await note(tx, envelope)
        tx.publish(retracted(heard.household_id))

    handlers.ignore(FactRetracted)
    await town.provision()
    await town.worker(ALPHA)
    async with desk_of(town, BETA, handlers) as desk:
        desk.app.state.pressure._note = lambda measured: None  # the figure stays, as if the broker took nothing
        desk.app.state.pressure.measured = Measured(oldest_seconds=10_000)
        assert (await desk.register()).status_code == 503
        await town.say(ALPHA, registered(household()))
        await town.until_effects(BETA, 1)
        assert (await desk.register()).status_code == 503


async def test_events_blocked_for_a_person_do_not_stop_the_desk(town: Town) -> None:
    home = household()
    await town.say(ALPHA, registered(home), registered(home), registered(household()))
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.execute(text("update outbox set blocked_reason = 'too large' where household = :home and seq = 1"), {"home": home})
        await tx.execute(_OLD)
    async with (await town.db(ALPHA)).read() as rd:
        measured = await measure(rd, Limits.now(None), Path())
    assert measured.rows == 1


async def test_a_request_pays_no_statement_for_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "EVERY", 3600.0)
    async with desk_of(town, ALPHA, roles="web") as desk:
        await desk.register()
        await asyncio.sleep(0.3)  # the one measurement is over
        statements: list[str] = []
        engine = desk.app.state.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda _c, _cu, statement, *_: statements.append(statement))
        await desk.register()
    assert not [statement for statement in statements if "as pending" in statement]
    assert len(statements) == 2  # the note and the outbox


LIMITS = Limits.now(None)


@pytest.mark.parametrize(
    ("measured", "reasons"),
    [
        (Measured(50_000, 600.0, 50.0, 500.0), []),
        (Measured(1, 600.1), ["the oldest event waits too long"]),
        (Measured(50_001, 1.0), ["too many events wait"]),
        (Measured(0, 0.0, 9.9, 4.9), ["the disk is nearly full"]),
        (Measured(0, 0.0, 9.9, 80.0), []),  # a tenth of a large disk is years
        (Measured(0, 0.0, 40.0, 2.0), []),  # a small one that is half empty
    ],
)
def test_the_limits_are_the_dated_parameters(measured: Measured, reasons: list[str]) -> None:
    assert measured.reasons(LIMITS) == reasons


def test_a_city_sets_its_own_limit_from_its_own_date(tmp_path: Path) -> None:
    (tmp_path / "messaging.yaml").write_text('pressure:\n  pending_rows:\n    - {value: 9, from: 2020-01-01, source: "市の決まり"}\n')
    assert (Limits.now(tmp_path).pending_rows, Limits.now(None).pending_rows) == (9, 50_000)
    assert Limits.now(tmp_path).oldest_pending_seconds == 600
