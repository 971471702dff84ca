"""Statements of the backbone go to the driver as they are: positional parameters, whole arrays, one round trip.

SQLAlchemy's own parameters would add casts and per-row work on the hottest path of the house (limits.md §1).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection


async def rows(connection: AsyncConnection, statement: str, *values: Any) -> Sequence[Row[Any]]:
    return (await connection.exec_driver_sql(statement, values or None)).all()


async def run(connection: AsyncConnection, statement: str, *values: Any) -> int:
    """Rows touched."""
    return (await connection.exec_driver_sql(statement, values or None)).rowcount
