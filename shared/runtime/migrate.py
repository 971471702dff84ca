"""Brings a unit's database to its newest shape. A step of its own, never done by a starting process.

A unit names its migration folders in unit.toml; each folder is a branch of its own, so that shared tables,
the common casework and a domain's own tables move independently.
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from shared.runtime import row_security
from shared.runtime.unit import TREE, Unit


def configuration(unit: Unit) -> Config:
    config = Config()
    config.set_main_option("script_location", str(TREE / "shared/runtime/alembic"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(TREE / folder / "versions") for folder in unit.migrations))
    return config


def _upgrade(connection: Connection, unit: Unit) -> None:
    config = configuration(unit)
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
    if unit.keeps_rights:
        row_security.put_on(connection, unit)


async def upgrade(database_url: str, unit: Unit) -> None:
    """Idempotent. Raises when the database cannot be reached or a migration fails; nothing is left half done."""
    engine = create_async_engine(database_url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, unit)
            await connection.commit()
    finally:
        await engine.dispose()


def _changes_the_audit(connection: Connection, unit: Unit) -> bool:
    current = MigrationContext.configure(connection).get_current_heads()
    had = {revision for revision in current if revision.startswith("runtime_")}
    return bool(had) and not had & set(ScriptDirectory.from_config(configuration(unit)).get_heads())


async def changes_the_audit(database_url: str, unit: Unit) -> bool:
    """Whether `upgrade` would run revisions of the runtime on a database that has an audit already: its tables belong to somebody else then."""
    engine = create_async_engine(database_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_changes_the_audit, unit)
    finally:
        await engine.dispose()
