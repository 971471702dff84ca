"""The envelope: CloudEvents 1.0 in binary mode over NATS headers. Pure; reading is strict and never crashes.

Header values are percent-encoded ASCII (CloudEvents protocol binding); names are read without regard to case. Whatever
is missing, doubled or malformed is an `EnvelopeError` with a reason code, so that a consumer can set one message aside.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.event import CATALOGUE, Event

CONTENT_TYPE = "application/json"
#: The stream refuses messages above 64 KiB, headers included; what is left after them is for the event.
MAX_DATA = 48 * 1024

_TYPE = re.compile(r"jp\.tsunagari\.([a-z0-9_-]+)\.([a-z0-9_-]+)\.v([1-9][0-9]*)")
_NAME = re.compile(r"[!-9;-~]+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SOURCE = re.compile(r"/([a-z][a-z0-9-]{1,30})")
#: Printable ASCII except space, quote and percent travels as it is.
_PLAIN = re.compile(r"[!#$&-~]*")
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class EnvelopeError(ValueError):
    """`code` says what is wrong: missing_header, duplicate_header, bad_header, wrong_version, wrong_content_type,
    foreign_source, wrong_subject, too_large, unknown_type, bad_payload, subject_differs. It never quotes the content."""

    def __init__(self, code: str, header: str = "") -> None:
        self.code = code
        self.header = header
        super().__init__(f"{code}:{header}" if header else code)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What travels around an event. `subject` is the household, `seq` its own count within (source, channel)."""

    id: UUID
    type: str
    source: str
    subject: UUID
    time: datetime
    recorded_at: datetime
    channel: str
    seq: int
    correlation_id: UUID
    causation_id: UUID | None = None
    #: the creation context: the span that committed the event; never changed on the way
    traceparent: str | None = None
    tracestate: str | None = None
    outbox_pos: int = 0
    stream_seq: int = 0
    #: trace context of the span that handles it here; becomes the creation context of what the handler publishes
    handled_in: str | None = None


def subject_of(unit: str, event: Event) -> str:
    """`evt.<unit>.<channel>.<name>.v<major>.<shard>`; the shard is the last hex digit of the household."""
    kind = type(event)
    return f"evt.{unit}.{kind.channel}.{kind.name}.v{kind.major}.{event.household_id.hex[-1]}"


def encode(event: Event, *, id: UUID, source: str, now: datetime, correlation_id: UUID, causation_id: UUID | None = None) -> dict[str, str]:
    """Headers known when the event is appended; `stamp` adds what the outbox row gives (sequence, position, trace)."""
    kind = type(event)
    moment = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(id),
        "ce-source": f"/{source}",
        "ce-type": kind.type_name(),
        "ce-subject": str(event.household_id),
        "ce-time": moment,
        "ce-recordedtime": moment,
        "ce-channel": kind.channel,
        "ce-dataschema": f"urn:tsunagari:event:{kind.channel}.{kind.name}:{kind.major}",
        "ce-datacontenttype": CONTENT_TYPE,
        "ce-correlationid": str(correlation_id),
    }
    if causation_id is not None:
        headers["ce-causationid"] = str(causation_id)
    return headers


def stamp(headers: Mapping[str, str], *, seq: int, pos: int, traceparent: str | None, tracestate: str | None, copy: int = 0) -> dict[str, str]:
    """Complete headers of one message. `Nats-Msg-Id` lets the broker drop a second one, unless it is published again on purpose (`copy`)."""
    message_id = f"{headers['ce-id']}.{copy}" if copy else headers["ce-id"]
    complete = {"Nats-Msg-Id": message_id, **headers, "ce-subjectseq": str(seq), "ce-outboxpos": str(pos)}
    if traceparent:
        complete["ce-traceparent"] = escape(traceparent)
    if tracestate:
        complete["ce-tracestate"] = escape(tracestate)
    return complete


