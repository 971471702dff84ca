"""No table that names a household is forgotten: a new one is covered by the next migration, or says in the manifest why not."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.runtime import row_security
from shared.runtime.database import Database
from shared.runtime.unit import Unit, all_units

Databases = Callable[..., Awaitable[Database]]
UNITS = [unit for unit in all_units() if unit.keeps_rights]
_OPEN = text(
    """
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'household_id' and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and not (c.relrowsecurity and c.relforcerowsecurity) order by 1
    """
)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
async def test_every_table_with_a_household_hides_rows(unit: Unit, databases: Databases) -> None:
    database = await databases(unit.code)
    async with database.read() as rd:
        found = {row.relname for row in await rd.rows(_OPEN)}
    known = row_security.BEYOND | unit.beyond_row_security | {"timer"}
    assert found <= known


async def test_what_is_hidden_is_gone_from_every_statement_and_only_from_this_transaction(databases: Databases) -> None:
    database = await databases("notify")
    here, there = uuid4(), uuid4()
    async with database.transaction() as tx:
        for one in (here, there):
            await tx.execute(text("insert into household (household_id, area, facts, heard_at) values (:id, 'TOI', '{}', now())"), {"id": one})
    seen = text("select household_id from household")
    async with database.transaction() as tx:
        await tx.rows(text("select set_config('tsunagari.hidden', :hidden, true)"), {"hidden": f"{{{here}}}"})
        assert {row.household_id for row in await tx.rows(seen)} == {there}
        assert await tx.scalar(text("select count(*) from household")) == 1
        assert await tx.execute(text("update household set area = 'UNKNOWN'")) == 1
        assert await tx.execute(text("delete from household where household_id = :id"), {"id": here}) == 0
    async with database.read() as rd:
        assert {row.household_id for row in await rd.rows(seen)} == {here, there}
