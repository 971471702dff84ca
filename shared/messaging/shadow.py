"""A projection's tables once more, in a schema of their own: filled from nothing, compared by checksum, then laid over the live ones."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql
from shared.messaging.projection import Kept, Projection

_COLUMNS = """
select a.attname as name, coalesce(a.attnum = any(i.indkey), false) as is_key
from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
"""


class NoSuchTable(LookupError):
    """A projection names a table that has no primary key or none of the columns it says."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of the columns that are made from events: rows, and a sum of their hashes that does not depend on their order."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class TableRebuilt:
    """`before`: live, `after`: as the events say. What was put right, in rows."""

    table: str
    before: Checksum
    after: Checksum
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class _Shape:
    live: str
    shadow: str
    key: tuple[str, ...]
    derived: tuple[str, ...]
    all: tuple[str, ...]


class Shadow:
    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self.schema = f"rebuild_{projection.name}"

    async def create(self, connection: AsyncConnection) -> None:
        """Empty tables with the same columns, defaults and indexes; without triggers. What an earlier attempt left is dropped."""
        await self.drop(connection)
        await sql.run(connection, f'create schema "{self.schema}"')
        for kept in self._projection.tables:
            await sql.run(connection, f'create unlogged table "{self.schema}"."{kept.table}" (like "{kept.table}" including all)')

    async def drop(self, connection: AsyncConnection) -> None:
        await sql.run(connection, f'drop schema if exists "{self.schema}" cascade')

    async def lead_into(self, connection: AsyncConnection) -> None:
        """Until the end of this transaction a table's plain name means the shadow's."""
        await sql.run(connection, f"select set_config('search_path', '\"{self.schema}\", ' || current_setting('search_path'), true)")

    async def pass_over_erased(self, connection: AsyncConnection) -> None:
        """The streams still tell of households that were erased here: they are no part of what is made again."""
        for kept in self._projection.tables:
            if any(row.name == "household_id" for row in await sql.rows(connection, _COLUMNS, f'"{kept.table}"')):
                with_nothing_kept = "where kept_under = '{}'" if kept.goes_last else ""
                gone = f'delete from "{self.schema}"."{kept.table}" where household_id in (select household_id from erased_household {{}})'  # noqa: S608
                await sql.run(connection, gone.format(with_nothing_kept))

    async def compare(self, connection: AsyncConnection) -> list[TableRebuilt]:
        return [await self._compare(connection, await self._shape(connection, kept)) for kept in self._projection.tables]

    async def _compare(self, connection: AsyncConnection, shape: _Shape) -> TableRebuilt:
        before, after = await _checksum(connection, shape.live, shape.derived), await _checksum(connection, shape.shadow, shape.derived)
        return TableRebuilt(shape.live.strip('"'), before, after)

    async def lay_over(self, connection: AsyncConnection) -> list[TableRebuilt]:
        """Compares, then makes the live tables say what the events say, in this transaction. Only rows that differ are written."""
        return [await self._lay_over(connection, await self._shape(connection, kept)) for kept in self._projection.tables]

    async def _lay_over(self, connection: AsyncConnection, shape: _Shape) -> TableRebuilt:
        found = await self._compare(connection, shape)
        same_key = " and ".join(f"l.{column} = s.{column}" for column in shape.key)
        new = ", ".join(f"{column} = s.{column}" for column in shape.derived)
        differs = f"row({_listed(shape.derived, 'l')}) is distinct from row({_listed(shape.derived, 's')})"
        columns, key = _listed(shape.all), _listed(shape.key)
        # Names come from the catalogue and are quoted.
        delete = f"delete from {shape.live} l where not exists (select from {shape.shadow} s where {same_key})"  # noqa: S608
        update = f"update {shape.live} l set {new} from {shape.shadow} s where {same_key} and {differs}"  # noqa: S608
        insert = f"insert into {shape.live} ({columns}) select {columns} from {shape.shadow} on conflict ({key}) do nothing"  # noqa: S608
        removed, changed, added = [await sql.run(connection, statement) for statement in (delete, update, insert)]
        return TableRebuilt(found.table, found.before, found.after, added, changed, removed)

    async def _shape(self, connection: AsyncConnection, kept: Kept) -> _Shape:
        rows = await sql.rows(connection, _COLUMNS, f'"{kept.table}"')
        quoted = {row.name: f'"{row.name}"' for row in rows}
        key = tuple(quoted[row.name] for row in rows if row.is_key)
        if not key or not set(kept.beside) <= set(quoted):
            raise NoSuchTable(kept.table)
        derived = tuple(column for name, column in quoted.items() if name not in kept.beside)
        return _Shape(f'"{kept.table}"', f'"{self.schema}"."{kept.table}"', key, derived, tuple(quoted.values()))


async def _checksum(connection: AsyncConnection, table: str, columns: tuple[str, ...]) -> Checksum:
    hashed = f"hashtextextended(row({_listed(columns)})::text, 0)::numeric"
    row = (await sql.rows(connection, f"select count(*) as rows, coalesce(sum({hashed}), 0)::text as hash from {table}"))[0]  # noqa: S608
    return Checksum(row.rows, f"{int(row.hash) % 2**64:016x}")


def _listed(columns: tuple[str, ...], of: str = "") -> str:
    return ", ".join(f"{of}.{column}" if of else column for column in columns)
