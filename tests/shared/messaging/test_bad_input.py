"""backbone.md §2.13: whatever a producer puts on the wire, an operator sees it with its reason and everybody else's events flow.

Never a crash, never a silent skip. The messages go over a plain socket: no client library stands between the nonsense and the broker.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from shared.contracts.event import HouseholdId
from shared.messaging import Worker
from shared.messaging.envelope import MAX_DATA, encode, stamp, subject_of
from shared.runtime.testing import eventually
from tests.shared.messaging.town import BETA, Town, household, registered

HOME = HouseholdId(UUID("6b1f0000-0000-4000-8000-00000000000a"))
ELSEWHERE = HouseholdId(UUID("6b1f0000-0000-4000-8000-00000000000b"))
_DEAD = "select household, channel, seq, type, reason, stream_seq from dead_event order by id"
_HELD = "select household, channel, seq, type, reason from held_event order by stream_seq"
_ASIDE = "select household, reason from consumer_subject where state = 'quarantined'"


@dataclass(frozen=True)
class Letter:
    """One message as bytes. Made right, then spoiled."""

    subject: bytes
    lines: tuple[bytes, ...]
    data: bytes
    first: bytes = b"NATS/1.0"

    @property
    def block(self) -> bytes:
        return b"\r\n".join([self.first, *self.lines, b"", b""])

    def having(self, **changes: str | bytes | None) -> "Letter":
        """Headers replaced (`_` for `-`); None takes one away."""
        lines = dict(line.split(b": ", 1) for line in self.lines)
        for name, value in changes.items():
            key = name.replace("_", "-").encode()
            if value is None:
                del lines[key]
            else:
                lines[key] = value.encode() if isinstance(value, str) else value
        return replace(self, lines=tuple(key + b": " + value for key, value in lines.items()))

    def plus(self, *lines: bytes) -> "Letter":
        return replace(self, lines=self.lines + lines)


def letter(home: HouseholdId = HOME, seq: int = 1) -> Letter:
    event, event_id = registered(home), uuid4()
    headers = stamp(
        encode(event, id=event_id, source="alpha", now=datetime.now(UTC), correlation_id=event_id),
        seq=seq,
        pos=seq,
        traceparent=None,
        tracestate=None,
    )
    lines = tuple(f"{name}: {value}".encode() for name, value in headers.items() if name != "Nats-Msg-Id")
    return Letter(subject_of("alpha", event).encode(), lines, event.model_dump_json().encode())


GOOD = letter()
FIELDS: dict[str, Any] = json.loads(GOOD.data)
NESTED = b"[" * 20_000 + b"]" * 20_000


def filled(size: int) -> bytes:
    """A right event of so many bytes."""
    spare = size - len(json.dumps(FIELDS | {"note": ""}))
    return json.dumps(FIELDS | {"note": "x" * spare}).encode()


#: what is wrong → (message, reason an operator sees, whether it is known whose it was)
UNREADABLE: dict[str, tuple[Letter, str, bool]] = {
    "no headers at all": (replace(GOOD, lines=()), "missing_header", False),
    "no ce-id": (GOOD.having(ce_id=None), "missing_header:ce-id", True),
    "no household": (GOOD.having(ce_subject=None), "missing_header:ce-subject", False),
    "no sequence": (GOOD.having(ce_subjectseq=None), "missing_header:ce-subjectseq", True),
    "empty id": (GOOD.having(ce_id=""), "missing_header:ce-id", True),
    "doubled id": (GOOD.plus(b"ce-id: " + str(uuid4()).encode()), "duplicate_header:ce-id", False),
    "doubled in capitals": (GOOD.plus(b"CE-SUBJECT: " + str(ELSEWHERE).encode()), "duplicate_header:ce-subject", False),
    "doubled, with an endless name": (GOOD.plus(*2 * (b"ce-" + b"n" * 9_000 + b": 1",)), "duplicate_header:ce-" + "n" * 37, False),
    "another CloudEvents version": (GOOD.having(ce_specversion="0.3"), "wrong_version", True),
    "wrong content type": (GOOD.having(ce_datacontenttype="application/xml"), "wrong_content_type", True),
    "type without form": (GOOD.having(ce_type="registered"), "bad_header:ce-type", True),
    "type of major 0": (GOOD.having(ce_type="jp.tsunagari.household.registered.v0"), "bad_header:ce-type", True),
    "channel of another": (GOOD.having(ce_channel="fact"), "bad_header:ce-type", True),
    "id that is none": (GOOD.having(ce_id="1"), "bad_header:ce-id", True),
    "household that is none": (GOOD.having(ce_subject="a family"), "bad_header:ce-subject", False),
    "household in braces": (GOOD.having(ce_subject="{" + str(HOME) + "}"), "bad_header:ce-subject", False),
    "time without zone": (GOOD.having(ce_time="2026-04-01T00:00:00"), "bad_header:ce-time", True),
    "time that is none": (GOOD.having(ce_recordedtime="soon"), "bad_header:ce-recordedtime", True),
    "time before time": (GOOD.having(ce_time="0001-01-01T00:00:00+14:00"), "bad_header:ce-time", True),
    "sequence 0": (GOOD.having(ce_subjectseq="0"), "bad_header:ce-subjectseq", True),
    "sequence negative": (GOOD.having(ce_subjectseq="-1"), "bad_header:ce-subjectseq", True),
    "sequence of 19 digits": (GOOD.having(ce_subjectseq="1" + "0" * 18), "bad_header:ce-subjectseq", True),
    "sequence in other digits": (GOOD.having(ce_subjectseq="١".encode()), "bad_header:ce-subjectseq", True),
    "sequence with a fraction": (GOOD.having(ce_subjectseq="1.0"), "bad_header:ce-subjectseq", True),
    "position 0": (GOOD.having(ce_outboxpos="0"), "bad_header:ce-outboxpos", True),
    "NUL in an id": (GOOD.having(ce_id=b"\x00" * 8), "bad_header:ce-id", True),
    "NUL, percent-encoded": (GOOD.having(ce_id="%00"), "bad_header:ce-id", True),
    "NUL in the household": (GOOD.having(ce_subject=str(HOME).encode() + b"\x00"), "bad_header:ce-subject", False),
    "invalid UTF-8 in a header": (GOOD.having(ce_type=b"\xff\xfe"), "bad_header:ce-type", True),
    "invalid UTF-8, percent-encoded": (GOOD.having(ce_type="%ff%fe"), "bad_header:ce-type", True),
    "absurdly long header": (GOOD.having(ce_type="x" * 10_000), "bad_header:ce-type", True),
    "source of another unit": (GOOD.having(ce_source="/beta"), "foreign_source", True),
    "source without form": (GOOD.having(ce_source="alpha"), "bad_header:ce-source", True),
    "subject of another event": (replace(GOOD, subject=GOOD.subject.replace(b"registered", b"erased")), "wrong_subject", True),
    "subject of another shard": (replace(GOOD, subject=GOOD.subject[:-1] + b"0"), "wrong_subject", True),
    "subject with more at its end": (replace(GOOD, subject=GOOD.subject + b".more"), "wrong_subject", True),
    "household of another shard": (GOOD.having(ce_subject=str(ELSEWHERE)), "wrong_subject", False),
    "more than 48 KiB": (replace(GOOD, data=filled(MAX_DATA + 1)), "too_large", True),
}
#: readable envelope, unreadable event
UNHANDLED: dict[str, tuple[Letter, str]] = {
    "undecodable bytes": (replace(GOOD, data=b"\x80\x81\xfe"), "bad_payload"),
    "empty body": (replace(GOOD, data=b""), "bad_payload"),
    "half a body": (replace(GOOD, data=GOOD.data[:-5]), "bad_payload"),
    "invalid UTF-8 in a field": (replace(GOOD, data=GOOD.data.replace(b"}", b',"note":"\xff"}')), "bad_payload"),
    "NUL bytes": (replace(GOOD, data=b"\x00" * 100), "bad_payload"),
    "a list": (replace(GOOD, data=b"[]"), "bad_payload"),
    "nested beyond reason": (replace(GOOD, data=NESTED), "bad_payload"),
    "a code of no list": (replace(GOOD, data=json.dumps(FIELDS | {"area": "\u0000"}).encode()), "bad_payload"),
    "another household inside": (replace(GOOD, data=json.dumps(FIELDS | {"household_id": str(ELSEWHERE)}).encode()), "subject_differs"),
}
ACCEPTED: dict[str, Letter] = {
    "unknown field": replace(GOOD, data=json.dumps(FIELDS | {"added_later": [1]}).encode()),
    "unknown minor: a header of tomorrow": GOOD.plus(b"ce-minor: 7", b"ce-dataschemaversion: 1.7"),
    "content type with a charset": GOOD.having(ce_datacontenttype="application/json; charset=utf-8"),
    "a clock in the future": GOOD.having(ce_time=(datetime.now(UTC) + timedelta(days=400)).isoformat()),
    "a clock at the end of time": GOOD.having(ce_time="9999-12-31T23:59:59+00:00", ce_recordedtime="9999-12-31T23:59:59+00:00"),
    "a clock of long ago": GOOD.having(ce_time="1970-01-01T00:00:00+00:00", ce_recordedtime="1970-01-01T00:00:00+00:00"),
    "a trace that is none": GOOD.plus(b"ce-traceparent: \x00\xff", b"ce-tracestate: %00" + b"=" * 3000),
    "a thousand other headers": GOOD.plus(*(f"X-{number}: {number}".encode() for number in range(1000))),
    "lines that are no headers": GOOD.plus(b"", b": nameless", b"\xff\xfe: 1", b"no colon"),
    "exactly 48 KiB": replace(GOOD, data=filled(MAX_DATA)),
}
UNKNOWN: dict[str, Letter] = {
    "unknown type": replace(GOOD, subject=GOOD.subject.replace(b"registered", b"sung")).having(ce_type="jp.tsunagari.household.sung.v1"),
    "unknown major": replace(GOOD, subject=GOOD.subject.replace(b".v1.", b".v2.")).having(ce_type="jp.tsunagari.household.registered.v2"),
}


@dataclass
class Socket:
    """A client of the broker that checks nothing."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    errors: list[str] = field(default_factory=list)

    @classmethod
    async def connected(cls, url: str) -> "Socket":
        place = urlsplit(url)
        made = cls(*await asyncio.open_connection(place.hostname, place.port))
        await made.reader.readline()
        made.writer.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"lang":"none","version":"0"}\r\n')
        return made

    async def put(self, sent: Letter) -> None:
        block = sent.block
        head = b"HPUB %b %d %d\r\n" % (sent.subject, len(block), len(block) + len(sent.data))
        self.writer.write(head + block + sent.data + b"\r\nPING\r\n")
        while (line := await asyncio.wait_for(self.reader.readline(), 5)) != b"PONG\r\n":
            assert line, "the broker closed the connection"
            self.errors.append(line.decode().strip())


