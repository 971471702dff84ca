"""What the units of the suite do with what they hear: one effect per event; beta answers, sets timers and plans letters."""

import asyncio
import os
import random
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from shared.contracts.case import FactRetracted
from shared.contracts.event import Event
from shared.contracts.household import MemberCorrected
from shared.messaging import Envelope, Handlers
from shared.messaging.handlers import Intent, Timer, WorkerContext
from shared.runtime.database import Transaction
from tests.faults import business, markers
from tests.faults.controls import Controls
from tests.faults.town import BY_CODE, answer_to, event, mark_of, wants_intent, wants_timer

_FIRED = text("insert into fired (key) values (:key)")
_LETTER = text("insert into letter (key) values (:key) on conflict (key) do update set asked = letter.asked + 1")
_SLEEP = text("select pg_sleep(:seconds)")


def of(unit: str, controls: Controls) -> Handlers:
    handlers = Handlers()
    if BY_CODE[unit].consumes:
        _hear(handlers, unit, controls)
        handlers.ignore(*_not_ours(handlers))
    _later(handlers)
    return handlers


def _hear(handlers: Handlers, unit: str, controls: Controls) -> None:
    @handlers.on(*_known())
    async def heard(tx: Transaction, happened: Event, envelope: Envelope) -> None:
        mark = mark_of(happened)
        await business.note(tx, envelope, mark)
        await _trouble(tx, unit, envelope, controls)
        if unit == "beta":
            await _answer(tx, envelope, mark)


def _known() -> tuple[type[Event], ...]:
    kinds: tuple[type[Any], ...] = (MemberCorrected, FactRetracted)
    if os.environ.get("FAULTS_FUTURE"):
        from tests.faults.future import KINDS

        return (*kinds, *KINDS)
    return kinds


def _not_ours(handlers: Handlers) -> list[str]:
    return handlers.missing(("household", "fact"))


async def _answer(tx: Transaction, envelope: Envelope, mark: Any) -> None:
    said = answer_to(mark)
    await business.write(tx, envelope.subject, "fact", [said])
    tx.publish(event("fact", envelope.subject, said))
    if wants_timer(mark):
        tx.schedule("look_again", str(mark), tx.now + timedelta(seconds=1), None)
    if wants_intent(mark):
        tx.intend("letter", str(mark), {})


async def _trouble(tx: Transaction, unit: str, envelope: Envelope, controls: Controls) -> None:
    """What the faults wish: each of these must cost time at most. An exception that quotes a person must not reach a log."""
    wishes = controls.wishes
    if unit == "beta" and str(envelope.subject) in wishes.poison:
        raise RuntimeError(f"cannot handle {markers.PERSON['name']}")
    if wishes.glitch and random.random() < wishes.glitch:
        raise RuntimeError(f"passing trouble with {markers.PERSON['sentence']}")
    if wishes.slow and random.random() < 0.05:
        await tx.execute(_SLEEP, {"seconds": wishes.slow})
    if wishes.linger == unit:
        controls.lingering().touch()
        await asyncio.sleep(0.5)
        controls.lingering().unlink(missing_ok=True)


def _later(handlers: Handlers) -> None:
    @handlers.timer("look_again")
    async def due(tx: Transaction, timer: Timer) -> None:
        await tx.execute(_FIRED, {"key": timer.key})

    @handlers.intent("letter")
    async def send(intent: Intent, context: WorkerContext) -> None:
        """The other side knows our key: a second request for the same letter sends nothing."""
        async with context.db.transaction() as tx:
            await tx.execute(_LETTER, {"key": intent.key})
