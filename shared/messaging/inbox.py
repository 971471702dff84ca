"""Deliveries into one transaction: position, sequence and effects commit together or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from shared.contracts.event import Event
from shared.contracts.retention import HouseholdErased
from shared.messaging import held, positions
from shared.messaging.decide import Verdict, decide
from shared.messaging.delivery import Delivery
from shared.messaging.envelope import Envelope, read_event
from shared.messaging.handlers import Handlers
from shared.messaging.positions import Positions
from shared.runtime import telemetry
from shared.runtime.database import Transaction

#: channels on which an erased household is still spoken of: the erasure itself, its receipts, and what concerns staff, not the household
AFTER_ERASURE = frozenset({"retention", "receipt", "domain", "session", "access"})
#: an event younger than this continues the trace that created it; a replay of last year must not
LIVE = timedelta(minutes=15)


@dataclass
class Handling(Transaction):
    """The batch's transaction as one handler sees it: what it publishes carries the event it handles as its cause."""

    envelope: Envelope | None = None

    def publish(self, *events: Event, causation: Envelope | None = None) -> None:
        super().publish(*events, causation=causation or self.envelope)


@dataclass
class Counts:
    applied: int = 0
    duplicates: int = 0
    held: int = 0
    parked: int = 0
    skipped: int = 0
    canaries: int = 0

    def __iadd__(self, other: "Counts") -> "Counts":
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))
        return self


