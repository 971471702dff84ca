"""What an operator does during a fault, with the product's own tools; the checker uses none of this."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from shared.messaging import held
from shared.messaging.link import Link
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from tests.faults.town import BY_CODE
from tests.faults.world import World


@asynccontextmanager
async def database(world: World, unit: str) -> AsyncIterator[Database]:
    db = Database(world.database_url(unit), unit, pool_size=2)
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def linked(world: World, unit: str) -> AsyncIterator[Link]:
    """The unit's own connection: an operator command has no other rights than the unit."""
    settings = Settings(  # type: ignore[call-arg]
        profile="test", public_url="http://testserver", instance="operator",
        database_url=world.database_url(unit), nats_url=world.nats_url(unit),
    )  # type: ignore[arg-type]  # fmt: skip
    link = Link(unit, settings)
    keeping = asyncio.create_task(link.keep())
    try:
        await asyncio.wait_for(link.up.wait(), 30)
        yield link
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await link.close()


async def release(world: World, unit: str, household: UUID, *, skip: bool = False, patience: float = 60.0) -> None:
    """Until the household is no longer set aside at this unit."""
    for _ in range(3):
        async with database(world, unit) as db, db.transaction() as tx:
            await held.request_release(tx, "alpha", household, skip=skip)
        if await until_set_aside(world, unit, household, False, patience / 3):
            return
    raise AssertionError(f"{unit} does not release the household")


async def until_set_aside(world: World, unit: str, household: UUID, expected: bool, patience: float = 60.0) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        rows = await world.rows(unit, "select 1 from consumer_subject where household = $1 and state <> 'ok'", household)
        if bool(rows) is expected:
            return True
        await asyncio.sleep(0.1)
    return False


async def audit(world: World, unit: str) -> str:
    """`tsunagari messaging audit <unit>`; a run that the worker's own audit disturbs is repeated. Gives the report, for the log."""
    from shared.messaging.audit import audit_stream
    from shared.messaging.pull import Interrupted

    async with database(world, unit) as db, linked(world, unit) as link:
        for _ in range(10):
            try:
                return json.dumps(vars(await audit_stream(db, link, BY_CODE[unit])))
            except Interrupted:
                await asyncio.sleep(1)
    raise AssertionError("the audit was disturbed ten times")


async def adopt(world: World, unit: str) -> str:
    """`tsunagari messaging adopt-stream <unit>`."""
    from shared.messaging.adopt import adopt as adopt_stream

    async with database(world, unit) as db, linked(world, unit) as link:
        return str(await adopt_stream(db, link, BY_CODE[unit]))


async def until_logged(world: World, unit: str, words: str, patience: float = 90.0) -> None:
    """An alarm that must come. Raises AssertionError."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if any(words in log.read_text(errors="replace") for log in (world.home / "logs").glob(f"{unit}-*.log")):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{unit} never said {words!r}")
