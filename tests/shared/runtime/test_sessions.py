"""A session that is over opens nothing any more: in every web process, however the ticket was copied, and a failed look refuses nobody else."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.contracts.session import SessionsRevoked
from shared.messaging import Handlers
from shared.runtime.auth import Recent, Signed, Staff, codes_only
from shared.runtime.database import Database
from shared.runtime.policies import Gate
from shared.runtime.rights import enters
from shared.runtime.sessions import EndedSessions, end_sessions, hear_sessions
from shared.runtime.testing import signed_cookies, ticket_for
from shared.runtime.ticket import ABSOLUTE, Ticket, japan_day
from shared.runtime.unit import all_units
from shared.runtime.web import create_web

SATO = Staff("sato-1", "見本 里", frozenset({"reception"}))
MORI = Staff("mori-1", "見本 森", frozenset({"reception"}))
SECRET = "見本市修善寺 0558-00-0000"

router = APIRouter()


@router.get("/page")
async def page(staff: Signed) -> dict[str, str]:
    return {"shown": SECRET}


@router.post("/export")
async def export(staff: Annotated[Staff, enters(Gate.RECEIVE)], recent: Recent) -> dict[str, str]:
    return {"shown": SECRET}


@router.get("/export")
async def export_page(staff: Signed, recent: Recent) -> dict[str, str]:
    return {"shown": SECRET}


class Door:
    """One web process of a unit, on a given database."""

    def __init__(self, database: Database, settings: Any) -> None:
        unit = replace(next(unit for unit in all_units() if unit.code == "intake"), navigation=())
        self.settings, self.app = settings, create_web(unit, settings, routers=[router])
        self.app.state.db = database
        self.app.state.sessions = EndedSessions(ttl=0)
        self.client = AsyncClient(transport=ASGITransport(self.app), base_url="http://desk.test")

    async def ask(self, ticket: Ticket | None, path: str = "/page", method: str = "GET", **headers: str) -> Response:
        signed = signed_cookies(SATO, self.settings, ticket) if ticket else {}
        return await self.client.request(method, path, headers=signed | {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
async def db(databases: Any) -> Database:
    database: Database = await databases("intake")
    return database


@pytest.fixture
async def door(db: Database, test_settings: Any) -> AsyncIterator[Door]:
    door = Door(db, test_settings("intake"))
    async with door.client:
        yield door


async def end(db: Database, *about: Any) -> None:
    async with db.transaction() as tx:
        await end_sessions(tx, *about)


async def hear(db: Database, event: SessionsRevoked) -> None:
    handlers = Handlers()
    hear_sessions(handlers)
    async with db.transaction() as tx:
        for handler in handlers.events[event.type_name()]:
            await handler(tx, event, None)


def ended(staff: str = "sato-1", **given: Any) -> SessionsRevoked:
    return SessionsRevoked(household_id=uuid4(), legal_basis="INTERNAL_69_2_2", **{"staff": staff, "before": datetime.now(UTC)} | given)


async def kept(db: Database) -> list[Any]:
    async with db.read() as rd:
        return list(await rd.rows(text("select staff, sid, before from revoked_session order by before")))


async def test_a_session_that_was_ended_opens_nothing_and_another_one_of_the_person_goes_on(door: Door, db: Database) -> None:
    desk, counter = ticket_for(SATO), ticket_for(SATO)
    assert (await door.ask(desk)).status_code == 200
    await end(db, "sato-1", desk.sid)
    refused = await door.ask(desk)
    assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_needed")
    assert (await door.ask(counter)).status_code == 200


async def test_a_copy_of_the_cookie_is_refused_too_and_is_not_sealed_again(door: Door, db: Database) -> None:
    ticket = ticket_for(SATO, age=120)
    copy = ticket.model_copy(update={"idle": int(time.time())})
    assert "set-cookie" in (await door.ask(ticket)).headers
    await end(db, "sato-1", ticket.sid)
    for one in (ticket, copy):
        answer = await door.ask(one)
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)


async def test_all_sessions_of_an_account_end_and_a_new_sign_in_works(door: Door, db: Database) -> None:
    before, other = ticket_for(SATO), ticket_for(MORI)
    await end(db, "sato-1")
    assert (await door.ask(before)).status_code == 401
    assert (await door.ask(other)).status_code == 200
    assert (await door.ask(ticket_for(SATO))).status_code == 200


async def test_a_new_sign_in_works_although_the_issuer_asked_the_person_long_ago(door: Door, db: Database) -> None:
    await end(db, "sato-1")
    ticket = ticket_for(SATO).model_copy(update={"auth_time": int(time.time()) - 12 * 3600})
    assert (await door.ask(ticket)).status_code == 200


async def test_what_another_unit_said_is_refused_here_once_heard_and_twice_heard_is_once(door: Door, db: Database) -> None:
    ticket = ticket_for(SATO)
    event = ended(sid=ticket.sid)
    await hear(db, event)
    await hear(db, event)
    assert (await door.ask(ticket)).status_code == 401
    assert len(await kept(db)) == 1


async def test_an_older_end_heard_late_takes_nothing_back(door: Door, db: Database) -> None:
    now = datetime.now(UTC)
    ticket = ticket_for(SATO)
    await hear(db, ended(before=now + timedelta(seconds=1)))
    await hear(db, ended(before=now - timedelta(hours=2)))
    assert (await door.ask(ticket)).status_code == 401


async def test_what_is_too_old_to_matter_is_not_kept(db: Database) -> None:
    old = datetime.now(UTC) - timedelta(seconds=ABSOLUTE + 3600)
    async with db.transaction(now=old) as tx:
        await end_sessions(tx, "mori-1", uuid4())
    await hear(db, ended(before=old))
    await hear(db, ended("sato-1"))
    assert [row.staff for row in await kept(db)] == ["sato-1"]


async def test_what_is_said_carries_no_name(db: Database) -> None:
    await end(db, "sato-1", uuid4())
    async with db.read() as rd:
        (row,) = await rd.rows(text("select type, convert_from(payload, 'UTF8') as body, headers::text as headers, subject from outbox"))
    assert row.type == "jp.tsunagari.session.revoked.v1"
    assert "見本" not in row.body + row.headers + row.subject


class Away(Database):
    """A database that does not answer the question for ended sessions."""

    def __init__(self) -> None:
        pass

    def read(self) -> Any:
        raise OperationalError("select", {}, OSError("away"))


async def test_a_failed_look_makes_no_request_fail_and_forgets_nothing(door: Door, db: Database) -> None:
    gone, here = ticket_for(SATO), ticket_for(SATO)
    await end(db, "sato-1", gone.sid)
    assert (await door.ask(gone)).status_code == 401
    door.app.state.db = Away()
    assert ((await door.ask(here)).status_code, (await door.ask(gone)).status_code) == (200, 401)


async def test_many_requests_make_few_looks(db: Database) -> None:
    looks = 0

    class Counting(Away):
        def read(self) -> Any:
            nonlocal looks
            looks += 1
            return db.read()

    sessions = EndedSessions(ttl=3600)
    for _ in range(50):
        await sessions.refresh(Counting())
    assert looks == 1
    sessions.look_again()
    await sessions.refresh(Counting())
    assert looks == 2


async def test_an_account_is_good_on_its_last_day_and_refused_the_day_after(door: Door) -> None:
    today = japan_day()
    assert (await door.ask(ticket_for(SATO, valid_to=today))).status_code == 200
    refused = await door.ask(ticket_for(SATO, valid_to=today - timedelta(days=1)))
    assert (refused.status_code, refused.json()["code"]) == (403, "account_ended")
    assert "職員と権限の担当" in refused.json()["sentence"]
    shown = await door.ask(ticket_for(SATO, valid_to=today - timedelta(days=1), age=120), accept="text/html")
    assert "期限の延長" in shown.text
    assert "見本 里" not in shown.text
    assert "set-cookie" not in shown.headers


def test_the_day_of_an_account_is_the_day_in_japan() -> None:
    ticket = ticket_for(SATO, valid_to=datetime(2027, 3, 31, tzinfo=UTC).date())
    last_second = datetime(2027, 3, 31, 14, 59, 59, tzinfo=UTC).timestamp()
    assert not ticket.account_ended(last_second)
    assert ticket.account_ended(last_second + 1)


async def test_what_cannot_be_taken_back_needs_a_recent_sign_in(door: Door) -> None:
    recent, long_ago = ticket_for(SATO, age=4 * 60), ticket_for(SATO, age=6 * 60)
    assert (await door.ask(recent, "/export", "POST")).status_code == 200
    told = await door.ask(long_ago, "/export", "POST")
    assert (told.status_code, told.json()["code"]) == (403, "sign_in_again")
    assert told.json()["link"] == "/auth/login?again=1&next=/"
    assert SECRET not in told.text


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (f"/intake/new?saved={UUID(int=7)}&page=2&blank=true", f"/intake/new?saved={UUID(int=7)}&page=2&blank=true"),
        (f"/d/elderly/cases/{UUID(int=7)}?tab=facts", f"/d/elderly/cases/{UUID(int=7)}"),
        ("/intake/?q=架空 花子&page=3", "/intake/?page=3"),
        ("/intake/?架空=1&phone=0558-00-0001&birth=1938-11-23", "/intake/"),
        ("/intake/households/架空 花子", "/"),
        ("/intake/households/0558-00-0001", "/"),
        ("/", "/"),
    ],
)
def test_what_somebody_typed_into_the_address_does_not_travel_to_the_sign_in(asked: str, kept: str) -> None:
    path, _, query = asked.partition("?")
    assert codes_only(path, query) == kept


async def test_a_name_in_the_address_of_an_ended_session_is_left_behind(door: Door) -> None:
    asked = await door.ask(ticket_for(SATO, age=6 * 60), "/export?name=架空&page=2", accept="text/html")
    assert asked.headers["location"] == "/auth/login?again=1&next=/export%3Fpage%3D2"
    ended = await door.ask(ticket_for(SATO, age=ABSOLUTE + 60), "/export?name=架空", accept="text/html")
    assert ended.headers["location"] == "/auth/login?next=/export"


async def test_a_page_is_led_to_the_sign_in_and_back(door: Door) -> None:
    long_ago = ticket_for(SATO, age=6 * 60)
    asked = await door.ask(long_ago, "/export?part=一", accept="text/html")
    assert (asked.status_code, asked.headers["location"]) == (303, "/auth/login?again=1&next=/export")
    sent = await door.ask(long_ago, "/export", "POST", accept="text/html", referer="http://desk.test/export?name=x")
    assert (sent.status_code, sent.headers["location"]) == (303, "/auth/login?again=1&next=/export")
    foreign = await door.ask(long_ago, "/export", "POST", accept="text/html", referer="http://evil.example/export")
    assert foreign.headers["location"] == "/auth/login?again=1&next=/"


async def test_a_form_beside_keeps_what_was_typed_and_signs_in_in_a_window_of_its_own(door: Door) -> None:
    told = await door.ask(ticket_for(SATO, age=6 * 60), "/export", "POST", hx_request="true")
    assert told.status_code == 403
    assert 'href="/auth/login?again=1&amp;next=/auth/back" target="_blank"' in told.text
    assert "<html" not in told.text


async def test_a_ticket_is_recent_again_only_by_proving_it(door: Door) -> None:
    """Working on renews the ticket but not the proof."""
    busy = ticket_for(SATO, age=6 * 60).model_copy(update={"idle": int(time.time())})
    assert (await door.ask(busy, "/export", "POST")).status_code == 403
