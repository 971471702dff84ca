"""Tables of the backbone: outbox and its counters, consumer positions, held and dead events, timers, intents.

Revision ID: messaging_0001
"""

from alembic import op

revision = "messaging_0001"
down_revision = None
branch_labels = ("messaging",)
depends_on = None

OUTBOX = """
create table outbox_sequence (
    channel text not null,
    household uuid not null,
    seq bigint not null,
    primary key (channel, household)
);
-- pos is drawn under the lock on outbox_sequence: for one household pos order = seq order = commit order.
-- The identity keeps its default CACHE 1: a larger cache would hand out positions out of order.
create table outbox (
    pos bigint generated always as identity primary key,
    event_id uuid not null unique,
    channel text not null,
    household uuid not null,
    seq bigint not null,
    type text not null,
    subject text not null,
    headers jsonb not null,
    payload bytea not null,
    traceparent text,
    tracestate text,
    created_at timestamptz not null default clock_timestamp(),
    published_at timestamptz,
    stream_seq bigint,
    incarnation text,
    blocked_reason text,
    unique (channel, household, seq)
);
create index outbox_pending on outbox (pos) where published_at is null;
create index outbox_blocked on outbox (household) where published_at is null and blocked_reason is not null;
create table worker_lease (
    name text primary key,
    owner text,
    epoch bigint not null default 0,
    until timestamptz not null default 'epoch'
);
"""

CONSUMER = """
create table consumer_cursor (
    name text primary key,
    source text not null,
    incarnation text,
    stream_seq bigint not null default 0,
    epoch bigint not null default 0,
    moved_at timestamptz
);
create table consumer_subject (
    source text not null,
    channel text not null,
    household uuid not null,
    last_seq bigint not null default 0,
    state text not null default 'ok' check (state in ('ok', 'quarantined', 'releasing')),
    reason text,
    primary key (source, household, channel)
);
create index consumer_subject_set_aside on consumer_subject (source, state) where state <> 'ok';
create table held_event (
    source text not null,
    channel text not null,
    household uuid not null,
    seq bigint not null,
    outbox_pos bigint not null,
    type text not null,
    subject text not null,
    headers jsonb not null,
    payload bytea not null,
    reason text not null,
    stream_seq bigint not null,
    first_seen timestamptz not null default clock_timestamp(),
    primary key (source, household, channel, seq)
);
create table dead_event (
    id bigint generated always as identity primary key,
    source text not null,
    channel text,
    household uuid,
    seq bigint,
    outbox_pos bigint,
    type text,
    subject text not null,
    headers jsonb not null,
    payload bytea not null,
    reason text not null,
    stream_seq bigint not null,
    parked_at timestamptz not null default clock_timestamp(),
    state text not null default 'parked' check (state in ('parked', 'retried', 'skipped')),
    settled_at timestamptz
);
create index dead_event_parked on dead_event (source, household) where state = 'parked';
"""

LATER = """
create table timer (
    kind text not null,
    key text not null,
    due_at timestamptz not null,
    household uuid,
    try_at timestamptz not null,
    attempts int not null default 0,
    last_error text,
    primary key (kind, key)
);
create index timer_try_at on timer (try_at);
create table intent (
    kind text not null,
    key text not null,
    payload jsonb not null,
    state text not null default 'pending' check (state in ('pending', 'done', 'unknown', 'given_up')),
    created_at timestamptz not null,
    try_at timestamptz not null default clock_timestamp(),
    claimed_until timestamptz,
    attempts int not null default 0,
    last_error text,
    settled_at timestamptz,
    traceparent text,
    primary key (kind, key)
);
create index intent_pending on intent (try_at) where state = 'pending';
"""


def upgrade() -> None:
    for part in (OUTBOX, CONSUMER, LATER):
        for statement in part.split(";"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    op.execute("drop table intent, timer, dead_event, held_event, consumer_subject, consumer_cursor, worker_lease, outbox, outbox_sequence")