@dataclass
class Hearing:
    """beta, consuming, and a socket that speaks as alpha."""

    town: Town
    worker: Worker
    wire: Socket

    async def others_flow(self) -> None:
        """An event of another household, put after the nonsense, has its effect at once."""
        other = household()
        await self.wire.put(letter(other))

        async def arrived() -> bool:
            return await self.town.effects(BETA, other) == [("household", 1)]

        await eventually(arrived, 15)

    async def dead(self) -> list[Any]:
        return await self.town.rows(BETA, _DEAD)


@pytest.fixture
async def hearing(town: Town) -> AsyncIterator[Hearing]:
    await town.provision()
    worker = await town.worker(BETA)
    await eventually(lambda: worker.consumers and worker.consumers["beta--alpha--p0"].state == "consuming")
    wire = await Socket.connected(town.url)
    yield Hearing(town, worker, wire)
    wire.writer.close()


async def stored(town: Town) -> int:
    return int((await (await town.client()).jetstream().stream_info("EVT_ALPHA")).state.messages)


@pytest.mark.parametrize("wrong", UNREADABLE)
async def test_an_unreadable_message_is_set_aside_with_its_reason(hearing: Hearing, wrong: str) -> None:
    sent, reason, known = UNREADABLE[wrong]
    await hearing.wire.put(sent)
    await hearing.others_flow()
    dead = await hearing.dead()
    assert [(row.reason, row.household) for row in dead] == [(reason, HOME if known else dead[0].household)]
    assert known or dead[0].household in (None, ELSEWHERE)
    assert [(row.household, row.reason) for row in await hearing.town.rows(BETA, _ASIDE)] == (
        [(dead[0].household, reason)] if dead[0].household else []
    )
    assert hearing.worker.consumers["beta--alpha--p0"].counts.parked == 1


