"""The tables that the code names are the tables that the migrations made."""

from typing import Any

from services.notify.tables import metadata
from tests.notify.heard import rows

COLUMNS = "select table_name, column_name, is_nullable from information_schema.columns where table_schema = 'public'"


async def test_columns_and_their_nullability_agree(databases: Any) -> None:
    found = {(row.table_name, row.column_name, row.is_nullable == "YES") for row in await rows(await databases("notify"), COLUMNS)}
    wanted = {(table.name, column.name, bool(column.nullable)) for table in metadata.sorted_tables for column in table.columns}
    ours = {table.name for table in metadata.sorted_tables}
    assert {entry for entry in found if entry[0] in ours} == wanted
