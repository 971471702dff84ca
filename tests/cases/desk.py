"""What a test does at a desk: hears, looks, sends forms, reads what was said."""

import importlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from services.cases.casework import identity
from services.cases.casework.handlers import case_handlers
from services.cases.center.worker import LISTENS
from shared.contracts.disclosure import Disclosure, MemberIdentity
from shared.contracts.event import Event, HouseholdId, ReferralId
from shared.contracts.household import Area, HouseholdRegistered, MemberJoined, MemberRole
from shared.messaging import Envelope, Handlers
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.rights import hear_rights
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY

SATO = Staff("sato", "佐藤 花子", frozenset({"caseworker"}), frozenset({"elderly"}), "東部")
ITO = Staff("ito", "伊藤 次郎", frozenset({"caseworker"}), frozenset({"elderly"}))
MORI = Staff("mori", "森 くらし", frozenset({"caseworker"}), frozenset({"poverty"}))
NOGUCHI = Staff("noguchi", "野口 センター", frozenset({"coordinator"}))
RECEPTION = Staff("uketsuke", "受付 一郎", frozenset({"reception"}))

#: names that must appear on the desk's own pages and nowhere else
MOTHER_NAME, SON_NAME, TOLD = "見本 文子", "見本 一郎", "母と二人暮らし。八年ほど外に出ていない。"


def _package(code: str) -> str:
    return "services.cases." + code.removeprefix("cases-")


def app_of(code: str, settings: Settings) -> FastAPI:
    app: FastAPI = importlib.import_module(_package(code) + ".app").create_app(settings)
    return app


def handlers_of(code: str, settings: Settings) -> Handlers:
    handlers = case_handlers(importlib.import_module(_package(code)).PROFILE)
    for listen in LISTENS if code == "cases-center" else ():
        listen(handlers, settings)
    hear_rights(handlers)
    return handlers


def envelope(event: Event, source: str, seq: int = 1) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(uuid4(), event.type_name(), source, event.household_id, now, now, event.channel, seq, uuid4())


@dataclass
class DeskUnderTest:
    code: str
    app: FastAPI
    db: Database
    settings: Settings
    handlers: Handlers
    client: AsyncClient

    @property
    def base(self) -> str:
        base: str = self.app.state.unit.base
        return base

    async def hear(self, event: Event, source: str = "intake", times: int = 1) -> None:
        for _ in range(times):
            async with self.db.transaction() as tx:
                for handler in self.handlers.events[event.type_name()]:
                    await handler(tx, event, envelope(event, source))

    async def hear_family(self, household: HouseholdId = HOUSEHOLD) -> None:
        about: dict[str, Any] = {"household_id": household, "legal_basis": "INTERNAL_69_2_2"}
        await self.hear(HouseholdRegistered(**about, area=Area.SHUZENJI))
        for member, role, month in ((MOTHER, MemberRole.HEAD, "1944-04"), (SON, MemberRole.CHILD, "1973-06")):
            await self.hear(MemberJoined(**about, member_id=member, role=role, birth_month=month, effective_on=TODAY))

    async def told_who(self, referral_id: UUID, household: HouseholdId = HOUSEHOLD) -> None:
        """What intake answers, kept as the intent keeps it."""
        async with self.db.transaction() as tx:
            await identity.COPIES.keep(tx, ReferralId(referral_id), disclosed(household))

    async def get(self, path: str, staff: Staff = SATO, **headers: str) -> Response:
        return await self.client.get(self.base + path, headers=signed_cookies(staff, self.settings) | headers)

    async def send(self, path: str, staff: Staff = SATO, headers: dict[str, str] | None = None, **form: Any) -> Response:
        data = {key: value if isinstance(value, list) else str(value) for key, value in form.items()}
        return await self.client.post(self.base + path, data=data, headers=signed_cookies(staff, self.settings) | (headers or {}))

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.db.read() as rd:
            return list(await rd.rows(text(statement), values))

    async def said(self) -> list[str]:
        """Names of the events this desk has published, in order, without its own announcement."""
        rows = await self.rows("select type from outbox where channel <> 'domain' order by pos")
        return [row.type.split("tsunagari.")[1] for row in rows]

    async def payloads(self) -> str:
        rows = await self.rows("select convert_from(payload, 'UTF8') as body, headers::text as headers, subject from outbox order by pos")
        return "\n".join(f"{row.subject} {row.headers} {row.body}" for row in rows)

    async def accepted(self, referral_id: UUID, staff: Staff = SATO) -> str:
        """Path of the case that was opened, under the desk's base."""
        answer = await self.send(f"/referrals/{referral_id}/accept", staff, version=1)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"]).removeprefix(self.base)


def disclosed(household: HouseholdId = HOUSEHOLD) -> Disclosure:
    people = (
        MemberIdentity(member_id=MOTHER, role=MemberRole.HEAD, name=MOTHER_NAME, kana="ミホン フミコ", birth="1944-04-10", phone="0558-00-0001"),
        MemberIdentity(member_id=SON, role=MemberRole.CHILD, name=SON_NAME, kana="ミホン イチロウ", birth="1973-06-01"),
    )
    return Disclosure(disclosure_id=uuid4(), household_id=household, area=Area.SHUZENJI, address="見本町", members=people, consultation_text=TOLD,
                      receipt_no="R8-0001")  # fmt: skip


def hidden(page: str, form_id: str, name: str) -> str:
    """The value of a hidden field of one form of the page."""
    form = re.search(rf'<form[^>]* id="{form_id}".*?</form>', page, re.S)
    assert form, f"no form {form_id}"
    found = re.search(rf'name="{name}" value="([^"]*)"', form[0])
    assert found, f"no {name} in {form_id}"
    return found[1]
