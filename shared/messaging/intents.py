"""Effects outside the database, planned as rows in the transaction, done after commit.

States: pending → done; unknown (it may have happened and must not be repeated blindly); given_up (it cannot succeed).
The last two wait for a person. That is the honest limit of "exactly once": the other side must know our idempotency key.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, retry_if_not_exception_type, stop_after_attempt, wait_exponential_jitter

from shared.messaging import sql
from shared.messaging.failures import reason_of
from shared.messaging.handlers import GiveUp, Intent, IntentHandler, OutcomeUnknown, WorkerContext
from shared.messaging.waiting import unless, woken
from shared.runtime import telemetry
from shared.runtime.problems import Refusal

log = logging.getLogger("tsunagari.messaging")

LOOK_EVERY = 1.0
AT_ONCE = 8
TIME_LIMIT = 120.0
#: quick tries inside one claim, for what passes in a moment
QUICK_TRIES = 3
#: claims before a person has to look: with pauses up to fifteen minutes, more than three hours
GIVE_UP_AFTER = 20

_STORE = """
insert into intent (kind, key, payload, created_at, traceparent)
select kind, key, payload::jsonb, $4, $5 from unnest($1::text[], $2::text[], $3::text[]) as i(kind, key, payload)
on conflict (kind, key) do nothing
"""
#: `materialized`: as a subquery of the update it may be run once per row, and then claims more than it may.
_CLAIM = """
with due as materialized (
    select kind, key from intent where state = 'pending' and kind = any($1::text[]) and try_at <= clock_timestamp() and claimed_until is null
    order by try_at limit $3 for update skip locked)
update intent i set claimed_until = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
from due where i.kind = due.kind and i.key = due.key
returning i.kind, i.key, i.payload::text as payload, i.attempts, i.traceparent
"""
#: claims whose worker died: repeatable ones go back, of the others nobody knows
_ORPHANS = """
update intent set claimed_until = null, state = case when kind = any($2::text[]) then 'pending' else 'unknown' end
where state = 'pending' and kind = any($1::text[]) and claimed_until < clock_timestamp()
"""
_SETTLE = """
update intent set state = $3, last_error = $4, claimed_until = null, try_at = clock_timestamp() + make_interval(secs => $5),
    settled_at = case when $3 = 'pending' then null else clock_timestamp() end
where kind = $1 and key = $2 and state = 'pending'
"""


async def store(connection: AsyncConnection, planned: Sequence[tuple[str, str, dict[str, Any]]], now: datetime) -> None:
    """One row per (kind, key), ever: planning the same again changes nothing."""
    kinds, keys, payloads = zip(*((kind, key, json.dumps(payload, default=str)) for kind, key, payload in planned), strict=True)
    await sql.run(connection, _STORE, list(kinds), list(keys), list(payloads), now, telemetry.context_headers()[0])


class Intents:
    def __init__(self, context: WorkerContext, handlers: Mapping[str, IntentHandler], wake: asyncio.Event) -> None:
        self._context, self._handlers, self._wake = context, handlers, wake
        self._kinds = sorted(handlers)
        self._repeatable = sorted(kind for kind, handler in handlers.items() if handler.repeatable)
        self.done = 0
        self.waiting_for_a_person = 0

    def stop(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        stopping = self._context.stopping
        while self._kinds and not stopping.is_set():
            self._wake.clear()
            while not stopping.is_set() and (claimed := await self._claim()):  # never claim what will not be executed
                await asyncio.gather(*(self._execute(row) for row in claimed))
            await woken(self._wake, LOOK_EVERY)

    async def _claim(self) -> Sequence[Row[Any]]:
        async with self._context.db.transaction() as tx:
            await sql.run(tx.connection, _ORPHANS, self._kinds, self._repeatable)
            return await sql.rows(tx.connection, _CLAIM, self._kinds, TIME_LIMIT + 30, AT_ONCE)

    async def _execute(self, row: Row[Any]) -> None:
        intent = Intent(row.kind, row.key, json.loads(row.payload), row.attempts)
        with telemetry.span(f"intent {intent.kind}", cause=(row.traceparent, None)):
            state, error = await self._outcome(intent, self._handlers[row.kind])
        pause = min(5 * 2 ** (intent.attempt - 1), 900) if state == "pending" else 0
        async with self._context.db.transaction() as tx:
            await sql.run(tx.connection, _SETTLE, intent.kind, intent.key, state, error, pause)
        self.done += state == "done"
        if state in ("unknown", "given_up"):
            self.waiting_for_a_person += 1
            log.error("intent_waits_for_a_person kind=%s state=%s reason=%s", intent.kind, state, error)

    async def _outcome(self, intent: Intent, handler: IntentHandler) -> tuple[str, str | None]:
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await self._quickly(handler)(handler.run, intent, self._context)
        except GiveUp as error:
            return "given_up", reason_of(error)
        except OutcomeUnknown as error:
            return "unknown", reason_of(error)
        except Exception as error:
            if isinstance(error, TimeoutError) and not handler.repeatable:
                return "unknown", reason_of(error)
            return ("given_up" if intent.attempt >= GIVE_UP_AFTER else "pending"), reason_of(error)
        return "done", None

    def _quickly(self, handler: IntentHandler) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_not_exception_type((GiveUp, OutcomeUnknown, Refusal, asyncio.CancelledError)),
            stop=stop_after_attempt(QUICK_TRIES if handler.repeatable else 1),
            wait=wait_exponential_jitter(multiplier=0.1, max=2),
            sleep=lambda seconds: unless(self._context.stopping, asyncio.sleep(seconds)),
            reraise=True,
        )
