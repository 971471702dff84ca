"""One role, one password, one database per unit — and no way from one into another."""

import shutil
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from deploy.onebox.databases import Server, migrate, prepare
from deploy.onebox.postgres import EmbeddedPostgres
from deploy.onebox.trouble import Trouble
from shared.runtime.unit import TREE, Unit

ELDERLY = Unit(
    code="x-elderly", title="試験用", package="", base="/x", accepts_referrals=False, welfare_domain=None, publishes=(), consumes=(), serves=(),
    asks=(), database="x_elderly", migrations=("shared/runtime/migrations",), navigation=(), owners=(), contact="", legal_basis=(), quality={},
    root=Path(),
)  # fmt: skip
CHILDREN = replace(ELDERLY, code="x-children", database="x_children")
UNITS, PASSWORDS = [ELDERLY, CHILDREN], {"x-elderly": "e&l/d:e@r", "x-children": "c"}


@pytest.fixture(scope="module")
async def server(postgres: EmbeddedPostgres) -> Server:
    server = Server(postgres.url(), owned=False)
    await prepare(server, UNITS, PASSWORDS)
    return server


async def connect(server: Server, unit: Unit, password: str) -> asyncpg.Connection:
    return await asyncpg.connect(server.url(unit, password).replace("+asyncpg", ""))


async def test_a_unit_enters_its_own_database_with_its_own_password(server: Server) -> None:
    connection = await connect(server, ELDERLY, "e&l/d:e@r")
    assert await connection.fetchval("SELECT current_user || ' ' || current_database()") == "x_elderly x_elderly"
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(server, ELDERLY, "c")


async def test_no_unit_enters_another_units_database(server: Server) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(server.url(ELDERLY, "e&l/d:e@r").replace("+asyncpg", "").removesuffix("x_elderly") + "x_children")


async def test_a_unit_is_nobodys_administrator(server: Server) -> None:
    connection = await connect(server, CHILDREN, "c")
    row = await connection.fetchrow("SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    assert not any(row)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetchval("SELECT rolpassword FROM pg_authid")
    await connection.close()


async def test_preparing_and_migrating_again_keeps_what_is_there(server: Server) -> None:
    said: list[str] = []
    await migrate(server, UNITS, PASSWORDS, said.append)
    connection = await connect(server, ELDERLY, "e&l/d:e@r")
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS it")
    await prepare(server, UNITS, PASSWORDS)
    await migrate(server, UNITS, PASSWORDS, said.append)
    assert await connection.fetchval("SELECT it FROM kept") == 1
    await connection.close()
    assert said[0] == "1/2 x-elderly"


async def test_an_administrator_who_is_not_superuser_is_enough(postgres: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE city_dba LOGIN CREATEDB CREATEROLE PASSWORD 'dba'")
    await admin.close()
    given = Server(postgres.url(user="city_dba", password="dba"), owned=False)
    unit = replace(ELDERLY, code="y", database="y_unit")
    await prepare(given, [unit], {"y": "y"})
    await prepare(given, [unit], {"y": "y"})
    connection = await connect(given, unit, "y")
    assert await connection.fetchval("SELECT datlocale FROM pg_database WHERE datname = 'y_unit'") == "PG_UNICODE_FAST"
    await connection.close()


async def test_the_audit_is_kept_by_an_administrator_who_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE audit_dba LOGIN CREATEDB CREATEROLE PASSWORD 'dba'")
    # whoever kept the audit first on this server must let this one in: here it is the superuser, whose tests came before
    if await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = 'tsunagari_auditor'"):
        await admin.execute("GRANT tsunagari_auditor TO audit_dba WITH ADMIN TRUE, INHERIT TRUE, SET TRUE")
    await admin.close()
    given, unit = Server(postgres.url(user="audit_dba", password="dba"), owned=False), replace(ELDERLY, code="k", database="k_unit")
    for _ in range(2):
        await prepare(given, [unit], {"k": "k"})
        await migrate(given, [unit], {"k": "k"}, str)
    connection = await connect(given, unit, "k")
    await connection.execute("INSERT INTO audit (at, actor, action, object_kind, object_id) VALUES (now(), 'a', 'view', 'x', 'x')")
    for forbidden in ("DELETE FROM audit", "DROP TABLE audit", "DROP DATABASE k_unit", "DROP SCHEMA public CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(forbidden)
    await connection.close()


async def test_a_later_migration_may_change_the_audit_and_it_is_kept_again(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await migrate(server, [ELDERLY], PASSWORDS, str)
    versions = tmp_path / "versions"
    shutil.copytree(TREE / "shared/runtime/migrations/versions", versions, ignore=shutil.ignore_patterns("__pycache__"))
    (versions / "9999_later.py").write_text(
        'from alembic import op\nrevision = "runtime_9999"\ndown_revision = "runtime_0007"\nbranch_labels = depends_on = None\n'
        'def upgrade():\n    op.execute("alter table audit add column later text")\n'
    )
    later = replace(ELDERLY, migrations=(str(tmp_path),))
    await migrate(server, [later], PASSWORDS, str)
    connection = await connect(server, ELDERLY, "e&l/d:e@r")
    assert await connection.fetchval("SELECT count(later) FROM audit") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM audit")
    await connection.close()


async def test_an_administrator_who_may_not_create_roles_is_told_so(postgres: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'n'")
    await admin.close()
    with pytest.raises(Trouble, match="CREATEROLE"):
        await prepare(Server(postgres.url(user="nobody_special", password="n"), owned=False), [replace(ELDERLY, database="z")], PASSWORDS)


async def test_an_unreachable_database_is_a_sentence_not_a_traceback() -> None:
    with pytest.raises(Trouble, match="DATABASE_URL"):
        await prepare(Server("postgresql://admin:x@127.0.0.1:1/postgres", owned=False), UNITS, PASSWORDS)
