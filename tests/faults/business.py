"""The business of the suite: rows whose numbers are drawn under a lock of our own, apart from what the backbone counts."""

from collections.abc import Sequence
from uuid import UUID

from shared.messaging import sql
from shared.messaging.envelope import Envelope
from shared.runtime.database import Transaction
from tests.faults import markers

TABLES = """
create table home (
    household uuid, channel text, n bigint not null, name text, kana text, phone text, sentence text, primary key (household, channel));
create table business (
    household uuid, channel text, n bigint, mark uuid not null, at timestamptz not null default clock_timestamp(),
    primary key (household, channel, n));
create table effect (
    n bigint generated always as identity primary key, source text, channel text, household uuid, seq bigint,
    event uuid, mark uuid, cause uuid, at timestamptz not null default clock_timestamp());
create index effect_mark on effect (mark);
create table fired (key text not null, at timestamptz not null default clock_timestamp());
create table letter (key text primary key, asked int not null default 1);
"""

_WRITE = """
with drawn as (
    insert into home as h (household, channel, n, name, kana, phone, sentence) values ($1, $2, $3, $5, $6, $7, $8)
    on conflict (household, channel) do update set n = h.n + excluded.n returning n
)
insert into business (household, channel, n, mark)
select $1, $2, drawn.n - $3 + m.i, m.mark from drawn, unnest($4::uuid[]) with ordinality as m(mark, i)
"""
_EFFECT = "insert into effect (source, channel, household, seq, event, mark, cause) values ($1, $2, $3, $4, $5, $6, $7)"


async def write(tx: Transaction, household: UUID, channel: str, marks: Sequence[UUID]) -> None:
    """The next numbers of the household; its row stays locked until the commit. Names go into the row and nowhere else."""
    await sql.run(tx.connection, _WRITE, household, channel, len(marks), list(marks), *markers.PERSON.values())


async def note(tx: Transaction, envelope: Envelope, mark: UUID) -> None:
    """The effect: one row per handled event. Nothing here is unique, so that a second effect can be seen."""
    e = envelope
    await sql.run(tx.connection, _EFFECT, e.source, e.channel, e.subject, e.seq, e.id, mark, e.causation_id)
