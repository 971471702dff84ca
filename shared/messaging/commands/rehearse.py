"""What a release would do, tried with the unit's real handlers in a transaction that is rolled back."""

import importlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from shared.messaging import held
from shared.messaging.commands.place import Place
from shared.messaging.commands.say import ATTENTION, Refused
from shared.messaging.delivery import Delivery
from shared.messaging.failures import reason_of
from shared.messaging.handlers import Handlers
from shared.messaging.inbox import Inbox
from shared.messaging.names import consumer_name
from shared.runtime.database import Database, Transaction

_EPOCH = text("select epoch from consumer_cursor where name = :name")
_OK = text("update consumer_subject set state = 'ok', reason = null where source = :source and household = :household")
#: The worker's batches wait while this looks: not for long.
_IMPATIENT = text("set local lock_timeout = '5s'")


@dataclass(frozen=True)
class Rehearsed:
    """One held event: applied or not, why not, and how many events, intents and timers its handlers would add."""

    channel: str
    seq: int
    type: str
    applied: bool
    reason: str | None
    events: int = 0
    intents: int = 0
    timers: int = 0


class _RollBack(Exception):
    pass


def handlers_of(place: Place, db: Database) -> Handlers:
    """What the unit's worker would run. Refused when the unit's code cannot be imported here."""
    try:
        module = importlib.import_module(f"{place.unit.package}.worker")
    except ImportError as error:
        raise Refused(
            f"{place.unit.code} のコードがここにありません（{error.name}）。そのユニットの環境で実行してください。",
            f"The code of {place.unit.code} is not installed here ({error.name}). Run this in that unit's environment.", ATTENTION,
        ) from None  # fmt: skip
    found: Handlers = module.create_worker(place.settings, db).handlers
    return found


async def rehearse(place: Place, db: Database, source: str, household: UUID, *, skip: bool = False) -> list[Rehearsed]:
    """Releases (or skips and goes on) and takes it all back. The list ends with the first event that still fails."""
    inbox = Inbox(consumer_name(place.unit.code, source), source, handlers_of(place, db))
    done: list[Rehearsed] = []
    try:
        async with db.transaction() as tx:
            await tx.execute(_IMPATIENT)
            epoch = await tx.scalar(_EPOCH, {"name": inbox.name})
            await held.request_release(tx, source, household, skip=skip)
            await tx.execute(_OK, {"source": source, "household": household})
            while (waiting := await held.next_held(tx.connection, source, household)) and (not done or done[-1].applied):
                done.append(await _try(tx, inbox, epoch, waiting))
            raise _RollBack
    except _RollBack:
        return done


async def _try(tx: Transaction, inbox: Inbox, epoch: int, delivery: Delivery) -> Rehearsed:
    envelope = delivery.envelope
    assert envelope is not None, "only readable events are held"
    known = (envelope.channel, envelope.seq, envelope.type)
    if not inbox.knows(delivery):
        return Rehearsed(*known, False, "unknown_type")
    before = _said(tx)
    try:
        async with tx.connection.begin_nested():
            await inbox.take_held(tx, epoch, delivery)
    except Exception as error:
        return Rehearsed(*known, False, reason_of(error))
    return Rehearsed(*known, True, None, *(now - then for now, then in zip(_said(tx), before, strict=True)))


def _said(tx: Transaction) -> tuple[int, int, int]:
    return len(tx._events), len(tx._intents), len(tx._timers)
