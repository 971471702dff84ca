"""One consumer of one source: leads under a lease, takes batches in one transaction each, sets poison aside, never stops.

Several workers of a unit may run; one leads per consumer. The position in our database decides what was done; acknowledgements
are for the broker's own accounts.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from shared.messaging import positions
from shared.messaging.delivery import Delivery
from shared.messaging.failures import reason_of
from shared.messaging.handlers import Handlers
from shared.messaging.inbox import Inbox
from shared.messaging.leases import Leases
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.names import consumer_name, stream_of
from shared.messaging.positions import Fenced
from shared.messaging.pull import BATCH, Interrupted, Puller, Stolen
from shared.messaging.settle import Settling
from shared.messaging.waiting import paced, unless
from shared.runtime.database import Database

log = logging.getLogger("tsunagari.messaging")


class Consumer:
    """`state`: standby, starting, consuming, retrying. `lag` is what the broker still has for us."""

    def __init__(self, unit: str, source: str, db: Database, link: Link, leases: Leases, handlers: Handlers, turn: asyncio.Lock) -> None:
        self.name = consumer_name(unit, source)
        self.source = source
        self.stream = stream_of(source)
        self._db, self._link, self._leases = db, link, leases
        self._stopping = asyncio.Event()
        self._settling = Settling(db, Inbox(self.name, source, handlers), self._stopping, turn)
        self._puller: Puller | None = None
        self.state = "standby"
        self.position = 0
        self.lag = 0
        self.moved = time.monotonic()
        self.counts = self._settling.counts
        self.thefts = 0
        self.rewrites = 0
        self._incarnation = ""
        #: how long the last canary was on its way from commit at its source to commit here; None until one came
        self.canary_seconds: float | None = None

    def stop(self) -> None:
        """The batch in hand is finished."""
        self._stopping.set()
        self.nudge("stopping")

    def nudge(self, reason: str) -> None:
        """Lets go of the puller; unless we stop, the next round looks for released households and resets to the stored position."""
        if self._puller is not None:
            self._puller.interrupt(reason)

    async def run(self) -> None:
        """Until `stop`. Whatever goes wrong, the next round begins with a fresh reset from the stored position."""
        failures = 0
        while not self._stopping.is_set():
            self.state = "standby"
            epoch = await unless(self._stopping, self._leases.led(self.name))
            if epoch is None or await unless(self._stopping, self._link.up.wait()) is None:
                return
            before = self.position
            try:
                await self._lead(epoch)
            except Fenced:
                log.warning("consumer_fenced consumer=%s epoch=%s", self.name, epoch)
                await self._leases.forget(self.name)
            except (Interrupted, BrokerError, SQLAlchemyError, *AWAY) as error:
                self.thefts += isinstance(error, Stolen)
                self.state = "retrying"
                failures = 0 if self.position != before else failures + 1
                reason = str(error) if isinstance(error, Interrupted) else reason_of(error)
                log.log(logging.WARNING if failures > 2 else logging.INFO, "consumer_restarts consumer=%s reason=%s", self.name, reason)
                await unless(self._stopping, asyncio.sleep(min(0.02 * 2 ** min(failures, 8), 3.0)))

    async def _lead(self, epoch: int) -> None:
        self.state = "starting"
        incarnation, last = await self._link.identity(self.stream)
        async with self._db.transaction() as tx:
            start = await positions.take_over(tx.connection, self.name, self.source, epoch, incarnation, last)
        self.position, self._incarnation = start.position, incarnation
        watch = asyncio.ensure_future(self._leases.lost(self.name, epoch))
        watch.add_done_callback(lambda _: self.nudge("lease lost"))
        try:
            async with Puller(self._link, self.stream, self.name, self.source) as self._puller:
                await self._settling.release(epoch)
                pending = await self._puller.start(start.first)
                self.state = "consuming"
                if start.anchor:
                    await self._begin_at(epoch, self._puller, start.anchor, pending)
                while not self._stopping.is_set():
                    await self._round(epoch, self._puller)
        finally:
            self._puller = None
            watch.cancel()

    async def _begin_at(self, epoch: int, puller: Puller, anchor: tuple[int, str], pending: int) -> None:
        """The last event that was done must stand where it stood. If not, the broker lost it and may have put others in its place:
        no position in that stream means anything, and it is read from the beginning."""
        deliveries = await puller.next() if pending else []
        if deliveries and (deliveries[0].stream_seq, deliveries[0].id) == anchor:
            await self._settle(epoch, puller, deliveries)
            return
        log.error("stream_rewritten consumer=%s position=%s", self.name, self.position)
        async with self._db.transaction() as tx:
            await positions.rewritten(tx.connection, self.name, epoch)
        self.rewrites += 1
        raise Interrupted("the stream was rewritten")

    async def _round(self, epoch: int, puller: Puller) -> None:
        await self._settle(epoch, puller, await puller.next())

    async def _settle(self, epoch: int, puller: Puller, deliveries: list[Delivery]) -> None:
        began = time.monotonic()
        await self._settling.take(epoch, deliveries)
        last = deliveries[-1]
        for sung_at in (one.canary.sung_at for one in deliveries if one.canary):
            self.canary_seconds = max(0.0, (datetime.now(UTC) - sung_at).total_seconds())
        self.position, self.lag, self.moved = max(self.position, last.stream_seq), last.pending, time.monotonic()
        await puller.acknowledge(last)
        await (asyncio.sleep(0) if len(deliveries) == BATCH else paced(began, len(deliveries)))

    async def measure(self) -> None:
        """Asks the broker how much it still has for us. Raises BrokerError or one of AWAY."""
        info = await self._link.api(f"CONSUMER.INFO.{self.stream}.{self.name}")
        self.lag = int(info["num_pending"]) + int(info["num_ack_pending"])
        if self.lag == 0 or self.state == "standby":
            self.moved = time.monotonic()

    async def look_at_stream(self) -> None:
        """A stream that became another one or shorter without our connection noticing (a new leader in the cluster).

        Raises BrokerError or one of AWAY."""
        known = self._incarnation, self.position  # before the question: while it is answered, we may move on
        incarnation, last = await self._link.identity(self.stream)
        if self.state == "consuming" and known[0] == self._incarnation and (incarnation != known[0] or last < known[1]):
            self.nudge("stream changed")

    @property
    def still_seconds(self) -> float:
        """How long the position has not moved although there is something to do."""
        return time.monotonic() - self.moved if self.state != "standby" and (self.lag or self.state != "consuming") else 0.0

    def status(self) -> dict[str, Any]:
        mine: dict[str, Any] = {"state": self.state, "position": self.position, "lag": self.lag, "thefts": self.thefts, "rewrites": self.rewrites}
        mine["canary_seconds"] = round(self.canary_seconds, 3) if self.canary_seconds is not None else None
        return mine | vars(self.counts)
