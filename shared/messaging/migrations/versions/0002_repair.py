"""What finding and mending a loss needs: the outbox kept in partitions, what we know of our own stream, anchors of consumers.

Workers of the version before go on running on these tables for the time of a rolling upgrade: columns are only added, and
`pos` is drawn by a default as it was by the identity.

Revision ID: messaging_0002
"""

from alembic import op
from sqlalchemy import text

revision = "messaging_0002"
down_revision = "messaging_0001"
branch_labels = None
depends_on = None

#: positions per partition; shared/messaging/partitions.py makes the later ones
SIZE = 1_000_000

# The unique indexes on event and sequence stay with each partition: an index over all of them would have to contain `pos`.
# Across partitions outbox_sequence hands out every number once.
FIRST = """
alter table outbox rename to outbox_p{first};
alter index outbox_pkey rename to outbox_p{first}_pkey;
alter index outbox_pending rename to outbox_p{first}_pending;
alter index outbox_blocked rename to outbox_p{first}_blocked;
alter table outbox_p{first} alter column pos drop identity;
alter table outbox_p{first} add column copy smallint not null default 0;
create sequence outbox_pos as bigint;
select setval('outbox_pos', {next}, false);
alter table outbox_p{first} alter column pos set default nextval('outbox_pos');
create table outbox (like outbox_p{first} including defaults) partition by range (pos);
alter sequence outbox_pos owned by outbox.pos;
alter table outbox add primary key (pos);
create index outbox_pending on outbox (pos) where published_at is null;
create index outbox_blocked on outbox (household) where published_at is null and blocked_reason is not null;
create index outbox_stream_seq on outbox using brin (stream_seq) with (pages_per_range = 16, autosummarize = on);
alter table outbox attach partition outbox_p{first} for values from (minvalue) to ({end})
"""
NEXT = """
create table outbox_p{number} (like outbox including all);
create unique index on outbox_p{number} (event_id);
create unique index on outbox_p{number} (channel, household, seq);
alter table outbox attach partition outbox_p{number} for values from ({start}) to ({end})
"""

KNOWN = """
create index intent_waits_for_a_person on intent (kind) where state in ('unknown', 'given_up');
-- one row: what this database knows of the unit's own stream
create table outbox_stream (
    stream text primary key,
    created text not null,
    last_seq bigint not null,
    last_pos bigint not null default 0,
    checked_at timestamptz not null default clock_timestamp(),
    older_since timestamptz,
    losses int not null default 0,
    lost_events bigint not null default 0,
    lost_at timestamptz,
    audited_seq bigint not null default 0,
    audited_at timestamptz,
    whole_audit_at timestamptz,
    holes bigint not null default 0,
    strangers bigint not null default 0
);
-- the last real event at or before stream_seq: found again at every start, or the stream is another one
alter table consumer_cursor add column anchor_seq bigint, add column anchor_id text;
alter table consumer_cursor add column canary_sent timestamptz, add column canary_seen timestamptz
"""


def _each(statements: str, **values: int) -> None:
    for statement in statements.format(**values).split(";"):
        if statement.strip():
            op.execute(statement)


def upgrade() -> None:
    op.execute("lock table outbox in access exclusive mode")
    drawn = op.get_bind().execute(text("select coalesce(max(pos), 0) from outbox")).scalar_one()
    first = drawn // SIZE
    _each(FIRST, first=first, next=drawn + 1, end=(first + 1) * SIZE)
    for number in (first + 1, first + 2):
        _each(NEXT, number=number, start=number * SIZE, end=(number + 1) * SIZE)
    _each(KNOWN)


def downgrade() -> None:
    raise RuntimeError("published rows stand in partitions: restore the backup made before the upgrade")
