"""The tables the code names are the tables the migrations make."""

from collections.abc import Awaitable, Callable

from sqlalchemy import text

from services.cases.casework.tables import metadata
from shared.runtime.database import Database


async def test_tables_and_migrations_say_the_same(databases: Callable[..., Awaitable[Database]]) -> None:
    async with (await databases("cases-elderly")).read() as rd:
        rows = await rd.rows(text("select table_name, column_name from information_schema.columns where table_schema = 'public'"))
    made: dict[str, set[str]] = {}
    for row in rows:
        made.setdefault(row.table_name, set()).add(row.column_name)
    for table in metadata.tables.values():
        assert made[table.name] == {column.name for column in table.columns}, table.name
