"""サインアウトはコンソールにも一秒のうちに届く: it hears of ended sessions over the real broker, and says nothing itself."""

from dataclasses import replace
from typing import Any

import nats as nats_client
from httpx2 import ASGITransport, AsyncClient

from deploy.console.app import create_app
from deploy.onebox.broker import EmbeddedNats
from shared.messaging import Handlers, Worker
from shared.messaging.provision import apply, desired
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.sessions import end_sessions
from shared.runtime.testing import eventually, signed_cookies
from tests.conftest import unit_of
from tests.console.conftest import UNIT

OPERATOR = Staff("op1", "運用 花子", frozenset({"operator"}))
#: intake as far as it speaks: its own tables play no part here
INTAKE = replace(unit_of("intake"), migrations=("shared/messaging/migrations", "shared/runtime/migrations"), database="intake_speaker")


async def test_whoever_signed_out_is_refused_here_too(databases: Any, test_settings: Any, console: Database, own_nats: EmbeddedNats) -> None:
    client = await nats_client.connect(own_nats.url)
    await apply(client, desired([INTAKE, UNIT]))
    streams = {stream.config.name for stream in await client.jetstream().streams_info()}
    await client.close()
    assert "EVT_CONSOLE" not in streams
    intake = await databases(INTAKE)
    speaker = Worker(INTAKE, test_settings(INTAKE, database=intake, nats_url=own_nats.url), intake, Handlers())
    await speaker.start()
    settings = test_settings(UNIT, database=console, nats_url=own_nats.url)
    app = create_app(settings)
    async with app.router.lifespan_context(app), AsyncClient(transport=ASGITransport(app), base_url="http://testserver") as browser:
        cookies = signed_cookies(OPERATOR, settings)

        async def asks() -> int:
            return (await browser.get("/ops/trace", headers=cookies)).status_code

        async def ready() -> bool:
            consumers = (await browser.get("/readyz")).json()["messaging"].get("consumers", {})
            return [one["state"] for one in consumers.values()] == ["consuming"]

        await eventually(ready)
        assert await asks() == 200
        async with intake.transaction() as tx:
            await end_sessions(tx, OPERATOR.sub)

        async def is_refused() -> bool:
            return await asks() == 401

        await eventually(is_refused)
        assert (await browser.get("/readyz")).json()["ready"]
    await speaker.stop()
