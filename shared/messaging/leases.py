"""Who leads: one row per relay and consumer in the unit's database, renewed together by one statement a second.

The database's clock decides. `epoch` grows with every change of owner and fences the old one: whoever was frozen and
comes back finds its epoch gone (relay marking, consumer transactions).
"""

import asyncio
import logging
from collections.abc import Iterable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.messaging import sql
from shared.messaging.waiting import woken

log = logging.getLogger("tsunagari.messaging")

TTL = 5.0
RENEW_EVERY = 1.0

_CREATE = "insert into worker_lease (name) select unnest($1::text[]) on conflict do nothing"
#: Renews what is ours and takes what is free. A row that someone else holds is left alone.
_HOLD = """
update worker_lease w set owner = $1, until = clock_timestamp() + make_interval(secs => $3),
       epoch = case when w.owner = $1 and w.epoch = h.epoch then w.epoch else w.epoch + 1 end
from unnest($2::text[], $4::bigint[]) as h(name, epoch)
where w.name = h.name and ((w.owner = $1 and w.epoch = h.epoch) or w.until < clock_timestamp())
returning w.name, w.epoch
"""
_RELEASE = "update worker_lease set until = 'epoch' where owner = $1"


class Leases:
    """Held leases of one worker. `owner` must be unique per worker, also within a process."""

    def __init__(self, engine: AsyncEngine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._wanted: set[str] = set()
        self._created: set[str] = set()
        self._held: dict[str, int] = {}
        self._good_until = 0.0
        self._changed = asyncio.Condition()
        self._now = asyncio.Event()

    def want(self, names: Iterable[str]) -> None:
        """From now on try to hold these too; the first attempt comes at once."""
        new = set(names) - self._wanted
        if new:
            self._wanted |= new
            self._now.set()

    def epoch(self, name: str) -> int | None:
        """Our epoch, None while someone else leads or while renewing failed for as long as the lease lasts."""
        return self._held.get(name) if asyncio.get_running_loop().time() < self._good_until else None

    async def led(self, name: str) -> int:
        """Waits until we lead; gives the epoch."""
        async with self._changed:
            while (epoch := self.epoch(name)) is None:
                await self._changed.wait()
        return epoch

    async def lost(self, name: str, epoch: int) -> None:
        """Returns when this epoch is no longer ours."""
        async with self._changed:
            while self.epoch(name) == epoch:
                await self._changed.wait()

    async def forget(self, name: str) -> None:
        """We were fenced: someone else leads already, whatever we believed."""
        async with self._changed:
            self._held.pop(name, None)
            self._changed.notify_all()

    async def keep(self) -> None:
        """Renews for ever; run as a task. A database that is away costs the leases, not the task."""
        while True:
            try:
                await self._keep_on_one_connection()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("leases_not_renewed error=%s", type(error).__name__)
            await self._tell()
            await asyncio.sleep(RENEW_EVERY)

    async def _keep_on_one_connection(self) -> None:
        """A connection of its own: a pool that is exhausted by requests must not cost the leases."""
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            while True:
                self._now.clear()
                async with asyncio.timeout(TTL):
                    await self._hold(connection)
                await self._tell()
                await woken(self._now, RENEW_EVERY)

    async def _hold(self, connection: AsyncConnection) -> None:
        asked = asyncio.get_running_loop().time()
        names = sorted(self._wanted)
        held = await self._renewed(connection, names) if names else {}
        async with self._changed:
            self._held, self._good_until = held, asked + TTL

    async def _tell(self) -> None:
        """Whoever waits looks again, also when nothing was renewed: time alone may have taken a lease."""
        async with self._changed:
            self._changed.notify_all()

    async def _renewed(self, connection: AsyncConnection, names: list[str]) -> dict[str, int]:
        if set(names) - self._created:
            await sql.run(connection, _CREATE, names)
            self._created |= set(names)
        epochs = [self._held.get(name, -1) for name in names]
        found = await sql.rows(connection, _HOLD, self._owner, names, TTL, epochs)
        return {row.name: row.epoch for row in found}

    async def release(self) -> None:
        """A successor may lead at once. Call when nothing of ours runs any more."""
        self._held.clear()
        async with self._engine.begin() as connection:
            await sql.run(connection, _RELEASE, self._owner)
