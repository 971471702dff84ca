"""A case desk in process: its own database, its web app, and an ear that hears events as its consumer would."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from httpx2 import ASGITransport, AsyncClient

from shared.runtime.database import Database
from shared.runtime.settings import Settings
from tests.cases.desk import DeskUnderTest, app_of, handlers_of

Desks = Callable[[str], Awaitable[DeskUnderTest]]


@pytest.fixture
async def desks(databases: Callable[..., Awaitable[Database]], test_settings: Callable[..., Settings]) -> AsyncIterator[Desks]:
    """`await desks("cases-elderly")`"""
    async with AsyncExitStack() as stack:

        async def open_desk(code: str) -> DeskUnderTest:
            database = await databases(code)
            settings = test_settings(code, database=database, roles="web")
            app = app_of(code, settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = await stack.enter_async_context(
                AsyncClient(transport=ASGITransport(app, raise_app_exceptions=True), base_url="http://desk.test", headers={"accept": "text/html"})
            )
            return DeskUnderTest(code, app, app.state.db, settings, handlers_of(code, settings), client)

        yield open_desk


@pytest.fixture
async def elderly(desks: Desks) -> DeskUnderTest:
    return await desks("cases-elderly")
