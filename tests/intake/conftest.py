"""総合相談窓口 in one process: the real app on a real database, signed in as whoever the test says."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import text

from services.intake.app import create_app
from shared.contracts.event import CATALOGUE
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies

RECEPTION = Staff("r1", "試験 受付", frozenset({"reception"}))
COLLEAGUE = Staff("r2", "試験 同僚", frozenset({"reception"}))
COORDINATOR = Staff("c1", "試験 調整", frozenset({"coordinator"}))
CASEWORKER = Staff("w1", "試験 担当", frozenset({"caseworker"}), frozenset({"elderly"}))
MANAGER = Staff("m1", "試験 管理", frozenset({"manager"}))

TARGETS = {"cases-elderly": "高齢の窓口", "cases-poverty": "くらしの窓口"}


@dataclass
class Desk:
    """The intake desk as a browser sees it."""

    app: FastAPI
    settings: Settings
    db: Database
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def ask(self, method: str, path: str, staff: Staff | None = RECEPTION, *, htmx: bool = False, **given: Any) -> Response:
        headers = {"accept": "text/html", "sec-fetch-site": "same-origin"} | (signed_cookies(staff, self.settings) if staff else {})
        headers |= {"hx-request": "true"} if htmx else {}
        async with AsyncClient(transport=ASGITransport(self.app), base_url="http://testserver") as client:
            return await client.request(method, path, headers=headers | given.pop("headers", {}), **given)

    async def get(self, path: str, staff: Staff | None = RECEPTION, **given: Any) -> Response:
        return await self.ask("GET", path, staff, **given)

    async def post(self, path: str, form: dict[str, Any], staff: Staff | None = RECEPTION, **given: Any) -> Response:
        return await self.ask("POST", path, staff, data=form, **given)

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.db.read() as rd:
            return list(await rd.rows(text(sql), values))

    async def said(self) -> list[Any]:
        """Every event in the outbox, decoded, in order; what the unit says of itself is left out."""
        rows = await self.rows("select type, payload from outbox where channel <> 'domain' order by pos")
        kinds = {kind.type_name(): kind for kind in CATALOGUE.values()}
        return [kinds[row.type].model_validate_json(row.payload) for row in rows]

    async def payloads(self) -> str:
        rows = await self.rows("select headers::text as headers, payload, subject from outbox")
        return "\n".join(row.headers + row.subject + bytes(row.payload).decode() for row in rows)

    async def take(self, **more: Any) -> UUID:
        """A consultation taken at the desk; its id."""
        form = sheet(**more)
        answer = await self.post("/intake/new", form)
        assert answer.status_code in (200, 201), answer.text
        rows = await self.rows("select id from consultation where form_key = :key", key=UUID(form["form_key"]))
        found: UUID = rows[0].id
        return found


def sheet(**more: Any) -> dict[str, Any]:
    """A filled sheet with the four required fields; `more` adds or replaces."""
    form = {
        "form_key": str(uuid4()),
        "route": "3",
        "name": "架空 花子",
        "text": "母のことで相談したい。",
        "urgency": "C",
        "consent": "not_asked",
        "role": "head",
    }
    return form | more


async def announce(database: Database, unit: str, title: str) -> None:
    async with database.transaction() as tx:
        statement = text(
            "insert into announced_unit (unit, title, base, accepts_referrals, navigation, version, announced_at) "
            "values (:unit, :title, :base, true, '[]', '1', now()) on conflict do nothing"
        )
        await tx.execute(statement, {"unit": unit, "title": title, "base": "/d/" + unit})


@pytest.fixture
async def desk(databases: Callable[..., Any], test_settings: Callable[..., Settings]) -> AsyncIterator[Desk]:
    database = await databases("intake")
    settings = test_settings("intake", database=database, roles="web")
    app = create_app(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        for unit, title in TARGETS.items():
            await announce(database, unit, title)
        yield Desk(app, settings, database)
