"""Somebody left the browser: no unit shows anything, and the issuer is made to ask, whatever session it still has itself."""

from typing import Any

import pytest
from httpx2 import Response

from shared.runtime.auth import Staff
from shared.runtime.testing import signed_cookies
from shared.runtime.ticket import AWAY_COOKIE
from tests.shared.runtime.test_sessions import SATO, SECRET, Door, db, door
from tests.shared.runtime.test_sign_in import HANA, Browser, browser, issuer, under_way

__all__ = ["browser", "db", "door", "issuer"]


def away(settings: Any, staff: Staff) -> dict[str, str]:
    """The ticket of `staff`, in a browser that somebody left."""
    headers = signed_cookies(staff, settings)
    return headers | {"cookie": f"{headers['cookie']}; {AWAY_COOKIE}=1"}


def kept(answer: Response) -> dict[str, str]:
    """What the browser keeps of it: name → value, an empty one is thrown away."""
    pairs = (part.partition(";")[0].partition("=") for part in answer.headers.get_list("set-cookie"))
    return {name: value for name, _, value in pairs}


async def test_a_locked_browser_is_shown_nothing_and_led_to_prove_who_sits_there(door: Door) -> None:
    async def ask(**more: str) -> Response:
        return await door.client.get("/page", headers=away(door.settings, SATO) | more)

    page = await ask(accept="text/html")
    assert (page.status_code, page.headers["location"]) == (303, "/auth/login?again=1&next=/page")
    data, fragment = await ask(accept="application/json"), await ask(**{"hx-request": "true"})
    assert (data.status_code, data.json()["code"]) == (403, "sign_in_again")
    assert fragment.status_code == 403
    assert not any(SECRET in answer.text or "set-cookie" in answer.headers for answer in (page, data, fragment))
    assert (await door.client.get("/page", headers=signed_cookies(SATO, door.settings))).status_code == 200


@pytest.mark.parametrize("path", ["/auth/lock", "/auth/logout"])
async def test_whoever_leaves_is_asked_again_by_the_issuer(browser: Browser, path: str) -> None:
    assert "prompt" not in await browser.begin()
    left = await browser.client.post(path, headers=signed_cookies(HANA, browser.settings))
    assert left.status_code == 200
    assert "見本 はな" not in left.text
    assert kept(left)[AWAY_COOKIE] == "1"
    assert "HttpOnly" in next(part for part in left.headers.get_list("set-cookie") if part.startswith(AWAY_COOKIE))
    led = await browser.client.get("/auth/login?next=/intake/new", headers={"cookie": f"{AWAY_COOKIE}=1"})
    assert "prompt=login" in led.headers["location"]
    assert "max_age=300" in led.headers["location"]


async def test_a_proof_gives_the_browser_back_with_the_session_it_had(browser: Browser) -> None:
    headers = away(browser.settings, HANA)
    asked = await browser.begin()
    answer = await browser.come_back(asked, cookie=headers["cookie"] + "; " + under_way(browser))
    ticket = browser.ticket(answer)
    assert ticket
    assert ticket.sub == HANA.sub
    assert kept(answer)[AWAY_COOKIE] == ""


async def test_a_refused_proof_leaves_it_locked(browser: Browser, issuer: Any) -> None:
    issuer.claims |= {"aud": "other"}
    asked = await browser.begin()
    answer = await browser.come_back(asked, cookie=away(browser.settings, HANA)["cookie"] + "; " + under_way(browser))
    assert answer.status_code == 400
    assert AWAY_COOKIE not in kept(answer)


async def test_an_issuer_that_is_away_locks_nobody_out(browser: Browser, test_settings: Any) -> None:
    alone = Browser(test_settings("intake", oidc_issuer="http://127.0.0.1:9"), browser.issuer, browser.app.state.db)
    async with alone.client:
        answer = await alone.client.post("/auth/lock", headers=signed_cookies(HANA, browser.settings))
    assert answer.status_code == 503
    assert AWAY_COOKIE not in kept(answer)
    assert "端末のロック" in answer.text
