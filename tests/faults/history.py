"""The history checker: what happened, as rows of the databases and messages of the streams, judged without any code of the backbone.

Pure. It is handed a `History` and gives findings; an empty tuple is the promise kept. I1 … I7 are backbone.md §2.15.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

Stream = tuple[str, str, UUID]


class Kind(StrEnum):
    MISSING = "missing"  # I1: no effect of a committed event
    DUPLICATE = "duplicate"  # I1: more than one
    DISORDER = "disorder"  # I2
    NUMBERING = "numbering"  # I2: the sequence is not the number drawn under the business lock
    INVENTED = "invented"  # I3: an effect or a message of something nobody committed
    LOST_COMMIT = "lost_commit"  # the database acknowledged it and has it no longer
    UNSAID = "unsaid"  # committed without its event, or the event is not in the stream
    WAITING = "waiting"  # I4
    LEAK = "leak"  # I5
    UNLINKED = "unlinked"  # I6: an answer whose cause is not the event it answers
    SILENT = "silent"  # I7: an alarm that should have come
    LATER = "later"  # a timer or a letter that did not happen exactly once


@dataclass(frozen=True)
class Finding:
    kind: Kind
    unit: str
    what: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A business row: `n` was drawn under the household's business lock."""

    source: str
    channel: str
    household: UUID
    n: int
    mark: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """An outbox row; `mark` stands in its payload."""

    source: str
    channel: str
    household: UUID
    seq: int
    pos: int
    event: UUID
    mark: UUID


