"""One role, one password, one database per unit — and no way from one into another."""

from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from deploy.onebox.databases import Server, migrate, prepare
from deploy.onebox.postgres import EmbeddedPostgres
from deploy.onebox.trouble import Trouble
from shared.runtime.unit import Unit

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


async def test_an_administrator_who_may_not_create_roles_is_told_so(postgres: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'n'")
    await admin.close()
    with pytest.raises(Trouble, match="CREATEROLE"):
        await prepare(Server(postgres.url(user="nobody_special", password="n"), owned=False), [replace(ELDERLY, database="z")], PASSWORDS)


async def test_an_unreachable_database_is_a_sentence_not_a_traceback() -> None:
    with pytest.raises(Trouble, match="DATABASE_URL"):
        await prepare(Server("postgresql://admin:x@127.0.0.1:1/postgres", owned=False), UNITS, PASSWORDS)
