"""Signed out at one desk, signed out at all: every unit that hears of it refuses the ticket, and so does a stream that is open."""

import asyncio

from httpx2 import ASGITransport, AsyncClient

from shared.runtime.auth import Staff
from shared.runtime.testing import eventually, signed_cookies, ticket_for
from shared.runtime.ticket import Ticket
from shared.runtime.unit import all_units
from tests.journeys.conftest import Town

EVERYWHERE = Staff("kenmu-1", "見本 けんじ", frozenset({"reception", "caseworker", "coordinator", "outreach", "manager"}), frozenset({"elderly"}))
MANAGER = Staff("kanri-1", "見本 おさむ", frozenset({"manager"}))
DOORS = {unit.code: "/intake/new" if unit.code == "intake" else unit.base.rstrip("/") + "/" for unit in all_units()}


async def doors_open(town: Town, ticket: Ticket) -> set[str]:
    """The units that let this ticket in."""
    found = set()
    for code, path in DOORS.items():
        headers = signed_cookies(EVERYWHERE, town.settings[code], ticket) | {"accept": "text/html"}
        async with AsyncClient(transport=ASGITransport(town.apps[code]), base_url="http://testserver") as client:
            answer = await client.get(path, headers=headers)
        if not answer.headers.get("location", "").startswith("/auth/login"):
            found.add(code)
    return found


async def sign_out(town: Town, ticket: Ticket) -> str:
    headers = signed_cookies(EVERYWHERE, town.settings["intake"], ticket) | {"accept": "text/html"}
    async with AsyncClient(transport=ASGITransport(town.apps["intake"]), base_url="http://testserver") as client:
        answer = await client.post("/auth/logout", headers=headers)
    assert answer.status_code == 200
    assert "__Host-desk=;" in answer.headers["set-cookie"]
    assert EVERYWHERE.name not in answer.text
    return answer.text


async def test_a_sign_out_is_heard_by_every_unit(town: Town) -> None:
    ticket, other = ticket_for(EVERYWHERE), ticket_for(EVERYWHERE)
    assert await doors_open(town, ticket) == set(DOORS)
    await sign_out(town, ticket)
    assert "intake" not in await doors_open(town, ticket)
    await eventually(lambda: _none(town, ticket), every=0.2)
    assert await doors_open(town, other) == set(DOORS)


async def _none(town: Town, ticket: Ticket) -> bool:
    return not await doors_open(town, ticket)


async def test_a_manager_ends_the_sessions_of_one_and_of_all(town: Town) -> None:
    lost = ticket_for(EVERYWHERE)
    for sub in (EVERYWHERE.sub, MANAGER.sub):
        await _seen(town, sub)
    one = await town.ask("intake", "POST", "/auth/accounts/end", MANAGER, data={"sub": EVERYWHERE.sub})
    assert one.status_code == 303, one.text
    await eventually(lambda: _none(town, lost), every=0.2)

    back = ticket_for(EVERYWHERE)
    assert await doors_open(town, back) == set(DOORS)
    everybody = await town.ask("intake", "POST", "/auth/accounts/all/end", MANAGER)
    assert everybody.status_code == 303
    await eventually(lambda: _none(town, back), every=0.2)


async def _seen(town: Town, sub: str) -> None:
    from services.intake import accounts

    async with town.db("intake").transaction() as tx:
        await accounts.keep(tx, ticket_for(Staff(sub, "見本 さん", frozenset({"manager"}))))


async def test_an_open_stream_tells_nothing_more_after_the_sign_out(town: Town) -> None:
    ticket = ticket_for(EVERYWHERE)
    headers = signed_cookies(EVERYWHERE, town.settings["notify"], ticket)
    said: list[bytes] = []

    async def listen() -> None:
        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.body":
                said.append(bytes(message.get("body", b"")))  # type: ignore[call-overload]

        async def receive() -> dict[str, object]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "path": "/inbox/stream", "raw_path": b"/inbox/stream", "query_string": b"",
            "headers": raw, "scheme": "http", "server": ("testserver", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip
        await town.apps["notify"](scope, receive, send)

    stream = asyncio.create_task(listen())
    await asyncio.sleep(0.3)
    await sign_out(town, ticket)
    await eventually(lambda: _none(town, ticket), every=0.2)
    await _wake_the_streams(town)
    await asyncio.wait_for(stream, 20)
    assert not any(b"data:" in part for part in said)


async def _wake_the_streams(town: Town) -> None:
    """Enough for the stream to wake, as a new alert does."""
    numbers = town.apps["notify"].state.numbers
    numbers._last = 10**9
    await numbers._tell()