@dataclass(frozen=True, slots=True)
class Effect:
    unit: str
    n: int
    source: str
    channel: str
    household: UUID
    seq: int
    event: UUID
    mark: UUID
    cause: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message in a stream; `event` None when its headers cannot be read."""

    source: str
    position: int
    event: UUID | None


@dataclass(frozen=True)
class History:
    #: unit → (source, channel) it is registered for
    consumers: Mapping[str, frozenset[tuple[str, str]]]
    committed: tuple[Committed, ...] = ()
    said: tuple[Said, ...] = ()
    effects: tuple[Effect, ...] = ()
    messages: tuple[Message, ...] = ()
    #: marks whose commit the database acknowledged to a writer
    acknowledged: frozenset[UUID] = frozenset()
    #: (unit, what waits) → how many: pending, held, parked, timers, intents
    waiting: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: beta's answers: mark of the answer → mark of what it answers
    answers: Mapping[UUID, UUID] = field(default_factory=dict)
    #: (kind, key) → (wanted, happened)
    later: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def judge(history: History) -> tuple[Finding, ...]:
    """All findings; none means that every promise was kept."""
    return tuple(finding for check in CHECKS for finding in check(history))


def once(history: History) -> Iterator[Finding]:
    """I1: every committed event has exactly one effect at every unit registered for it."""
    times = Counter((effect.unit, effect.mark) for effect in history.effects)
    for unit, row in _expected(history):
        count = times[unit, row.mark]
        if count != 1:
            kind = Kind.MISSING if count == 0 else Kind.DUPLICATE
            yield Finding(kind, unit, f"{row.source}/{row.channel}/{row.household} n={row.n}: {count} effects", row.at)


def in_order(history: History) -> Iterator[Finding]:
    """I2: the effects of a household come in the order of its numbers, one after the other."""
    last: dict[tuple[str, Stream], int] = {}
    for effect in sorted(history.effects, key=lambda effect: (effect.unit, effect.n)):
        key = (effect.unit, (effect.source, effect.channel, effect.household))
        if effect.seq != last.get(key, 0) + 1:
            yield Finding(
                Kind.DISORDER, effect.unit, f"{'/'.join(map(str, key[1]))}: {effect.seq} after {last.get(key, 0)}", effect.at
            )  # fmt: skip
        last[key] = max(effect.seq, last.get(key, 0))


def numbered_as_committed(history: History) -> Iterator[Finding]:
    """I2: sequence order is commit order, and position order as well."""
    numbers = {(row.source, row.mark): row for row in history.committed}
    positions: dict[Stream, int] = defaultdict(int)
    for said in sorted(history.said, key=lambda said: (said.source, said.channel, said.household, said.seq)):
        row = numbers.get((said.source, said.mark))
        if row is not None and row.n != said.seq:
            yield Finding(Kind.NUMBERING, said.source, f"{said.channel}/{said.household}: seq {said.seq} is business number {row.n}", row.at)
        stream = (said.source, said.channel, said.household)
        if said.pos <= positions[stream]:
            yield Finding(Kind.NUMBERING, said.source, f"{said.channel}/{said.household}: position {said.pos} of seq {said.seq} goes back")
        positions[stream] = said.pos


def nothing_invented(history: History) -> Iterator[Finding]:
    """I3: no effect without a committed event, no message that no unit committed."""
    committed = {(row.source, row.mark) for row in history.committed}
    for effect in history.effects:
        if (effect.source, effect.mark) not in committed:
            yield Finding(Kind.INVENTED, effect.unit, f"effect of {effect.source}/{effect.channel}/{effect.household} seq={effect.seq}", effect.at)
        if (effect.source, effect.channel) not in history.consumers[effect.unit]:
            yield Finding(Kind.INVENTED, effect.unit, f"is not registered for {effect.source}/{effect.channel}", effect.at)
    events = {(said.source, said.event) for said in history.said}
    for message in history.messages:
        if (message.source, message.event) not in events:
            yield Finding(Kind.INVENTED, message.source, f"message {message.position} of the stream is in no outbox")


def all_said(history: History) -> Iterator[Finding]:
    """Every business row has one event, and every event is in the stream."""
    times = Counter((said.source, said.mark) for said in history.said)
    for row in history.committed:
        if times[row.source, row.mark] != 1:
            yield Finding(Kind.UNSAID, row.source, f"{row.channel}/{row.household} n={row.n}: {times[row.source, row.mark]} outbox rows", row.at)
    stored = {(message.source, message.event) for message in history.messages}
    for said in history.said:
        if (said.source, said.event) not in stored:
            yield Finding(Kind.UNSAID, said.source, f"{said.channel}/{said.household} seq={said.seq} is not in the stream")


def nothing_acknowledged_lost(history: History) -> Iterator[Finding]:
    committed = {row.mark for row in history.committed}
    for mark in sorted(history.acknowledged - committed):
        yield Finding(Kind.LOST_COMMIT, "", str(mark))


def at_rest(history: History) -> Iterator[Finding]:
    """I4."""
    for (unit, what), count in history.waiting.items():
        if count:
            yield Finding(Kind.WAITING, unit, f"{what}: {count}")


def linked(history: History) -> Iterator[Finding]:
    """I6: an answer names the event that caused it."""
    event_of = {said.mark: said.event for said in history.said}
    for effect in history.effects:
        asked = history.answers.get(effect.mark)
        if asked is not None and effect.cause != event_of.get(asked):
            yield Finding(Kind.UNLINKED, effect.unit, f"answer {effect.event} names {effect.cause}", effect.at)


def later_once(history: History) -> Iterator[Finding]:
    """Durable timers fire once; a letter is sent once (the other side knows our key)."""
    for (kind, key), (wanted, happened) in history.later.items():
        if wanted != happened:
            yield Finding(Kind.LATER, "beta", f"{kind} {key}: wanted {wanted}, happened {happened}")


def nothing_leaked(history: History) -> Iterator[Finding]:
    """I5."""
    yield from (Finding(Kind.LEAK, "", place) for place in history.leaks)


def alarms_came(history: History) -> Iterator[Finding]:
    """I7."""
    yield from (Finding(Kind.SILENT, "", alarm) for alarm in history.silent)


CHECKS: tuple[Callable[[History], Iterable[Finding]], ...] = (
    once,
    in_order,
    numbered_as_committed,
    nothing_invented,
    all_said,
    nothing_acknowledged_lost,
    at_rest,
    linked,
    later_once,
    nothing_leaked,
    alarms_came,
)


def _expected(history: History) -> Iterator[tuple[str, Committed]]:
    for row in history.committed:
        for unit, registered in history.consumers.items():
            if (row.source, row.channel) in registered:
                yield unit, row
