"""A whole town in one process: every unit's real app and worker, its own database, one real broker."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from nats.aio.client import Client
from sqlalchemy import text

from shared.contracts.case import FactRecorded
from shared.contracts.event import Confidence, Event, HouseholdId, LegalBasis, MemberId
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberJoined, MemberLeft, MemberRole
from shared.messaging import provision
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.settings import Profile, Settings
from shared.runtime.testing import eventually, signed_cookies
from shared.runtime.unit import all_units
from tests.conftest import TICKET_KEY, Templates, start_nats

COORDINATOR = Staff("c1", "試験 調整", frozenset({"coordinator"}))


@dataclass
class Town:
    apps: dict[str, FastAPI] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    stops: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def start(self, code: str) -> None:
        package = next(unit.package for unit in all_units() if unit.code == code)
        app = importlib.import_module(f"{package}.app").create_app(self.settings[code])
        stack = self.stops[code] = AsyncExitStack()
        await stack.enter_async_context(app.router.lifespan_context(app))
        self.apps[code] = app

    async def stop(self, code: str) -> None:
        await self.stops.pop(code).aclose()
        del self.apps[code]

    def db(self, code: str) -> Database:
        database: Database = self.apps[code].state.db
        return database

    async def say(self, code: str, *events: Event) -> None:
        """What the unit's own routes do at their end: publish in a transaction of its own database."""
        async with self.db(code).transaction() as tx:
            tx.publish(*events)

    async def ask(self, code: str, method: str, path: str, staff: Staff, **given: Any) -> Response:
        headers = signed_cookies(staff, self.settings[code]) | {"accept": "text/html"} | given.pop("headers", {})
        async with AsyncClient(transport=ASGITransport(self.apps[code]), base_url="http://testserver") as client:
            return await client.request(method, path, headers=headers, **given)

    async def rows(self, code: str, sql: str, **values: Any) -> list[Any]:
        async with self.db(code).read() as rd:
            return list(await rd.rows(text(sql), values))

    async def alerts(self, household: UUID) -> dict[str, str]:
        """rule → severity of every alert raised for the household."""
        rows = await self.rows("notify", "select rule_id, severity from alert where household_id = :h", h=household)
        assert len({row.rule_id for row in rows}) == len(rows), "an alert was raised twice"
        return {row.rule_id: row.severity for row in rows}

    async def acquainted(self) -> bool:
        """The reception knows every desk it may refer to."""
        return len(await self.rows("intake", "select 1 from announced_unit where accepts_referrals")) >= 6

    async def quiet(self) -> bool:
        """Every unit has published what it wrote."""
        for code in self.apps:
            if await self.rows(code, "select 1 from outbox where published_at is null limit 1"):
                return False
        return True


@pytest.fixture(scope="module")
async def town(templates: Templates, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One town for a module: its tests each bring their own household."""
    broker = start_nats(tmp_path_factory.mktemp("town") / "nats")
    client = Client()
    await client.connect(broker.url)
    await provision.apply(client, provision.desired(all_units(), max_bytes=64 << 20))
    await client.close()
    town, names = Town(), []
    for unit in all_units():
        name, url = await templates.clone(unit)
        names.append(name)
        town.settings[unit.code] = Settings(
            profile=Profile.TEST, database_url=url, nats_url=broker.url, ticket_keys=TICKET_KEY, public_url="http://testserver", instance=unit.code
        )
    await asyncio.gather(*(town.start(code) for code in town.settings))
    await eventually(town.acquainted, timeout=30)
    yield town
    await asyncio.gather(*(town.stop(code) for code in list(town.apps)))
    for name in names:
        await templates.drop(name)
    broker.stop()


@dataclass(frozen=True)
class Home:
    """A household as its events tell it."""

    household: HouseholdId
    members: tuple[MemberId, ...]
    events: tuple[Event, ...]


BASIS = LegalBasis.INTERNAL_69_2_2


def home(*people: tuple[MemberRole, str], since: date = date(2016, 4, 1)) -> Home:
    household = HouseholdId(uuid4())
    members = tuple(MemberId(uuid4()) for _ in people)
    joined = [
        MemberJoined(household_id=household, legal_basis=BASIS, member_id=member, role=role, birth_month=month, effective_on=since)
        for member, (role, month) in zip(members, people, strict=True)
    ]
    return Home(household, members, (HouseholdRegistered(household_id=household, legal_basis=BASIS, area=Area.SHUZENJI), *joined))


def fact(
    home: Home, who: int | None, kind: str, value: str, *, since: str | None = None, as_of: date, confidence: Confidence = Confidence.CONFIRMED
) -> FactRecorded:
    return FactRecorded(
        household_id=home.household,
        legal_basis=BASIS,
        fact_id=uuid4(),
        member_id=None if who is None else home.members[who],
        kind=kind,
        value=value,
        since=since,
        as_of=as_of,
        confidence=confidence,
    )


def left(home: Home, who: int, reason: LeavingReason, on: date) -> MemberLeft:
    return MemberLeft(household_id=home.household, legal_basis=BASIS, member_id=home.members[who], reason=reason, effective_on=on)
