"""The fixtures everybody relies on."""

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.runtime.database import Database
from shared.runtime.unit import Unit

UNIT = Unit(
    code="stand-in",
    title="試験用",
    package="",
    base="/",
    accepts_referrals=False,
    welfare_domain=None,
    publishes=(),
    consumes=(),
    serves=(),
    asks=(),
    database="stand_in",
    migrations=("shared/runtime/migrations",),
    navigation=(),
    owners=(),
    contact="",
    legal_basis=(),
    quality={},
    root=Path(),
)


async def test_each_database_is_fresh_and_belongs_to_the_units_own_role(databases: Callable[..., Awaitable[Database]]) -> None:
    first, second = await databases(UNIT), await databases(UNIT)
    async with first.transaction() as tx:
        await tx.execute(text("CREATE TABLE only_in_the_first (it int)"))
    async with second.read() as rd:
        assert await rd.scalar(text("SELECT to_regclass('only_in_the_first')")) is None
        assert await rd.scalar(text("SELECT to_regclass('audit')")) == "audit"
        assert await rd.scalar(text("SELECT current_user")) == "stand_in"
        assert await rd.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) is False


@pytest.mark.parametrize("host", ["192.0.2.1", "registry.example"])
def test_a_test_that_reaches_for_the_internet_fails_at_once(host: str) -> None:
    with socket.socket() as outside, pytest.raises(AssertionError, match="tried to reach"):
        outside.connect((host, 443))
