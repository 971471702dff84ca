"""The outbox in pieces of a million positions. Published rows are kept: they are the record if the broker loses something.

Old pieces may be detached by an operator once the stream's own history needs no repair any more; nothing here drops one.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql

#: as in migration messaging_0002
SIZE = 1_000_000
#: empty pieces kept ready: a day of importing a prefecture fits into one
AHEAD = 2

_DRAWN = "select last_value from outbox_pos"
_MISSING = "select k from generate_series($1::bigint, $2::bigint) as k where to_regclass('outbox_p' || k) is null"
#: One statement, so that no piece is ever left beside the table. Attaching locks far less than PARTITION OF would: writers go on.
_MAKE = """
do $$ begin
    create table outbox_p{number} (like outbox including all);
    create unique index on outbox_p{number} (event_id);
    create unique index on outbox_p{number} (channel, household, seq);
    alter table outbox attach partition outbox_p{number} for values from ({start}) to ({end});
end $$
"""


async def ensure(connection: AsyncConnection, upto: int | None = None) -> list[int]:
    """Makes the pieces that will be needed; gives their numbers.

    `upto`: a position that must have its piece (default: the newest that was drawn)."""
    newest = upto if upto is not None else (await sql.rows(connection, _DRAWN))[0].last_value
    number = int(newest) // SIZE
    missing = [row.k for row in await sql.rows(connection, _MISSING, number, number + AHEAD)]
    for one in missing:
        await connection.exec_driver_sql(_MAKE.format(number=one, start=one * SIZE, end=(one + 1) * SIZE))
    return missing
