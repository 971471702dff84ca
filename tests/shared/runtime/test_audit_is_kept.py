"""The audit is kept by the database: the role that writes it, with every right it has, cannot take anything back."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Database

Databases = Callable[..., Awaitable[Database]]
CLERK = Staff("u1", "試験 受付", frozenset({"reception"}))

ATTACKS = {
    "a changed row": "update audit set actor = 'somebody-else'",
    "a deleted row": "delete from audit",
    "an emptied table": "truncate audit",
    "a dropped table": "drop table audit",
    "a dropped trigger": "drop trigger audit_append_only on audit",
    "a sleeping trigger": "alter table audit disable trigger all",
    "a trigger that forgets": "create trigger forget before insert on audit for each row execute function audit_is_append_only()",
    "a rule that forgets": "create rule forget as on insert to audit do instead nothing",
    "a toothless trigger function": "create or replace function audit_is_append_only() returns trigger language plpgsql as 'begin return old; end'",
    "another place": "create or replace function audit_place() returns bigint language sql stable as $$ select 1::bigint $$",
    "another table in its place": "alter table audit rename to forgotten",
    "a child table": "create table forged () inherits (audit)",
    "its ownership": "alter table audit owner to current_user",
    "its owner's role": "set role tsunagari_auditor",
    "replication's privilege": "set session_replication_role = replica",
    "a dropped schema": "drop schema public cascade",
    "a chosen id": "insert into audit (id, at, actor, action, object_kind, object_id) overriding system value values (1, now(), '', '', '', '')",
    "a chosen place": "insert into audit (place, at, actor, action, object_kind, object_id) values (1, now(), '', '', '', '')",
    "a chosen clock": "insert into audit (recorded_at, at, actor, action, object_kind, object_id) values (now(), now(), '', '', '', '')",
    "a moved counter": "select setval('audit_id_seq', 1)",
    "a changed seal": "update audit_seal set hash = 'x'",
    "a deleted seal": "delete from audit_seal",
    "a dropped seal": "drop table audit_seal",
}


@pytest.fixture
async def written(databases: Databases) -> Database:
    """A unit's database, as the unit's own role enters it, with one audit row and one seal."""
    database = await databases("intake")
    async with database.transaction() as tx:
        await audit.record(tx, CLERK, "view", "household", uuid4(), household_id=uuid4())
        await tx.execute(text("insert into audit_seal (n, from_place, to_place, rows, hash, prev_hash) values (1, 0, 1, 0, 'h', 'p')"))
    return database


async def everything(database: Database) -> list[str]:
    async with database.read() as rd:
        return [str(row) for row in await rd.rows(text("select * from audit union all select null, null, n::text, null, null, null, null, null,"
            " null, null, null, null, null, null, null, null, null, null from audit_seal"))]  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_unit_s_own_role_cannot_take_a_row_back_by(written: Database, name: str) -> None:
    before = await everything(written)
    with pytest.raises(DBAPIError) as refused:
        async with written.transaction() as tx:
            await tx.execute(text(ATTACKS[name]))
    assert refused.value.orig.sqlstate == "42501", name  # insufficient privilege, and nothing softer  # type: ignore[union-attr]
    assert await everything(written) == before


async def test_a_right_that_the_unit_s_role_gives_itself_is_none(written: Database) -> None:
    async with written.transaction() as tx:
        await tx.execute(text("grant all on audit, audit_seal to current_user"))  # a warning, not an error
    with pytest.raises(DBAPIError, match="permission denied"):
        async with written.transaction() as tx:
            await tx.execute(text("update audit set actor = 'x'"))


async def test_the_unit_s_own_role_cannot_drop_its_database(written: Database) -> None:
    url = written.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    name = written.engine.url.database
    connection = await asyncpg.connect(url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(f'alter database "{name}" owner to current_user')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


async def test_a_unit_still_makes_and_drops_its_own_tables(written: Database) -> None:
    async with written.transaction() as tx:
        await tx.execute(text("create table mine (x int)"))
        await tx.execute(text("create schema shadow"))
        await tx.execute(text("drop table mine"))
        await tx.execute(text("drop schema shadow"))


async def test_a_row_says_from_where_what_was_given_and_how_it_was_decided(written: Database) -> None:
    shown, other = uuid4(), uuid4()
    token = audit.seat.set(audit.Seat("session-1", "10.1.2.3"))
    async with written.transaction() as tx:
        await audit.record(tx, CLERK, "search", "household", "2", households=[shown, other, shown], returned=["name"], purpose="lookup")
        await audit.record(tx, CLERK, "view", "case", "c", household_id=shown, decision=audit.Decision.REFUSE)
    audit.seat.reset(token)
    async with written.read() as rd:
        found = text("select * from audit where households <> '{}' and households @> array[cast(:h as uuid)]")
        (search,) = await rd.rows(found, {"h": other})
        (refused,) = await rd.rows(text("select * from audit where household_id = :h"), {"h": shown})
    assert (search.households, search.returned, search.sid, search.terminal) == ([shown, other], ["name"], "session-1", "10.1.2.3")
    assert search.place > 0
    assert search.recorded_at is not None
    assert (refused.decision, refused.returned) == ("refuse", [])
