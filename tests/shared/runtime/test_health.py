"""/livez, /readyz, /metrics of a real unit: by progress, within a second whatever hangs, and never a word about a household."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from prometheus_client.parser import text_string_to_metric_families

from deploy.onebox.broker import EmbeddedNats
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.figures import Figures
from shared.runtime.health import look
from shared.runtime.limits import Limits
from shared.runtime.settings import Settings
from shared.runtime.testing import eventually
from shared.runtime.unit import Unit
from shared.runtime.watchdog import Watchdog
from shared.runtime.web import create_web
from tests.shared.messaging.town import ALPHA, BETA, Town, household, noting, registered
from tests.shared.messaging.wire import Wire


@dataclass
class Probed:
    app: FastAPI

    async def get(self, path: str) -> Response:
        async with AsyncClient(transport=ASGITransport(self.app), base_url="http://testserver") as client:
            return await client.get(path)

    async def ready(self) -> dict:
        return (await self.get("/readyz")).json()

    async def figures(self) -> dict[tuple[str, ...], float]:
        """(name, label values but the unit) → value"""
        answer = await self.get("/metrics")
        assert answer.status_code == 200
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
        assert {sample.labels["unit"] for sample in samples} == {self.app.state.unit.code}
        return {(s.name.removeprefix("tsunagari_"), *(value for label, value in s.labels.items() if label != "unit")): s.value for s in samples}


Start = Callable[..., Awaitable[Probed]]


@pytest.fixture
async def town(own_nats: EmbeddedNats, databases: Callable[..., Awaitable[Database]], test_settings: Callable[..., Settings]) -> AsyncIterator[Town]:
    town = Town(own_nats.url, databases, test_settings)
    yield town
    await town.close()


@pytest.fixture
async def start(town: Town) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def starting(of: Unit, **settings: object) -> Probed:
            given = town.settings(of, database=await town.db(of), **{"nats_url": town.url, **settings})
            app = create_web(of, given, routers=[], create_worker=lambda s, db: Worker(of, s, db, noting()))
            app.state.watchdog = Watchdog(30)
            await stack.enter_async_context(app.router.lifespan_context(app))
            return Probed(app)

        yield starting


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_livez_tells_the_age_of_the_beat(town: Town, start: Start) -> None:
    answer = (await (await start(ALPHA)).get("/livez")).json()
    assert answer["status"] == "ok"
    assert 0 <= answer["beat_seconds"] < 5


@pytest.mark.parametrize("roles", ["web", "worker", "web,worker"])
async def test_every_role_is_ready_and_tells_figures(town: Town, start: Start, roles: str) -> None:
    await town.provision()
    unit = await start(BETA, roles=roles)

    async def is_ready() -> bool:
        return (await unit.get("/readyz")).status_code == 200

    await eventually(is_ready)
    figures = await unit.figures()
    assert figures["database_up",] == 1
    assert figures["outbox_pending_rows",] in (0, 1)
    assert (("ready",) in figures) == ("worker" in roles)


async def test_a_database_that_hangs_is_said_within_a_second_and_by_one_question_only(town: Town, start: Start) -> None:
    unit = await start(ALPHA, roles="web")
    assert (await unit.ready())["database"] is True
    pids = [
        row.pid for row in await town.rows(ALPHA, "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    ]
    pool = unit.app.state.db.engine.pool
    with frozen(pids):
        await asyncio.sleep(0.6)  # the last answer is not used again
        began = time.monotonic()
        answers = await asyncio.gather(*(unit.get("/readyz") for _ in range(20)), unit.get("/metrics"))
        assert time.monotonic() - began < 1.5
        assert {answer.status_code for answer in answers[:-1]} == {503}
        assert answers[0].json()["reasons"] == ["the database does not answer"]
        assert 'tsunagari_database_up{unit="alpha"} 0.0' in answers[-1].text
        assert pool.checkedout() <= 2  # this question and the pressure's

    async def well() -> bool:
        return (await unit.get("/readyz")).status_code == 200 and pool.checkedout() == 0

    await eventually(well)


async def test_a_unit_that_nobody_provisioned_says_so(town: Town, start: Start) -> None:
    unit = await start(BETA)
    worker: Worker = unit.app.state.worker
    await worker.link.up.wait()
    assert "provision" not in str((await unit.ready())["reasons"])
    worker.started_at -= 61
    answer = await unit.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["no consumer of this unit is on the broker: run provision"]
    await town.provision()

    async def provisioned() -> bool:
        return bool((await unit.ready())["ready"])

    await eventually(provisioned)


async def test_what_a_person_should_look_at_leaves_the_unit_in_service(town: Town, start: Start) -> None:
    await town.provision()
    unit = await start(BETA)
    worker: Worker = unit.app.state.worker
    await eventually(lambda: worker.consumers and worker.consumers["beta--alpha--p0"].state == "consuming")
    wire, home, later = Wire(await town.client()), household(), household()
    await wire.put(registered(home), 1, data=b"\xff")
    await wire.put(registered(later), 1, ce_type="jp.tsunagari.household.registered.v2", subject=f"evt.alpha.household.registered.v2.{later.hex[-1]}")
    await wire.put(registered(household()), 1)
    await town.until_effects(BETA, 1)
    worker.link.denied += 1
    await asyncio.sleep(0.6)
    answer = await unit.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["look"] == ["events of an unknown type are held", "events could not be handled", "the broker denied something"]


async def test_metrics_tell_the_progress_of_each_consumer_and_no_household(town: Town, start: Start) -> None:
    await town.provision()
    alpha, beta = await start(ALPHA), await start(BETA)
    home, poisoned = household(), household()
    await town.say(ALPHA, registered(home), registered(home))
    await Wire(await town.client()).put(registered(poisoned), 1, data=b"{}")
    await town.until_effects(BETA, 2)
    consumer = ("beta--alpha--p0", "alpha")

    async def parked() -> bool:
        return (await beta.figures()).get(("consumer_parked_total", *consumer)) == 1

    await eventually(parked)
    figures = await beta.figures()
    assert figures["consumer_applied_total", *consumer] == 2
    assert figures["consumer_position", *consumer] >= 3
    assert figures["consumer_state", *consumer, "consuming"] == 1
    assert figures["dead_events",] == 1
    assert figures["subjects_set_aside",] == 1
    assert figures["intents_waiting",] == figures["timers_overdue",] == figures["nats_denied_total",] == 0
    assert figures["loop_lag_seconds",] < 5
    assert abs(figures["clock_difference_seconds",]) < 1
    said = await alpha.figures()
    assert said["relay_published_total",] >= 2
    assert {"relay_fallbacks_total", "relay_blocked_total", "outbox_oldest_seconds", "outbox_blocked", "gaps_households", "audit_holes"} <= {
        name for name, *_ in said
    }
    shown = [(await unit.get(path)).text for unit in (alpha, beta) for path in ("/metrics", "/readyz", "/livez")]
    for text in shown:
        assert str(home) not in text
        assert str(poisoned) not in text


def test_a_clock_that_differs_is_looked_at() -> None:
    limits = Limits.now(None)
    assert look(Figures(clock_difference=4.9), {}, None, limits) == []
    assert look(Figures(clock_difference=-5.1), {}, None, limits) == ["clock differs from the database's"]


async def test_a_unit_without_a_backbone_is_ready_by_its_database(town: Town, start: Start, databases) -> None:
    silent = replace(ALPHA, code="silent", database="silent", migrations=("shared/runtime/migrations",), publishes=())
    app = create_web(silent, town.settings(silent, database=await databases(silent)), routers=[], speaks=False)
    async with app.router.lifespan_context(app):
        assert (await Probed(app).ready()) == {
            "unit": "silent", "ready": True, "reasons": [], "look": [], "database": True, "messaging": {"ready": True, "reasons": []},
        }  # fmt: skip
        assert (await Probed(app).figures()).keys() == {("database_up",), ("clock_difference_seconds",)}