def escape(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote(value, safe=_SAFE)


def decode(headers: Mapping[str, str] | Iterable[tuple[str, str]] | None, data: bytes, *, stream_seq: int = 0) -> Envelope:
    """Reads one message. Raises EnvelopeError and nothing else."""
    given = _fold(headers)
    if _take(given, "ce-specversion") != "1.0":
        raise EnvelopeError("wrong_version")
    if _take(given, "ce-datacontenttype").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise EnvelopeError("wrong_content_type")
    if len(data) > MAX_DATA:
        raise EnvelopeError("too_large")
    type_name = _take(given, "ce-type")
    kind = _key_of(type_name)
    source = _SOURCE.fullmatch(_take(given, "ce-source"))
    channel = _take(given, "ce-channel")
    if kind is None or kind[0] != channel:
        raise EnvelopeError("bad_header", "ce-type")
    if source is None:
        raise EnvelopeError("bad_header", "ce-source")
    return Envelope(
        id=_uuid(given, "ce-id"),
        type=type_name,
        source=source.group(1),
        subject=_uuid(given, "ce-subject"),
        time=_moment(given, "ce-time"),
        recorded_at=_moment(given, "ce-recordedtime"),
        channel=channel,
        seq=_count(given, "ce-subjectseq"),
        correlation_id=_uuid(given, "ce-correlationid"),
        causation_id=_uuid(given, "ce-causationid") if "ce-causationid" in given else None,
        traceparent=given.get("ce-traceparent"),
        tracestate=given.get("ce-tracestate"),
        outbox_pos=_count(given, "ce-outboxpos"),
        stream_seq=stream_seq,
    )


def household_of(headers: Mapping[str, str] | None) -> UUID | None:
    """The household of a message that cannot be read as a whole, when that much can be read."""
    try:
        return _uuid(_fold(headers), "ce-subject")
    except EnvelopeError:
        return None


def check_subject(envelope: Envelope, subject: str, source: str) -> None:
    """The broker guards subjects, not headers: both must tell the same story, or a unit could speak for another."""
    if envelope.source != source:
        raise EnvelopeError("foreign_source")
    name, _, major = envelope.type.removeprefix(f"jp.tsunagari.{envelope.channel}.").rpartition(".")
    if subject != f"evt.{source}.{envelope.channel}.{name}.{major}.{envelope.subject.hex[-1]}":
        raise EnvelopeError("wrong_subject")


def read_event(envelope: Envelope, data: bytes) -> Event:
    """The event inside. Raises EnvelopeError: unknown_type, bad_payload, subject_differs."""
    kind = event_class(envelope.type)
    if kind is None:
        raise EnvelopeError("unknown_type")
    try:
        event = kind.model_validate_json(data)
    except ValidationError as error:
        raise EnvelopeError("bad_payload") from error
    if event.household_id != envelope.subject:
        raise EnvelopeError("subject_differs")
    return event


def event_class(type_name: str) -> type[Event] | None:
    key = _key_of(type_name)
    return CATALOGUE.get(key) if key else None


@lru_cache(maxsize=1024)
def _key_of(type_name: str) -> tuple[str, str, int] | None:
    """(channel, name, major)."""
    kind = _TYPE.fullmatch(type_name)
    return (kind.group(1), kind.group(2), int(kind.group(3))) if kind else None


def _fold(headers: Mapping[str, str] | Iterable[tuple[str, str]] | None) -> dict[str, str]:
    if not headers:
        raise EnvelopeError("missing_header")
    folded: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        key = name.lower()
        if not key.startswith("ce-"):
            continue
        if key in folded or DOUBLED in value:
            raise EnvelopeError("duplicate_header", key[:40])  # the name may be anything, of any length
        folded[key] = unquote(value) if "%" in value else value
    return folded


#: nats-py keeps only the last of several equal header names; `header_lines` joins them with this (no header value may hold it).
DOUBLED = "\x1f"


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def header_lines(raw: bytes) -> dict[str, str]:
    """Stands in for nats-py's own header reader, so that a doubled header is noticed. Never raises."""
    found: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if _is_name(name):
            found[name] = found[name] + DOUBLED + value.strip() if name in found else value.strip()
    return found


def _take(given: dict[str, str], name: str) -> str:
    value = given.get(name)
    if not value:
        raise EnvelopeError("missing_header", name)
    return value


def _uuid(given: dict[str, str], name: str) -> UUID:
    value = _take(given, name)
    if not _UUID.fullmatch(value.lower()):  # ignoring case inside the pattern takes five times as long
        raise EnvelopeError("bad_header", name)
    return UUID(value)


def _moment(given: dict[str, str], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_take(given, name))
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except EnvelopeError:
        raise
    except (ValueError, OverflowError):
        raise EnvelopeError("bad_header", name) from None


def _count(given: dict[str, str], name: str) -> int:
    value = _take(given, name)
    if not (value.isascii() and value.isdecimal() and len(value) <= 18) or int(value) < 1:
        raise EnvelopeError("bad_header", name)
    return int(value)
