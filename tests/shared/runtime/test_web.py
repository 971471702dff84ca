"""The frame of every unit: the commit comes before the answer, a foreign site cannot write, a refusal speaks Japanese."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

import pytest
from fastapi import APIRouter, Form
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import text

from shared.runtime.auth import Staff
from shared.runtime.database import Tx
from shared.runtime.policies import Gate
from shared.runtime.problems import Refusal
from shared.runtime.rights import enters
from shared.runtime.testing import signed_cookies
from shared.runtime.unit import all_units
from shared.runtime.web import create_web

RECEPTION = Staff("s1", "見本 花子", frozenset({"reception"}))
CASEWORKER = Staff("s2", "見本 太郎", frozenset({"caseworker"}), frozenset({"elderly"}))


class TooLate(Refusal):
    sentence = "受付時間を過ぎています。明日の朝にもう一度お試しください。"


router = APIRouter()


@router.post("/things")
async def add_thing(name: Annotated[str, Form()], tx: Tx, staff: Annotated[Staff, enters(Gate.RECEIVE)]) -> dict[str, str]:
    await tx.execute(
        text("insert into audit (at, actor, action, object_kind, object_id) values (now(), :a, 'create', 'thing', :n)"), {"a": staff.sub, "n": name}
    )
    if name == "late":
        raise TooLate
    if name == "bug":
        raise RuntimeError("見本 花子 0558-00-0000")
    return {"saved": name}


@pytest.fixture
async def client(databases, test_settings) -> AsyncIterator[AsyncClient]:
    unit = replace(next(u for u in all_units() if u.code == "intake"), navigation=())
    settings = test_settings("intake")
    app = create_web(unit, settings, routers=[router])
    app.state.db = await databases("intake")
    async with AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://desk.test") as client:
        client.settings = settings  # type: ignore[attr-defined]
        client.app = app  # type: ignore[attr-defined]
        yield client


def signed(client: AsyncClient, staff: Staff = RECEPTION, **more: str) -> dict[str, str]:
    return signed_cookies(staff, client.settings) | more  # type: ignore[attr-defined]


async def saved(client: AsyncClient) -> list[str]:
    async with client.app.state.db.read() as rd:  # type: ignore[attr-defined]
        return [row.object_id for row in await rd.rows(text("select object_id from audit where object_kind = 'thing' order by id"))]


async def test_when_the_answer_arrives_the_row_is_committed(client: AsyncClient) -> None:
    answer = await client.post("/things", data={"name": "a"}, headers=signed(client))
    assert (answer.status_code, await saved(client)) == (200, ["a"])


async def test_the_commit_happens_before_the_first_byte_of_the_answer(client: AsyncClient) -> None:
    """FastAPI's default would commit after the response was sent; scope="function" is what prevents it."""
    rows_when_sent: list[list[str]] = []
    app = client.app  # type: ignore[attr-defined]

    async def watching(scope, receive, send):
        async def sending(message):
            if message["type"] == "http.response.start":
                rows_when_sent.append(await saved(client))
            await send(message)

        await app(scope, receive, sending)

    async with AsyncClient(transport=ASGITransport(watching), base_url="http://desk.test") as watched:
        await watched.post("/things", data={"name": "b"}, headers=signed(client))
    assert rows_when_sent == [["b"]]


async def test_a_refusal_rolls_back_and_says_what_to_do(client: AsyncClient) -> None:
    answer = await client.post("/things", data={"name": "late"}, headers=signed(client))
    assert (answer.status_code, answer.json()["sentence"]) == (409, TooLate.sentence)
    assert await saved(client) == []


async def test_a_refusal_is_a_page_for_a_browser(client: AsyncClient) -> None:
    answer = await client.post("/things", data={"name": "late"}, headers=signed(client, accept="text/html"))
    assert TooLate.sentence in answer.text
    assert "<html" in answer.text


async def test_a_bug_shows_nothing_of_its_text(client: AsyncClient, capfd: pytest.CaptureFixture[str]) -> None:
    answer = await client.post("/things", data={"name": "bug"}, headers=signed(client))
    printed = capfd.readouterr()
    assert answer.status_code == 500
    assert "見本" not in answer.text
    assert "0558" not in printed.out + printed.err


