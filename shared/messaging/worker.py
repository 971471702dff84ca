"""The worker of a unit: connection, relay, consumers, timers, intents, responders, and one second's heartbeat for their leases.

Every part is supervised: what stops by an exception is started again with a growing pause. A broker or a database that is
away at start is waited for; nothing here ends the process.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from shared.messaging import repair, requests
from shared.messaging.audit import Auditor
from shared.messaging.consume import Consumer
from shared.messaging.failures import reason_of
from shared.messaging.handlers import Handlers, WorkerContext
from shared.messaging.intents import Intents
from shared.messaging.leases import Leases
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.names import REPAIR, source_in
from shared.messaging.relay import LEASE, Relay
from shared.messaging.repair import Gaps
from shared.messaging.timers import Timers
from shared.messaging.waiting import ended, unless
from shared.runtime.announce import hear_announcements
from shared.runtime.database import Database
from shared.runtime.erasure import hear_erasures
from shared.runtime.rights import hear_rights
from shared.runtime.seen import SEEN, serve_seen
from shared.runtime.sessions import hear_sessions
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from shared.runtime.unusual import serve_unusual

log = logging.getLogger("tsunagari.messaging")

#: seconds between looks for released households; every so many looks also for new consumers
LOOK_EVERY, LOOKS = 2.0, 5
LOOK_AGAIN = 0.3
FINISH_WITHIN = 20.0
#: not ready when events wait longer than this, a consumer stands still while the broker has something for it, or a gap does not close
LATE_AFTER, STILL_AFTER, GAP_AFTER = 30.0, 60.0, 300.0

_ASKED = text(
    """
    select name, stream_seq, exists (select from consumer_subject s where s.source = c.source and s.state = 'releasing') as releasing
    from consumer_cursor c
    """
)


class Worker:
    """`start` returns at once; `status` says how far it is; `stop` finishes what is in hand and gives the leases back."""

    def __init__(self, unit: Unit, settings: Settings, db: Database, handlers: Handlers) -> None:
        self.unit, self.db = unit, db
        self.handlers = handlers.copy()
        hear_announcements(self.handlers)
        hear_rights(self.handlers)
        hear_sessions(self.handlers)
        hear_erasures(self.handlers, unit, settings.city_parameters)
        if unit.publishes:
            self.handlers.serve(REPAIR)(repair.answer)
        if SEEN in unit.serves and SEEN not in self.handlers.responders:
            serve_seen(self.handlers)
        if self.handlers.relation:
            serve_unusual(self.handlers, self.handlers.relation, settings.city_parameters)
        self.handlers.check()
        if unheard := self.handlers.missing(subscription.channel for subscription in unit.consumes):
            log.warning("events_without_handler unit=%s %s", unit.code, " ".join(unheard))
        self._stopping = asyncio.Event()
        self._wakes = [asyncio.Event() for _ in range(3)]
        self.link = Link(unit.code, settings)
        self.leases = Leases(db.engine, f"{settings.instance}/{uuid4().hex[:8]}")
        self.context = WorkerContext(db, self._ask, self._stopping)
        self.relay = Relay(unit, db.engine, self.link, self.leases, self._wakes[0])
        self.timers = Timers(db, self.handlers.timers, self._wakes[1])
        self.intents = Intents(self.context, self.handlers.intents, self._wakes[2])
        self.gaps = Gaps(self.context)
        self.auditor = Auditor(db, self.link, unit, self.leads_relay, self._stopping)
        self.responders = requests.Responders(unit.code, self.handlers, self.context)
        self.consumers: dict[str, Consumer] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self.started_at = time.monotonic()
        self._turn = asyncio.Lock()

    async def _ask(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
        return await requests.ask(self.link, self.unit.code, subject, request, timeout)

    async def start(self) -> None:
        self.started_at = time.monotonic()
        self.link.on_client.append(self.responders.subscribe)
        self.leases.want([LEASE] if self.unit.publishes else [])
        for name, part in (("link", self.link.keep), ("leases", self.leases.keep), ("wake", self._pass_on_wakes), ("look", self._look_around)):
            self._supervise(self._carrying, name, part)
        working = {"timers": self.timers.run, "intents": self.intents.run, "gaps": self.gaps.run}
        if self.unit.publishes:
            working |= {"relay": self.relay.run, "audit": self.auditor.run}
        for name, part in working.items():
            self._supervise(self._working, name, part)

    def leads_relay(self) -> bool:
        return self.leases.epoch(LEASE) is not None and self.relay.own.is_known

    async def stop(self) -> None:
        """At most about 25 seconds; what is not finished by then is rolled back and done by the next worker."""
        self._stopping.set()
        self.relay.stop()
        self.timers.stop()
        self.intents.stop()
        for consumer in self.consumers.values():
            consumer.stop()
        await self.responders.finish()
        if self._working:
            await asyncio.wait(self._working, timeout=FINISH_WITHIN)
        await ended(self._working | self._carrying)
        try:
            async with asyncio.timeout(3):
                await self.leases.release()
        except Exception as error:  # the database is away; the leases run out by themselves
            log.info("leases_not_released reason=%s", reason_of(error))
        await self.link.close()

    def _supervise(self, tasks: set[asyncio.Task[None]], name: str, part: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._again_and_again(name, part), name=f"{self.unit.code}/{name}")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _again_and_again(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await part()
                return
            except Exception as error:
                log.error("part_restarts unit=%s part=%s reason=%s", self.unit.code, name, reason_of(error))
            pause = 0.1 if time.monotonic() - began > 30 else min(pause * 2, 5.0)
            await unless(self._stopping, asyncio.sleep(pause))

    async def _pass_on_wakes(self) -> None:
        """A commit in this process wakes relay, timers and intents at once; other processes' commits are found by polling."""
        while True:
            await self.db.wake.wait()
            self.db.wake.clear()
            for wake in self._wakes:
                wake.set()

    async def _look_around(self) -> None:
        """Finds the consumers provisioned for this unit (a new domain needs no release here), their lag, and what an operator asked for."""
        while self.unit.consumes:
            await self.link.up.wait()
            try:
                await self._discover()
                await asyncio.gather(*(consumer.measure() for consumer in self.consumers.values()))
                await asyncio.gather(*(consumer.look_at_stream() for consumer in self.consumers.values()))
            except (BrokerError, *AWAY) as error:
                log.info("looking_around_failed unit=%s error=%s", self.unit.code, type(error).__name__)
                await asyncio.sleep(LOOK_AGAIN)
                continue
            for _ in range(LOOKS if self.consumers else 1):
                await asyncio.sleep(LOOK_EVERY)
                await self._pass_on_orders()

    async def _discover(self) -> None:
        found: dict[str, str] = {}
        for stream in (await self.link.api("STREAM.NAMES")).get("streams") or []:
            if stream.startswith("EVT_"):
                names = (await self.link.api(f"CONSUMER.NAMES.{stream}")).get("consumers") or []
                found |= {name: source for name in names if (source := source_in(name, self.unit.code))}
        for name in set(self.consumers) - set(found):
            self.consumers.pop(name).stop()
        for name in set(found) - set(self.consumers):
            consumer = self.consumers[name] = Consumer(self.unit.code, found[name], self.db, self.link, self.leases, self.handlers, self._turn)
            self._supervise(self._working, name, consumer.run)
        self.leases.want(found)

    async def _pass_on_orders(self) -> None:
        """A released household, a position set back: the consumer that leads begins again from what the database says."""
        stood = {name: consumer.position for name, consumer in self.consumers.items() if consumer.state == "consuming"}
        async with self.db.read() as rd:
            rows = await rd.rows(_ASKED)
        for row in rows:
            consumer = self.consumers.get(row.name)
            if consumer and (row.releasing or row.stream_seq < stood.get(row.name, 0)):
                consumer.nudge("asked by an operator")

    def status(self) -> dict[str, Any]:
        """For /readyz and the operators: counts and states, judged by progress and not by an open connection."""
        reasons = [f"{consumer.name} stands still" for consumer in self.consumers.values() if consumer.still_seconds > STILL_AFTER]
        if not self.link.up.is_set():
            reasons.append("no connection to NATS")
        if self.relay.pending_seconds > LATE_AFTER:
            reasons.append("events wait for the broker")
        if self.timers.overdue_seconds > STILL_AFTER:
            reasons.append("timers are overdue")
        if self.relay.own.older:
            reasons.append("the database is older than the stream: adopt-stream")
        if self.gaps.longest > GAP_AFTER:
            reasons.append("events are missing and their source does not send them again")
        return {
            "ready": not reasons,
            "reasons": reasons,
            "nats": {"connected": self.link.up.is_set(), "denied": self.link.denied, "last_error": self.link.last_error},
            "relay": {
                "state": self.relay.state,
                "oldest_pending_seconds": round(self.relay.pending_seconds, 1),
                "published": self.relay.published,
                "fallbacks": self.relay.fallbacks,
                "blocked": self.relay.blocked,
                "lost": self.relay.own.lost,
                "older": self.relay.own.older,
            },
            "gaps": {"households": self.gaps.count, "longest_seconds": round(self.gaps.longest, 1), "asked": self.gaps.asked},
            "audit": vars(self.auditor.total),
            "consumers": {consumer.name: consumer.status() for consumer in self.consumers.values()},
            "timers": {"fired": self.timers.fired, "failed": self.timers.failed, "overdue_seconds": round(self.timers.overdue_seconds, 1)},
            "intents": {"done": self.intents.done, "waiting_for_a_person": self.intents.waiting_for_a_person},
        }
