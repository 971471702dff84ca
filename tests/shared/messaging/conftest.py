"""The town of a test: databases made on first use, its own broker, everything stopped afterwards."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deploy.onebox.broker import EmbeddedNats
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from tests.shared.messaging.town import Town


@pytest.fixture
async def town(own_nats: EmbeddedNats, databases: Callable[..., Awaitable[Database]], test_settings: Callable[..., Settings]) -> AsyncIterator[Town]:
    town = Town(own_nats.url, databases, test_settings)
    yield town
    await town.close()