@pytest.mark.parametrize("foreign", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}])
async def test_another_site_cannot_write(client: AsyncClient, foreign: dict[str, str]) -> None:
    answer = await client.post("/things", data={"name": "x"}, headers=signed(client) | foreign)
    assert answer.status_code == 403
    assert await saved(client) == []


async def test_an_old_browser_is_judged_by_its_origin(client: AsyncClient) -> None:
    headers = signed(client)
    del headers["sec-fetch-site"]
    hostile = await client.post("/things", data={"name": "x"}, headers=headers | {"origin": "https://evil.example"})
    ours = await client.post("/things", data={"name": "y"}, headers=headers | {"origin": "http://desk.test"})
    assert (hostile.status_code, ours.status_code) == (403, 200)


@pytest.mark.parametrize("origin", ["null", "http://desk.test.evil.example", "http://evil.example/desk.test", "desk.test.", ""])
async def test_an_origin_that_only_looks_like_ours_is_another_site(client: AsyncClient, origin: str) -> None:
    headers = signed(client) | {"origin": origin}
    del headers["sec-fetch-site"]
    assert (await client.post("/things", data={"name": "x"}, headers=headers)).status_code == 403


async def test_a_session_without_a_browser_s_word_cannot_write(client: AsyncClient) -> None:
    """Every browser says at least its Origin with a POST; a stolen cookie in a script says nothing."""
    headers = signed(client)
    del headers["sec-fetch-site"]
    assert (await client.post("/things", data={"name": "x"}, headers=headers)).status_code == 403
    assert (await client.post("/things", data={"name": "x"})).status_code == 401
    assert await saved(client) == []


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/anything"])
async def test_no_path_is_left_out_of_the_check(client: AsyncClient, path: str) -> None:
    assert (await client.post(path, headers={"origin": "https://evil.example"})).status_code == 403


async def test_a_refusal_at_the_door_has_the_same_headers_as_a_page(client: AsyncClient) -> None:
    foreign = await client.post("/things", headers={"sec-fetch-site": "cross-site"})
    large = await client.post("/things", headers=signed(client), content=b"x" * 1_200_000)
    for answer in (foreign, large):
        assert answer.headers["cache-control"] == "no-store"
        assert {"content-security-policy", "x-content-type-options", "x-request-id"} <= set(answer.headers)


async def test_a_body_that_hides_or_lies_about_its_length_is_refused(client: AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 65536

    hidden = await client.post("/things", content=endless(), headers=signed(client, **{"content-type": "application/x-www-form-urlencoded"}))
    lied = await client.post("/things", content=b"", headers=signed(client, **{"content-length": "many"}))
    assert hidden.status_code in (400, 413)  # the form's own limit is met first
    assert lied.status_code == 413
    assert await saved(client) == []


async def test_without_a_ticket_a_page_goes_to_sign_in_and_json_gets_401(client: AsyncClient) -> None:
    page = await client.post("/things", data={"name": "x"}, headers={"accept": "text/html"})
    json = await client.post("/things", data={"name": "x"})
    assert (page.status_code, page.headers["location"]) == (303, "/auth/login?next=/")
    assert json.status_code == 401
    assert "サインイン" in json.json()["sentence"]


async def test_another_role_is_told_who_can_grant_it(client: AsyncClient) -> None:
    answer = await client.post("/things", data={"name": "x"}, headers=signed(client, CASEWORKER, accept="text/html"))
    assert answer.status_code == 403
    assert "受付" in answer.text
    assert "職員と権限の担当" in answer.text


async def test_headers_keep_pages_out_of_caches_and_foreign_frames(client: AsyncClient) -> None:
    answer = await client.get("/livez")
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


async def test_a_body_over_the_limit_is_refused(client: AsyncClient) -> None:
    answer = await client.post("/things", data={"name": "x" * 1_200_000}, headers=signed(client))
    assert answer.status_code == 413
    assert "大きすぎます" in answer.json()["sentence"]


async def test_what_was_typed_is_never_echoed_by_a_validation_error(client: AsyncClient) -> None:
    answer = await client.post("/things", data={"nama": "見本 花子"}, headers=signed(client))
    assert answer.status_code == 422
    assert "見本" not in answer.text
