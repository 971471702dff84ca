"""shared/messaging and shared/runtime through their public API: household lock, sequence, envelope, trace context, leases, fenced positions.

`app` commits one transaction a request, as `Tx` does; `app_together` shares commits (`db.together`). The span stands for the request's own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request
from nats.aio.client import Client
from sqlalchemy import text

from shared.contracts.case import FactRetracted
from shared.contracts.event import HouseholdId, LegalBasis
from shared.messaging import Envelope, Handlers, Worker
from shared.messaging.provision import apply, desired
from shared.runtime import telemetry
from shared.runtime.database import Database, Transaction, Tx
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from tests.benchmarks.contenders.job import POOL, ROW, Contender, Fact, Heard
from tests.shared.messaging.town import ALPHA, BETA

EFFECT = text("insert into effect (event) values (:event)")


async def prepare(client: Client) -> None:
    await apply(client, desired((ALPHA, BETA), max_bytes=1 << 31))  # 10^6 events are more than a unit's usual half gigabyte


def worker(unit: Unit, database: str, broker: str, db: Database, handlers: Handlers) -> Worker:
    settings = Settings(profile="test", database_url=database, nats_url=broker, instance=f"bench-{unit.code}")
    telemetry.start(unit, settings)
    return Worker(unit, settings, db, handlers)


async def _save(tx: Transaction, fact: Fact) -> None:
    tx.later(EFFECT, {"event": fact.mark})
    tx.publish(FactRetracted(household_id=HouseholdId(fact.household_id), legal_basis=LegalBasis.CONSENT, fact_id=fact.mark))


def _app(database: str, broker: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db = app.state.db = Database(database, ALPHA.code, pool_size=POOL // 2)
        async with db.transaction() as tx:
            await tx.execute(text(ROW))
        speaking = worker(ALPHA, database, broker, db, Handlers())
        await speaking.start()
        yield
        await speaking.stop()
        await db.close()

    return FastAPI(lifespan=lifespan, telemetry=telemetry.NOT_BY_FASTAPI)


def app(database: str, broker: str) -> FastAPI:
    app = _app(database, broker)

    @app.post("/facts", status_code=201)
    async def retract(fact: Fact, tx: Tx) -> Fact:
        with telemetry.span("POST /facts"):
            await _save(tx, fact)
        return fact

    return app


def app_together(database: str, broker: str) -> FastAPI:
    app = _app(database, broker)

    @app.post("/facts", status_code=201)
    async def retract(fact: Fact, request: Request) -> Fact:
        with telemetry.span("POST /facts"):
            await request.app.state.db.together(partial(_save, fact=fact))
        return fact

    return app


@asynccontextmanager
async def hear(heard: Heard, database: str, broker: str) -> AsyncIterator[None]:
    handlers = Handlers()

    @handlers.on(FactRetracted)
    async def fact_retracted(tx: Transaction, event: FactRetracted, envelope: Envelope) -> None:
        tx.later(EFFECT, {"event": event.fact_id})
        tx.on_commit(lambda: heard.note(event.fact_id))

    handlers.ignore(*handlers.missing(("household", "fact")))
    db = Database(database, BETA.code)
    async with db.transaction() as tx:
        await tx.execute(text(ROW))
    hearing = worker(BETA, database, broker, db, handlers)
    await hearing.start()
    yield
    await hearing.stop()
    await db.close()


OURS = Contender("ours", prepare, app, hear, migrated=True)
TOGETHER = Contender("ours, shared commits", prepare, app_together, hear, migrated=True)
