"""FastStream as its documentation shows it: with faststream-outbox 0.19 (FastAPI routers, the recommended shape of its relay page), and with the
naive dual write (commit, then publish).

Defaults are theirs; what is added makes them do the job at all: a stream name, so that publishing is acknowledged by JetStream; a durable pull
consumer; and an effect that ignores a second copy, because delivery is at least once. Their log of every message is off.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import FastAPI
from faststream.nats import JStream, NatsBroker
from faststream.nats.fastapi import NatsRouter
from faststream_outbox import make_outbox_table
from faststream_outbox.fastapi import OutboxRouter
from nats.aio.client import Client
from nats.js.api import StreamConfig
from sqlalchemy import BigInteger, Identity, MetaData
from sqlalchemy.dialects.postgresql import insert as insert_once
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.benchmarks.contenders.job import POOL, Contender, Fact, Heard

STREAM = JStream("FACTS", declare=False)
SUBJECT, QUEUE = "facts.retracted", "facts_outbox"


class Base(DeclarativeBase):
    metadata = MetaData()


class Effect(Base):
    __tablename__ = "effect"
    n: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event: Mapped[UUID] = mapped_column(unique=True)


OUTBOX = make_outbox_table(Base.metadata, table_name="outbox")


async def prepare(client: Client) -> None:
    await client.jetstream().add_stream(StreamConfig("FACTS", subjects=["facts.>"]))


def _engine(database: str) -> AsyncEngine:
    return create_async_engine(database, pool_size=POOL, max_overflow=0)


async def _tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def _lifespan(engine: AsyncEngine) -> Callable[[FastAPI], object]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await _tables(engine)
        yield

    return lifespan


def outbox_app(database: str, broker: str) -> FastAPI:
    engine = _engine(database)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    outbox, nats = OutboxRouter(engine, outbox_table=OUTBOX, logger=None), NatsRouter(broker, logger=None)
    publisher = nats.publisher(SUBJECT, stream=STREAM)

    @publisher
    @outbox.subscriber(QUEUE)
    async def relay(body: dict[str, str]) -> dict[str, str]:
        return body

    app = FastAPI(lifespan=_lifespan(engine))

    @app.post("/facts", status_code=201)
    async def retract(fact: Fact) -> Fact:
        async with sessions() as session, session.begin():
            session.add(Effect(event=fact.mark))
            await outbox.broker.publish(fact.model_dump(mode="json"), queue=QUEUE, session=session)
        return fact

    app.include_router(outbox)
    app.include_router(nats)
    return app


def dual_write_app(database: str, broker: str) -> FastAPI:
    engine = _engine(database)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    nats = NatsRouter(broker, logger=None)
    app = FastAPI(lifespan=_lifespan(engine))

    @app.post("/facts", status_code=201)
    async def retract(fact: Fact) -> Fact:
        async with sessions() as session, session.begin():
            session.add(Effect(event=fact.mark))
        await nats.broker.publish(fact, SUBJECT, stream=STREAM.name)
        return fact

    app.include_router(nats)
    return app


@asynccontextmanager
async def hear(heard: Heard, database: str, broker: str) -> AsyncIterator[None]:
    engine = _engine(database)
    await _tables(engine)
    sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(engine, expire_on_commit=False)
    nats = NatsBroker(broker, logger=None)

    @nats.subscriber(SUBJECT, stream=STREAM, durable="bench", pull_sub=True)
    async def fact_retracted(fact: Fact) -> None:
        async with sessions() as session, session.begin():
            await session.execute(insert_once(Effect).values(event=fact.mark).on_conflict_do_nothing())
        heard.note(fact.mark)

    await nats.start()
    yield
    await nats.stop()
    await engine.dispose()


OUTBOX_019 = Contender("faststream-outbox", prepare, outbox_app, hear)
DUAL_WRITE = Contender("dual write", prepare, dual_write_app, hear)
