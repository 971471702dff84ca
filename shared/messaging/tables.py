"""The backbone's tables in a unit's own database (created by migrations/, read by the operators' screens)."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
_MOMENT = DateTime(timezone=True)

outbox_sequence = Table(
    "outbox_sequence",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("household", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

#: published rows stay: they are the record from which a stream that lost messages is filled again
outbox = Table(
    "outbox",
    metadata,
    Column("pos", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("household", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("traceparent", Text),
    Column("tracestate", Text),
    Column("created_at", _MOMENT, nullable=False),
    Column("published_at", _MOMENT),
    Column("stream_seq", BigInteger),
    Column("incarnation", Text),
    Column("blocked_reason", Text),
)

worker_lease = Table(
    "worker_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("epoch", BigInteger, nullable=False),
    Column("until", _MOMENT, nullable=False),
)

consumer_cursor = Table(
    "consumer_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("incarnation", Text),
    Column("stream_seq", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("moved_at", _MOMENT),
)

consumer_subject = Table(
    "consumer_subject",
    metadata,
    Column("source", Text, primary_key=True),
    Column("household", Uuid, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
)

held_event = Table(
    "held_event",
    metadata,
    Column("source", Text, primary_key=True),
    Column("household", Uuid, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("outbox_pos", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stream_seq", BigInteger, nullable=False),
    Column("first_seen", _MOMENT, nullable=False),
)

dead_event = Table(
    "dead_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    Column("channel", Text),
    Column("household", Uuid),
    Column("seq", BigInteger),
    Column("outbox_pos", BigInteger),
    Column("type", Text),
    Column("subject", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stream_seq", BigInteger, nullable=False),
    Column("parked_at", _MOMENT, nullable=False),
    Column("state", Text, nullable=False),
    Column("settled_at", _MOMENT),
)

timer = Table(
    "timer",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("due_at", _MOMENT, nullable=False),
    Column("household", Uuid),
    Column("try_at", _MOMENT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
)

intent = Table(
    "intent",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("try_at", _MOMENT, nullable=False),
    Column("claimed_until", _MOMENT),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("settled_at", _MOMENT),
    Column("traceparent", Text),
)
