"""Rows of a household that is hidden from a reader do not exist for the reader's transaction: PostgreSQL's row security, on every table.

Put on after each migration, on every table that names a household, so that nobody has to remember it for a new table or in a new query.
Workers and migrations set no `tsunagari.hidden` and see everything.
"""

from sqlalchemy import Connection, text

from shared.runtime.unit import Unit

#: what says who may see, what was seen and how long it is kept; read by id or by the few who may, never listed to others
BEYOND = frozenset({"protection", "conflict", "break_glass", "audit"})
#: an own function, so that a query evaluates it once and not once a row
_FUNCTION = """
create or replace function hidden_households() returns uuid[] language sql stable parallel safe as
$$ select coalesce(nullif(current_setting('tsunagari.hidden', true), '')::uuid[], '{}') $$
"""
_TABLES = text(
    """
    select c.relname as name, a.attname as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    where c.relkind = 'r' and not c.relispartition
      and (a.attname = 'household_id' or (c.relname = 'household' and a.attname = 'id'))
    order by c.relname
    """
)
_COVERED = text(
    """
    select c.relname as name from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and p.polname = 'not_hidden' and c.relrowsecurity and c.relforcerowsecurity
    """
)


def put_on(connection: Connection, unit: Unit) -> None:
    """Idempotent. A table that is covered is left alone: to alter it again would lock it against the units that are at work (a deadlock at
    the next `make up`). A policy with another text needs another name."""
    connection.execute(text(_FUNCTION))
    covered = {row.name for row in connection.execute(_COVERED)}
    for name, key in tables(connection, unit):
        if name not in covered:
            _cover(connection, name, key)


def tables(connection: Connection, unit: Unit) -> list[tuple[str, str]]:
    """(table, column with the household) of this unit that row security covers."""
    left_out = BEYOND | unit.beyond_row_security
    return [(row.name, row.key) for row in connection.execute(_TABLES) if row.name not in left_out]


def _cover(connection: Connection, name: str, key: str) -> None:
    connection.execute(text(f'alter table "{name}" enable row level security'))
    connection.execute(text(f'alter table "{name}" force row level security'))
    connection.execute(text(f'drop policy if exists not_hidden on "{name}"'))
    connection.execute(
        text(
            f'create policy not_hidden on "{name}" using ("{key}" is null or "{key}" <> all ((select hidden_households())::uuid[])) with check (true)'
        )
    )