@pytest.mark.parametrize("wrong", UNHANDLED)
async def test_an_event_that_cannot_be_read_sets_its_household_aside(hearing: Hearing, wrong: str) -> None:
    sent, reason = UNHANDLED[wrong]
    await hearing.wire.put(sent)
    await hearing.wire.put(letter(HOME, 2))
    await hearing.others_flow()
    assert [(row.household, row.seq, row.reason) for row in await hearing.dead()] == [(HOME, 1, reason)]
    assert [(row.household, row.seq, row.reason) for row in await hearing.town.rows(BETA, _HELD)] == [(HOME, 2, "quarantined")]


@pytest.mark.parametrize("new", UNKNOWN)
async def test_an_event_of_the_future_is_held(hearing: Hearing, new: str) -> None:
    await hearing.wire.put(UNKNOWN[new])
    await hearing.others_flow()
    assert [(row.household, row.seq, row.reason) for row in await hearing.town.rows(BETA, _HELD)] == [(HOME, 1, "unknown_type")]
    assert await hearing.dead() == []


@pytest.mark.parametrize("tolerable", ACCEPTED)
async def test_what_does_no_harm_is_taken(hearing: Hearing, tolerable: str) -> None:
    await hearing.wire.put(ACCEPTED[tolerable])
    await hearing.others_flow()
    assert await hearing.town.effects(BETA, HOME) == [("household", 1)]
    assert await hearing.dead() == []


