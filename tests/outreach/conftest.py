"""The outreach desk in process: its own database, its web app, and an ear that hears events as its consumer would."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import text

from services.outreach import identity
from services.outreach.app import create_app
from services.outreach.handlers import outreach_handlers
from shared.contracts.disclosure import Disclosure, MemberIdentity
from shared.contracts.event import Event
from shared.contracts.household import Area, HouseholdRegistered, MemberJoined, MemberRole
from shared.contracts.referral import ReferralMade
from shared.messaging import Envelope
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies
from tests.outreach.builders import HOUSEHOLD, MOTHER, SON, TODAY, made

AYUMU = Staff("homon-1", "見本 あゆむ", frozenset({"outreach"}), team="アウトリーチ班")
KEI = Staff("homon-2", "見本 けい", frozenset({"outreach"}))
CENTER = Staff("center-1", "見本 つなぐ", frozenset({"coordinator"}))
RECEPTION = Staff("uketsuke-1", "見本 はな", frozenset({"reception"}))
#: what must appear on this desk's own pages and nowhere else
MOTHER_NAME, TOLD, MEMO = "模擬原 トミ", "（架空の相談）日付を間違えてごみを出すことが増えた。", "玄関先で立ち話。足が少しむくんでいる。"


def disclosed() -> Disclosure:
    people = (
        MemberIdentity(member_id=MOTHER, role=MemberRole.HEAD, name=MOTHER_NAME, kana="モギハラ トミ", birth="1943-04-01", phone="0558-00-0001"),
        MemberIdentity(member_id=SON, role=MemberRole.CHILD, name="模擬原 実", kana="モギハラ ミノル", birth="1973-06-01"),
    )
    return Disclosure(
        disclosure_id=uuid4(), household_id=HOUSEHOLD, area=Area.SHUZENJI, address="見本町（架空）1-2", members=people, consultation_text=TOLD
    )


@dataclass
class OutreachDesk:
    app: FastAPI
    settings: Settings
    client: AsyncClient

    @property
    def db(self) -> Database:
        database: Database = self.app.state.db
        return database

    async def hear(self, event: Event, source: str = "intake", times: int = 1) -> None:
        now = datetime.now(UTC)
        for _ in range(times):
            envelope = Envelope(uuid4(), event.type_name(), source, event.household_id, now, now, event.channel, 1, uuid4())
            async with self.db.transaction() as tx:
                for handler in outreach_handlers().events[event.type_name()]:
                    await handler(tx, event, envelope)

    async def hear_family(self, times: int = 1) -> None:
        about: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": "INTERNAL_69_2_2"}
        await self.hear(HouseholdRegistered(**about, area=Area.SHUZENJI), times=times)
        for member, role, month in ((MOTHER, MemberRole.HEAD, "1943-04"), (SON, MemberRole.CHILD, "1973-06")):
            await self.hear(MemberJoined(**about, member_id=member, role=role, birth_month=month, effective_on=TODAY), times=times)

    async def told_who(self, question: UUID) -> None:
        """What intake answers, kept as the intent keeps it."""
        async with self.db.transaction() as tx:
            await identity.COPIES.keep(tx, question, disclosed())

    async def get(self, path: str, staff: Staff = AYUMU) -> Response:
        return await self.client.get("/outreach" + path, headers=signed_cookies(staff, self.settings))

    async def send(self, path: str, staff: Staff = AYUMU, headers: dict[str, str] | None = None, **form: Any) -> Response:
        data = {key: str(value) for key, value in form.items()}
        return await self.client.post("/outreach" + path, data=data, headers=signed_cookies(staff, self.settings) | (headers or {}))

    async def arrived(self, **changes: Any) -> ReferralMade:
        event = made(**changes)
        await self.hear_family()
        await self.hear(event)
        return event

    async def watched(self, tier: str = "B") -> str:
        """Path of a watch that was planned from a referral whose names were disclosed."""
        event = await self.arrived()
        await self.told_who(event.referral_id)
        answer = await self.send(f"/referrals/{event.referral_id}/accept", version=1, plan_id=uuid4(), member_id=MOTHER, tier=tier)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"]).removeprefix("/outreach")

    async def check_in(self, path: str, outcome: str, staff: Staff = AYUMU, **form: Any) -> Response:
        page = (await self.get(path)).text
        given = {name: hidden(page, "check-in", name) for name in ("version", "check_in_id")}
        return await self.send(f"{path}/check-ins", staff, **given | {"outcome": outcome} | form)

    async def rows(self, statement: str) -> list[Any]:
        async with self.db.read() as rd:
            return list(await rd.rows(text(statement)))

    async def said(self) -> list[str]:
        """Names of the events this desk has published, in order, without its own announcement."""
        rows = await self.rows("select type from outbox where channel <> 'domain' order by pos")
        return [row.type.removeprefix("jp.tsunagari.") for row in rows]

    async def payloads(self) -> str:
        rows = await self.rows("select convert_from(payload, 'UTF8') as body, headers::text as headers, subject from outbox order by pos")
        return "\n".join(f"{row.subject} {row.headers} {row.body}" for row in rows)


def hidden(page: str, form_id: str, name: str) -> str:
    """The value of a hidden field of one form of the page."""
    form = re.search(rf'<form[^>]* id="{form_id}".*?</form>', page, re.S)
    assert form, f"no form {form_id}"
    found = re.search(rf'name="{name}" value="([^"]*)"', form[0])
    assert found, f"no {name} in {form_id}"
    return found[1]


@pytest.fixture
async def desk(databases: Callable[..., Awaitable[Database]], test_settings: Callable[..., Settings]) -> AsyncIterator[OutreachDesk]:
    database = await databases("outreach")
    settings = test_settings("outreach", database=database, roles="web")
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = ASGITransport(app, raise_app_exceptions=True)
        async with AsyncClient(transport=transport, base_url="http://desk.test", headers={"accept": "text/html"}) as client:
            yield OutreachDesk(app, settings, client)
