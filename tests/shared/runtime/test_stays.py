"""消去のあとに番号の残る表は、どれも書いてある: every unit's real catalogue is filled with one household, erased, and searched.

A new table with the number of a household or a person is covered without being named here: either the unit's erasure clears it, or
stays.toml or the unit's manifest says why it stays and how long.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg
import pytest
from sqlalchemy import text

from deploy.onebox.postgres import EmbeddedPostgres
from shared.contracts.event import HouseholdId
from shared.messaging.commands.place import Place
from shared.messaging.commands.rehearse import handlers_of
from shared.messaging.provision import stream_config
from shared.runtime import erasure
from shared.runtime.database import Database
from shared.runtime.retention import RecordClass, periods_on
from shared.runtime.settings import Settings
from shared.runtime.unit import Stays, Unit, all_units
from tests.erasing import found_in, is_declared, stays_of

Databases = Callable[..., Awaitable[Database]]
MakeSettings = Callable[..., Settings]
UNITS = [unit for unit in all_units() if unit.keeps_rights]
HOUSEHOLD, MEMBER = UUID(int=0xE0), UUID(int=0xE1)
TODAY, LONG_AGO = date(2040, 4, 1), datetime(2001, 1, 1, tzinfo=UTC)
_COLUMNS = """
select t.table_name as table, c.column_name as column, c.udt_name as type
from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
where t.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.is_generated = 'NEVER' and c.is_identity = 'NO'
  and not exists (select from pg_inherits i where i.inhrelid = to_regclass(quote_ident(t.table_name))) and t.table_name <> 'alembic_version'
order by 1, c.ordinal_position
"""
#: words a table accepts, or that say "over, long ago"
WORDS = {"state": "CLOSED", "record_class": RecordClass.CASE.value}
#: what a JSON column could hold is not in the catalogue: it is taken to be about the household, but for the menu of a unit
PLAIN_JSON = {"navigation"}
CHECKED = {"held_event": "ok", "consumer_subject": "ok", "dead_event": "parked", "intent": "done"}


def whose(table: str, column: str) -> UUID | None:
    """The household or the person whose number a column by this name would hold."""
    if column in ("household", "household_id", "households", "other_id") or (table, column) == ("household", "id"):
        return HOUSEHOLD
    if "member" in column or column.startswith(("subject_id", "person")) or (table, column) == ("member", "id"):
        return MEMBER
    return None


def value(table: str, column: str, kind: str) -> Any:
    """One number under one name, so that rows of different tables belong together (`case_id` of a note and of its case)."""
    number = whose(table, column) or uuid5(NAMESPACE_OID, f"{table}_id" if column == "id" else column)
    word = CHECKED.get(table) if column == "state" and table in CHECKED else WORDS.get(column, "x")
    if column == "other_id":
        number = UUID(int=0xFF)
    plain = {
        "uuid": number, "text": word, "date": LONG_AGO.date(), "timestamptz": LONG_AGO, "bool": False, "int2": 1, "int4": 1, "int8": 1,
        "jsonb": "[]" if column in PLAIN_JSON else f'{{"household": "{HOUSEHOLD}", "household_id": "{HOUSEHOLD}"}}', "bytea": b"x",
    }  # fmt: skip
    return [plain[kind[1:]]] if kind.startswith("_") else plain[kind]


async def fill(postgres: EmbeddedPostgres, database: str) -> dict[str, set[str]]:
    """A row in every table that names a household or a person. The superuser's session asks no foreign key and no trigger."""
    link = await asyncpg.connect(postgres.dsn(database))
    try:
        tables: dict[str, dict[str, str]] = {}
        for row in await link.fetch(_COLUMNS):
            tables.setdefault(row["table"], {})[row["column"]] = row["type"]
        await link.execute("set session_replication_role = replica")
        for table, columns in tables.items():
            names, marks = ", ".join(f'"{one}"' for one in columns), ", ".join(f"${n + 1}" for n in range(len(columns)))
            await link.execute(f'delete from "{table}"')
            await link.execute(f'insert into "{table}" ({names}) values ({marks})', *(value(table, one, kind) for one, kind in columns.items()))
        return {table: set(columns) for table, columns in tables.items()}
    finally:
        await link.close()


async def erase(db: Database, unit: Unit, settings: Settings) -> erasure.Removed:
    keepers = handlers_of(Place(unit, settings), db).keepers
    async with db.transaction() as tx:
        return await erasure.remove(tx, HouseholdId(HOUSEHOLD), keepers, TODAY, periods_on(TODAY, unit.root, None, unit.code))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
async def test_after_an_erasure_no_table_but_the_declared_ones_holds_the_number(
    unit: Unit, databases: Databases, postgres: EmbeddedPostgres, test_settings: MakeSettings
) -> None:
    db = await databases(unit)
    filled = await fill(postgres, str(db.engine.url.database))
    named = {table for table, columns in filled.items() if any(whose(table, column) for column in columns)}
    before = await found_in(db, [str(HOUSEHOLD), str(MEMBER)])
    assert named <= before.keys(), "the test must have put the number everywhere"
    done = await erase(db, unit, test_settings(unit, database=db))
    assert done.rows, done
    left = set(await found_in(db, [str(HOUSEHOLD), str(MEMBER)]))
    assert sorted(table for table in left if not is_declared(unit.code, table)) == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
async def test_every_declared_table_is_there(unit: Unit, databases: Databases) -> None:
    async with (await databases(unit)).read() as rd:
        tables = {row.table for row in await rd.rows(text(_COLUMNS))}
    for one in stays_of(unit.code):
        assert all(any(Stays((name,), "", "", "").covers(table) for table in tables) for name in one.tables), one.tables


def test_every_declaration_says_what_why_and_how_long() -> None:
    assert all(one.what and one.why and one.until for unit in UNITS for one in stays_of(unit.code))


def test_the_streams_keep_what_the_runbook_says_they_keep() -> None:
    """A limit on the streams' age would have to be said in deploy/runbooks/retention.md."""
    assert {stream_config(unit, 1, 1).config["max_age"] for unit in all_units()} == {0}