async def test_the_stream_refuses_what_is_over_64_kib(hearing: Hearing) -> None:
    await hearing.wire.put(replace(GOOD, data=filled(66_000)))
    await hearing.wire.put(GOOD.having(ce_type="x" * 66_000))
    await hearing.others_flow()
    assert await stored(hearing.town) == 1


@pytest.mark.parametrize(
    "subject",
    [
        GOOD.subject.replace(b"registered", b"\x00"),
        GOOD.subject.replace(b"registered", b"\xff\xfe"),
        GOOD.subject.replace(b"registered", "登録".encode()),
    ],
    ids=["NUL", "invalid UTF-8", "Japanese"],
)
async def test_a_subject_of_strange_bytes_stops_nobody(hearing: Hearing, subject: bytes) -> None:
    await hearing.wire.put(replace(GOOD, subject=subject))
    await hearing.others_flow()
    assert len(await hearing.dead()) == await stored(hearing.town) - 1


@pytest.mark.parametrize(
    "first", [b"NATS/1.0 \xff\xff\xff", b"NATS/1.0 100 \xff", b"NATS/1.0 100 Idle Heartbeat", b"NATS/1.0 409 Consumer Deleted", b"NATS/1.0"]
)
@pytest.mark.parametrize("lines", [(), GOOD.lines], ids=["bare", "full"])
async def test_a_first_line_that_looks_like_the_servers_stops_nobody(hearing: Hearing, first: bytes, lines: tuple[bytes, ...]) -> None:
    await hearing.wire.put(replace(GOOD, first=first, lines=lines))
    await hearing.others_flow()
    rows = len(await hearing.dead()) + len(await hearing.town.effects(BETA, HOME))
    assert rows == await stored(hearing.town) - 1


async def test_a_thousand_bad_messages_among_good_ones_delay_nobody(hearing: Hearing) -> None:
    """Every kind at once, each for a household of its own, in one backlog."""
    bad = [*(sent for sent, _, _ in UNREADABLE.values()), *(sent for sent, _ in UNHANDLED.values())]
    for number in range(200):
        await hearing.wire.put(bad[number % len(bad)])
        await hearing.wire.put(letter(household()))
    await hearing.town.until_effects(BETA, 200, 60)
    assert hearing.worker.status()["ready"]