class Inbox:
    """Of one consumer `name` of one `source`."""

    def __init__(self, name: str, source: str, handlers: Handlers) -> None:
        self.name, self.source, self.handlers = name, source, handlers

    def knows(self, delivery: Delivery) -> bool:
        return delivery.envelope is not None and self.handlers.knows(delivery.envelope.channel, delivery.envelope.type)

    async def take(self, tx: Transaction, epoch: int, deliveries: Sequence[Delivery], *, drain: bool) -> Counts:
        """Applies, skips, holds or parks each delivery, moves the position. Raises Fenced, or whatever a handler raises."""
        counts = Counts()
        state = await self._load(tx, epoch, deliveries)
        for delivery in deliveries:
            if delivery.stream_seq <= state.stream_seq:
                counts.duplicates += 1
                continue
            applied = await self._one(tx, state, delivery, counts)
            state.passed(delivery)
            if drain and applied and delivery.household in state.with_held:
                await self._drain(tx, state, delivery.household, counts)
        await state.save(tx.connection)
        return counts

    async def take_held(self, tx: Transaction, epoch: int, delivery: Delivery) -> Counts:
        """Applies one held event that nothing stands in the way of."""
        counts = Counts()
        state = await self._load(tx, epoch, [delivery])
        await self._held_one(tx, state, delivery, counts)
        await state.save(tx.connection)
        return counts

    async def park(self, tx: Transaction, epoch: int, delivery: Delivery, reason: str) -> Counts:
        """Sets one failing event aside, and with it its household; the position moves on."""
        state = await self._load(tx, epoch, [delivery])
        await self._set_aside(tx, state, delivery, reason)
        if delivery.held:
            await held.forget(tx.connection, self.source, delivery)
        else:
            state.passed(delivery)
        await state.save(tx.connection)
        return Counts(parked=1)

    async def _load(self, tx: Transaction, epoch: int, deliveries: Sequence[Delivery]) -> Positions:
        households = {household for delivery in deliveries if (household := delivery.household)}
        return await positions.load(tx.connection, self.name, self.source, epoch, households)

    async def _one(self, tx: Transaction, state: Positions, delivery: Delivery, counts: Counts) -> bool:
        """True when it was applied: what was held behind it may go on."""
        envelope = delivery.envelope
        if delivery.canary:
            counts.canaries += 1
            return False
        if envelope is None:
            await self._set_aside(tx, state, delivery, str(delivery.content))
            counts.parked += 1
            return False
        match decide(state.state(envelope.subject, envelope.channel), envelope.seq):
            case Verdict.DUPLICATE:
                counts.duplicates += 1
            case Verdict.APPLY if self.handlers.knows(envelope.channel, envelope.type):
                await self._apply(tx, state, delivery, envelope, counts)
                return True
            case Verdict.APPLY:
                state.set_aside(envelope.subject, envelope.channel, "unknown_type")
                await self._hold(tx, state, delivery, envelope, "unknown_type", counts)
            case verdict:
                await self._hold(tx, state, delivery, envelope, verdict.value, counts)
        return False

    async def _apply(self, tx: Transaction, state: Positions, delivery: Delivery, envelope: Envelope, counts: Counts) -> None:
        gone = envelope.subject in state.erased and envelope.channel not in AFTER_ERASURE
        if envelope.type in self.handlers.events and not gone:
            await self._handle(tx, envelope, read_event(envelope, delivery.data))
            if envelope.type == HouseholdErased.type_name():
                state.erased.add(envelope.subject)
            counts.applied += 1
        else:
            counts.skipped += 1
        state.applied(envelope.subject, envelope.channel, envelope.seq)

    async def _handle(self, tx: Transaction, envelope: Envelope, event: Event) -> None:
        with _process_span(self.name, envelope) as here:
            seen = replace(envelope, handled_in=here) if here else envelope
            for handler in self.handlers.events[envelope.type]:
                await handler(Handling(**vars(tx), envelope=seen), event, seen)  # its lists are the transaction's own

    async def _drain(self, tx: Transaction, state: Positions, household: UUID, counts: Counts) -> None:
        """Round after round until nothing moves: a producer that numbers its positions wrongly must not leave anything lying."""
        waiting = await held.held_of(tx.connection, self.source, household)
        before = len(waiting) + 1
        while len(waiting) < before:
            before = len(waiting)
            waiting = [delivery for delivery in waiting if not await self._held_one(tx, state, delivery, counts)]

    async def _held_one(self, tx: Transaction, state: Positions, delivery: Delivery, counts: Counts) -> bool:
        """True when it is held no longer."""
        envelope = delivery.envelope
        assert envelope is not None, "only readable events are held"
        match decide(state.state(envelope.subject, envelope.channel), envelope.seq):
            case Verdict.DUPLICATE:
                pass
            case Verdict.APPLY if self.handlers.knows(envelope.channel, envelope.type):
                await self._apply(tx, state, delivery, envelope, counts)
            case Verdict.APPLY:
                state.set_aside(envelope.subject, envelope.channel, "unknown_type")
                return False
            case _:
                return False
        await held.forget(tx.connection, self.source, delivery)
        return True

    async def _hold(self, tx: Transaction, state: Positions, delivery: Delivery, envelope: Envelope, reason: str, counts: Counts) -> None:
        state.expect(envelope.subject, envelope.channel)
        await held.hold(tx.connection, self.source, delivery, reason)
        counts.held += 1

    async def _set_aside(self, tx: Transaction, state: Positions, delivery: Delivery, reason: str) -> None:
        await held.park(tx.connection, self.source, delivery, reason)
        if delivery.household is not None:
            # Without a readable envelope the channel is the subject's: evt.<unit>.<channel>.…
            channel = delivery.envelope.channel if delivery.envelope else delivery.subject.split(".")[2]
            state.set_aside(delivery.household, channel, reason)


@contextmanager
def _process_span(consumer: str, envelope: Envelope) -> Iterator[str | None]:
    """One span per event: always linked to its creation, and inside its trace while that is live. Gives what derived events are created in."""
    created = telemetry.extract(envelope.traceparent, envelope.tracestate)
    live = datetime.now(UTC) - envelope.recorded_at < LIVE
    if not telemetry.recording():
        with telemetry.within(created if live else Context()):
            yield envelope.traceparent if live else None
        return
    link = telemetry.link_to(created)
    name = envelope.type.removeprefix("jp.tsunagari.")
    attributes = {
        "messaging.system": "nats",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": f"evt.{envelope.source}.{name}",
        "messaging.consumer.group.name": consumer,
        "messaging.message.id": str(envelope.id),
    }
    with telemetry.tracer().start_as_current_span(
        f"process {name}",
        context=created if live else Context(),
        kind=SpanKind.CONSUMER,
        links=[link] if link else [],
        attributes=attributes,
        record_exception=False,
    ):
        telemetry.annotate(event_id=envelope.id, event_type=envelope.type)
        yield telemetry.context_headers()[0]
