"""The sign-in against an issuer that misbehaves: what it says is checked, a clock may be a little off, nothing leads away from our origin."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Request
from httpx2 import ASGITransport, AsyncClient, Response
from joserfc import jwk
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.runtime.auth import Staff
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies, ticket_for
from shared.runtime.ticket import COOKIE, Ticket, japan_day, unseal
from shared.runtime.unit import all_units
from shared.runtime.web import create_web
from tests.shared.runtime.issuer import Issuer, issuing

HANA = Staff("uketsuke-1", "見本 はな", frozenset({"reception"}))


class Browser:
    """A browser at the door: keeps the cookie of a sign-in under way, and the ticket."""

    def __init__(self, settings: Settings, issuer: Issuer, database: Any) -> None:
        self.settings, self.issuer, self.seen = settings, issuer, list[Ticket]()
        unit = next(unit for unit in all_units() if unit.code == "intake")
        self.app = create_web(unit, settings, routers=[], mounts_sign_in=self._see)
        self.app.state.db = database
        self.client = AsyncClient(transport=ASGITransport(self.app), base_url="http://testserver", headers={"accept": "text/html"})

    async def _see(self, request: Request, ticket: Ticket) -> None:
        self.seen.append(ticket)

    async def begin(self, query: str = "") -> dict[str, str]:
        """What the issuer is asked."""
        led = await self.client.get("/auth/login" + query)
        assert led.status_code == 302, led.text
        asked = {name: values[0] for name, values in parse_qs(urlsplit(led.headers["location"]).query).items()}
        self.issuer.nonce = asked["nonce"]
        return asked

    async def come_back(self, asked: dict[str, str], **headers: str) -> Response:
        return await self.client.get("/auth/callback", params={"code": "c", "state": asked["state"]}, headers=headers)

    async def sign_in(self, query: str = "", **headers: str) -> Response:
        return await self.come_back(await self.begin(query), **headers)

    def ticket(self, answer: Response) -> Ticket | None:
        value = next((part for part in answer.headers.get_list("set-cookie") if part.startswith(COOKIE + "=")), "").partition("=")[2]
        return unseal(value.partition(";")[0], self.settings) if value else None


@pytest.fixture
def issuer() -> Any:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
async def browser(databases: Any, test_settings: Any, issuer: Issuer) -> AsyncIterator[Browser]:
    browser = Browser(test_settings("intake", oidc_issuer=issuer.url, oidc_client_secret="secret"), issuer, await databases("intake"))
    async with browser.client:
        yield browser


async def test_a_person_comes_in_with_roles_and_domains_under_the_office_s_own_number(browser: Browser, issuer: Issuer) -> None:
    issuer.claims |= {"roles": ["caseworker", "offline_access"], "domains": ["/domain/elderly", "/team/east"], "valid_to": "2099-03-31"}
    answer = await browser.sign_in("?next=/intake/new")
    ticket = browser.ticket(answer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/intake/new")
    assert ticket
    assert (ticket.sub, ticket.roles, ticket.domains) == ("uketsuke-1", ("caseworker",), ("elderly",))
    assert ticket.valid_to
    assert [one.sid for one in browser.seen] == [ticket.sid]


async def test_the_cookies_are_for_this_host_and_no_script(browser: Browser) -> None:
    login = await browser.client.get("/auth/login")
    answer = await browser.sign_in()
    (ticket,) = [part for part in answer.headers.get_list("set-cookie") if part.startswith(COOKIE + "=")]
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= {part.strip() for part in ticket.split(";")}
    assert "Domain" not in ticket
    under_way = login.headers["set-cookie"].lower()
    assert "httponly" in under_way
    assert "path=/auth" in under_way
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert {"referrer-policy", "x-content-type-options", "permissions-policy"} <= set(answer.headers)


async def test_the_issuer_is_asked_with_pkce_a_state_and_a_nonce(browser: Browser) -> None:
    asked = await browser.begin()
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://testserver/auth/callback"
    assert {"state", "nonce", "code_challenge"} <= set(asked)


REFUSED: dict[str, dict[str, Any]] = {
    "for another client": {"aud": "other"},
    "by another issuer": {"iss": "https://evil.example"},
    "of another sign-in": {"nonce": "stolen"},
    "run out ten minutes ago": {"exp": int(time.time()) - 600},
    "from tomorrow": {"iat": int(time.time()) + 86_400, "exp": int(time.time()) + 87_000},  # further away than the tests take
    "without a person": {"sub": None},
    "a number that is a name": {"staff_id": "見本 はな"},
    "a number of another form": {"staff_id": "a/../b\r\nSet-Cookie: x=1"},
    "a number that is none": {"staff_id": 17},
    "a last day nobody can read": {"valid_to": "2027/3/31"},
    "a last day that is a name": {"valid_to": {"year": 2027}},
    "a proof at no time": {"auth_time": "yesterday"},
}


@pytest.mark.parametrize("lie", REFUSED.values(), ids=REFUSED.keys())
async def test_an_id_token_that_is_not_for_this_sign_in_gives_no_ticket(browser: Browser, issuer: Issuer, lie: dict[str, Any]) -> None:
    issuer.claims |= lie
    answer = await browser.sign_in()
    assert (answer.status_code, browser.ticket(answer), browser.seen) == (400, None, [])
    assert "もう一度はじめから" in answer.text


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_an_id_token_without_the_issuer_s_signature_gives_no_ticket(browser: Browser, issuer: Issuer, algorithm: str) -> None:
    issuer.algorithm = algorithm
    answer = await browser.sign_in()
    assert (answer.status_code, browser.ticket(answer)) == (400, None)


async def test_a_foreign_key_gives_no_ticket_and_a_new_key_of_the_issuer_is_fetched(browser: Browser, issuer: Issuer) -> None:
    assert browser.ticket(await browser.sign_in())
    ours, issuer.published = issuer.key, [issuer.key]
    issuer.key = jwk.RSAKey.generate_key(2048, {"kid": "two"})
    assert (await browser.sign_in()).status_code == 400
    issuer.published = [ours, issuer.key]
    assert browser.ticket(await browser.sign_in())


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_the_issuer_s_clock_may_be_a_minute_and_a_half_off(browser: Browser, issuer: Issuer, seconds: int) -> None:
    there = int(time.time()) + seconds
    issuer.claims |= {"iat": there, "exp": there + 60, "auth_time": there}
    ticket = browser.ticket(await browser.sign_in())
    assert ticket
    assert ticket.auth_time <= time.time()


async def test_userinfo_of_somebody_else_is_not_mixed_in(browser: Browser, issuer: Issuer) -> None:
    issuer.claims["roles"] = None
    issuer.userinfo = {"sub": "somebody-else", "roles": ["manager"]}
    assert (await browser.sign_in()).status_code == 400
    issuer.userinfo = {"sub": "kc-2f6c", "roles": "reception"}
    ticket = browser.ticket(await browser.sign_in())
    assert ticket
    assert ticket.roles == ("reception",)


async def test_a_callback_is_good_once_and_in_one_browser(browser: Browser, issuer: Issuer) -> None:
    asked = await browser.begin()
    assert (await browser.come_back(asked)).status_code == 303
    assert (await browser.come_back(asked)).status_code == 400
    other = await browser.begin()
    browser.client.cookies.clear()
    assert (await browser.come_back(other)).status_code == 400
    assert issuer.redeemed == 1


@pytest.mark.parametrize("query", ["", "?code=c", "?state=s", "?error=access_denied&error_description=%E8%A6%8B%E6%9C%AC", "?code=c&state=%0d%0aX:1"])
async def test_a_callback_out_of_nowhere_is_told_to_begin_again(browser: Browser, query: str) -> None:
    answer = await browser.client.get("/auth/callback" + query)
    assert (answer.status_code, browser.ticket(answer)) == (400, None)
    assert "見本" not in answer.text


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "/\\evil.example", "/a%0d%0aSet-Cookie:%20x=1", "/" + "a" * 9000])
async def test_next_leads_nowhere_else(browser: Browser, next_: str) -> None:
    answer = await browser.sign_in("?next=" + next_)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_many_windows_at_the_door_do_not_overfill_the_cookie(browser: Browser) -> None:
    for _ in range(20):
        asked = await browser.begin("?next=/" + "あ" * 400)
    answer = await browser.come_back(asked)
    assert answer.status_code == 303


async def test_an_account_past_its_last_day_does_not_come_in(browser: Browser, issuer: Issuer) -> None:
    issuer.claims["valid_to"] = str(japan_day() - timedelta(days=1))
    answer = await browser.sign_in()
    assert (answer.status_code, browser.ticket(answer), browser.seen) == (403, None, [])
    assert "期限の延長" in answer.text
    issuer.claims["valid_to"] = [str(japan_day())]
    assert browser.ticket(await browser.sign_in())


async def test_again_asks_the_issuer_for_the_person_and_not_for_its_session(browser: Browser, issuer: Issuer) -> None:
    asked = await browser.begin("?again=1&next=/auth/back")
    assert (asked["prompt"], asked["max_age"]) == ("login", "300")
    issuer.claims["auth_time"] = int(time.time()) - 3600
    assert (await browser.come_back(asked)).status_code == 400
    asked = await browser.begin("?again=1&next=/auth/back")
    issuer.claims["auth_time"] = int(time.time()) - 5
    answer = await browser.come_back(asked)
    assert answer.headers["location"] == "/auth/back"
    assert "この窓を閉じて" in (await browser.client.get("/auth/back")).text


async def test_in_production_an_issuer_must_say_when_it_asked(browser: Browser, issuer: Issuer, databases: Any, test_settings: Any) -> None:
    settings = test_settings("intake", oidc_issuer=issuer.url, profile="production", public_url="https://testserver")
    production = Browser(settings, issuer, browser.app.state.db)
    production.client.base_url = "https://testserver"  # type: ignore[assignment]
    async with production.client:
        assert (await production.sign_in("?again=1")).status_code == 400
        issuer.claims["auth_time"] = int(time.time())
        assert production.ticket(await production.sign_in("?again=1"))


async def test_an_old_session_of_the_issuer_signs_in_but_is_not_recent(browser: Browser, issuer: Issuer) -> None:
    issuer.claims["auth_time"] = int(time.time()) - 3600
    ticket = browser.ticket(await browser.sign_in())
    assert ticket
    assert time.time() - ticket.auth_time >= 3600
    assert time.time() - ticket.began < 60


async def test_who_proves_again_goes_on_with_the_session_and_another_person_gets_a_new_one(browser: Browser, issuer: Issuer) -> None:
    before = ticket_for(HANA)
    cookie = signed_cookies(HANA, browser.settings, before)["cookie"]
    asked = await browser.begin("?again=1")
    answer = await browser.come_back(asked, cookie=cookie + "; " + under_way(browser))
    assert (browser.ticket(answer) or before).sid == before.sid
    issuer.claims["staff_id"] = "uketsuke-2"
    asked = await browser.begin("?again=1")
    other = browser.ticket(await browser.come_back(asked, cookie=cookie + "; " + under_way(browser)))
    assert other
    assert other.sid != before.sid


def under_way(browser: Browser) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.client.cookies.jar)


async def test_without_the_issuer_nobody_comes_in_and_those_inside_work_on(browser: Browser, test_settings: Any) -> None:
    settings = test_settings("intake", oidc_issuer="http://127.0.0.1:9")
    alone = Browser(settings, browser.issuer, browser.app.state.db)
    async with alone.client:
        login = await alone.client.get("/auth/login")
        assert login.status_code == 503
        assert "職員認証につながりません" in login.text
        inside = await alone.client.get("/auth/back", headers=signed_cookies(HANA, settings))
        assert "見本 はな" in inside.text
        out = await alone.client.post("/auth/logout", headers=signed_cookies(HANA, settings))
        assert (out.status_code, "見本 はな" in out.text) == (200, False)


async def test_a_sign_in_that_cannot_be_recorded_gives_no_ticket(browser: Browser) -> None:
    async def away(request: Request, ticket: Ticket) -> None:
        raise OperationalError("insert", {}, OSError("away"))

    unit = next(unit for unit in all_units() if unit.code == "intake")
    database = browser.app.state.db
    browser.app = create_web(unit, browser.settings, routers=[], mounts_sign_in=away)
    browser.app.state.db = database
    browser.client._transport = ASGITransport(browser.app)
    answer = await browser.sign_in()
    assert (answer.status_code, browser.ticket(answer)) == (503, None)


async def test_a_sign_out_clears_the_cookie_says_it_once_and_asks_the_person_next_time(browser: Browser) -> None:
    ticket = ticket_for(HANA)
    headers = signed_cookies(HANA, browser.settings, ticket)
    answer = await browser.client.post("/auth/logout", headers=headers)
    assert f"{COOKIE}=;" in answer.headers["set-cookie"]
    assert "/auth/login?again=1" in answer.text
    again = await browser.client.post("/auth/logout", headers=headers)
    assert again.status_code == 200
    async with browser.app.state.db.read() as rd:
        assert await rd.scalar(text("select count(*) from outbox where channel = 'session'")) == 1
        assert await rd.scalar(text("select count(*) from revoked_session where sid = :sid"), {"sid": ticket.sid}) == 1


async def test_another_site_cannot_sign_anybody_out(browser: Browser) -> None:
    foreign = signed_cookies(HANA, browser.settings) | {"sec-fetch-site": "cross-site"}
    assert (await browser.client.post("/auth/logout", headers=foreign)).status_code == 403
    async with browser.app.state.db.read() as rd:
        assert await rd.scalar(text("select count(*) from revoked_session")) == 0
