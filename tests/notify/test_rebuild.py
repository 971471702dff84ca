"""What notify knows is made again from the events of all desks: the same knowledge, and no alert is raised a second time."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import nats as nats_client
from sqlalchemy import text

from services.notify.handlers import handlers
from shared.contracts.household import LeavingReason
from shared.messaging.link import Link
from shared.messaging.provision import api_of
from shared.messaging.rebuild import Rebuilt, rebuild
from shared.runtime.testing import eventually
from tests.notify.heard import published, rows
from tests.notify.test_over_the_wire import City, city, has
from tests.notify.town import mother_and_son

__all__ = ["city"]
TODAY = datetime.now(UTC).date()


async def again(city: City, *, swap: bool = True) -> Rebuilt:
    link = Link("notify", city.settings("notify", database=city.desk.db, nats_url=city.nats_url))
    keeping, client = asyncio.create_task(link.keep()), await nats_client.connect(city.nats_url)
    try:
        await link.up.wait()
        return await rebuild(city.desk.db, link, api_of(client), handlers(None), "knowledge", swap=swap)
    finally:
        keeping.cancel()
        await link.close()
        await client.close()


async def knowledge(city: City) -> list[Any]:
    return [tuple(row) for row in await rows(city.desk.db, "select household_id, area, facts, heard_at, late_at from household order by 1")]


async def test_knowledge_is_right_again_and_no_alert_is_raised_again(city: City) -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-elderly", None, "child_concern", "yes", as_of=TODAY)
    home.fact("cases-poverty", son, "employment", "not_seeking", since="2011-04", as_of=TODAY)
    await city.start_notify()
    await city.says(home, 5)
    await eventually(lambda: has(city.desk.db, "R-502", "R-503"))  # desks do not wait for each other: the mother leaves after that
    home.left(mother, LeavingReason.DIED, TODAY)
    await city.says(home, 1)
    await eventually(lambda: has(city.desk.db, "R-502", "R-503", "R-504"))
    right, said = await knowledge(city), await published(city.desk.db)
    alerts = await rows(city.desk.db, "select * from alert order by id")
    first = await again(city, swap=False)
    assert (first.equal, first.events) == (True, len(home.told))

    async with city.desk.db.transaction() as tx:
        await tx.execute(text("update household set area = 'TOI', facts = jsonb_set(facts, '{members}', '[]')"))
    done = await again(city)
    assert (done.equal, done.tables[0].changed, done.tables[0].added) == (False, 1, 0)
    assert await knowledge(city) == right
    assert (await again(city, swap=False)).equal
    assert await published(city.desk.db) == said
    assert await rows(city.desk.db, "select * from alert order by id") == alerts
