"""連絡が止まっているとき: 受付は 503 で待つよう言われ、打った文字はその画面と下書きに残り、動きだせば保存できる。"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from shared.runtime.pressure import EventsWait, Measured
from shared.runtime.testing import signed_cookies
from tests.intake.conftest import RECEPTION, Desk
from tests.shared.desk.conftest import browser, put_away, served

__all__ = ["browser"]
pytestmark = pytest.mark.browser
TYPED = "母の物忘れのことで、娘から相談。"


@pytest.fixture
async def window(desk: Desk, browser: Browser) -> AsyncIterator[Page]:
    async with served(desk.app, lifespan="off") as port:
        context = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="ja-JP")
        page = await context.new_page()
        await page.set_extra_http_headers({"cookie": signed_cookies(RECEPTION, desk.settings)["cookie"]})
        await page.goto(f"http://localhost:{port}/intake/new")
        yield page
        await put_away(context)


async def test_what_was_typed_stays_on_the_screen_and_is_saved_later(desk: Desk, window: Page) -> None:
    pressure = desk.app.state.pressure
    pressure._note = lambda measured: None  # the figure of a long outage stays until the test takes it away
    pressure.measured = Measured(rows=3, oldest_seconds=900)
    await window.select_option("[name=route]", "3")
    await window.check("[name=urgency][value=C]", force=True)
    await window.fill("[name=text]", TYPED)
    await window.fill("[name=name]", "架空 花子")
    await expect(window.locator("[data-draft-state]")).to_contain_text("下書き保存")  # a draft says nothing to others: it is kept
    async with window.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith("/intake/new")) as answered:
        await window.keyboard.press("Control+Enter")
    refused = await answered.value
    assert (refused.status, refused.headers["retry-after"]) == (503, "60")
    await expect(window.locator("#problems")).to_contain_text(EventsWait.sentence)
    await expect(window.locator("[name=text]")).to_have_value(TYPED)
    assert await desk.rows("select 1 from consultation") == []

    pressure.measured = Measured()
    async with window.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith("/intake/new")) as answered:
        await window.keyboard.press("Control+Enter")
    assert (await answered.value).status < 300
    await expect(window.get_by_text("受付番号").first).to_be_visible()
    assert len(await desk.rows("select 1 from consultation")) == 1
