"""A unit's database comes back as it was some time ago, while its stream and its neighbours went on."""

import asyncio
from random import Random

from tests.faults import operator
from tests.faults.fault import Fault
from tests.faults.world import World


class Restored(Fault):
    """The steps that are the same for every unit."""

    unit: str
    weight = 1
    patience = 120.0

    async def _copy(self, world: World) -> None:
        await self._rest(world)
        async with world.sql() as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{self.unit}_older"')
            await connection.execute(f'CREATE DATABASE "{self.unit}_older" TEMPLATE "{self.unit}" OWNER "{self.unit}"')
        self._go_on(world)

    async def _put_back(self, world: World) -> None:
        async with world.sql() as connection:
            await connection.execute(f'DROP DATABASE "{self.unit}" WITH (FORCE)')
            await connection.execute(f'ALTER DATABASE "{self.unit}_older" RENAME TO "{self.unit}"')

    async def _rest(self, world: World) -> None:
        await asyncio.gather(*(world.crew.stop(actor) for actor in world.crew.actors.values() if actor.unit == self.unit))

    def _go_on(self, world: World) -> None:
        for actor in world.crew.actors.values():
            if actor.unit == self.unit and actor.resting:
                world.crew.start(actor)


class ConsumerRestored(Restored):
    """gamma speaks to nobody: its position went back with its effects, and it hears everything again."""

    name = "restored older database: consumer"
    unit = "gamma"

    async def apply(self, world: World, random: Random) -> None:
        await self._copy(world)
        await asyncio.sleep(random.uniform(3, 5))
        await self._rest(world)
        await self._put_back(world)
        self._go_on(world)


class ProducerRestored(Restored):
    """alpha must refuse to write until `adopt-stream`: others have heard what it forgot. Its own business rows are typed in again by people,
    here from a copy."""

    name = "restored older database: producer"
    unit = "alpha"

    async def apply(self, world: World, random: Random) -> None:
        await self._copy(world)
        await asyncio.sleep(random.uniform(3, 5))
        world.controls.wish(quiet=True)
        await self._all_published(world)
        await self._rest(world)
        typed = await world.rows("alpha", "select * from business")
        homes = await world.rows("alpha", "select * from home")
        await self._put_back(world)
        self._go_on(world)
        await operator.until_logged(world, "alpha", "database_older_than_stream")
        await self._refuses(world)
        await operator.adopt(world, "alpha")
        await self._type_again(world, typed, homes)
        world.controls.wish(quiet=False)

    async def _all_published(self, world: World) -> None:
        for _ in range(300):
            if not await world.rows("alpha", "select 1 from outbox where published_at is null limit 1"):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("alpha does not publish what it has")

    async def _refuses(self, world: World) -> None:
        count = "select (select count(*) from business) + (select count(*) from outbox) as n"
        before = (await world.rows("alpha", count))[0]["n"]
        world.controls.wish(quiet=False)
        await asyncio.sleep(3)
        world.controls.wish(quiet=True)
        await asyncio.sleep(1)
        after = (await world.rows("alpha", count))[0]["n"]
        assert after == before, f"alpha wrote {after - before} rows although its database is older than its stream"

    async def _type_again(self, world: World, typed: list[object], homes: list[object]) -> None:
        async with world.sql("alpha") as connection, connection.transaction():
            await connection.execute("truncate business, home")
            for table, rows in (("business", typed), ("home", homes)):
                await connection.copy_records_to_table(table, records=[tuple(row) for row in rows])  # type: ignore[arg-type]


class AnswererRestored(Restored):
    """beta hears and speaks: position, effects and answers went back together; after `adopt-stream` it hears again what it answered.

    Its handlers are slow at first: a beta that answers everything again before it looks at its stream has nothing left to refuse."""

    name = "restored older database: consumer that answers"
    unit = "beta"

    async def apply(self, world: World, random: Random) -> None:
        await self._copy(world)
        await asyncio.sleep(random.uniform(3, 5))
        await self._rest(world)
        await self._put_back(world)
        world.controls.wish(linger="beta")
        self._go_on(world)
        await operator.until_logged(world, "beta", "database_older_than_stream")
        world.controls.wish(linger="")
        await operator.adopt(world, "beta")


RESTORED = (ConsumerRestored, ProducerRestored, AnswererRestored)
