"""D1 as the coordinator has it open all day: news arrives, the row under the hand stays, everything goes by keyboard."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from services.notify.app import create_app
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn
from shared.contracts.household import LeavingReason
from shared.runtime.auth import Staff
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies
from tests.notify.heard import Ears
from tests.notify.town import mother_and_son
from tests.shared.desk.conftest import put_away, served
from tests.shared.desk.test_look import violations

pytestmark = pytest.mark.browser
TODAY = datetime.now(UTC).date()
SATO = Staff("sato", "佐藤 美咲", frozenset({"coordinator"}))
STREAM = "document.querySelector('[hx-sse\\\\:connect]')._htmx?.sse"
MORI = Staff("mori", "森 正", frozenset({"coordinator"}))


@dataclass
class Center:
    """The inbox served on this machine, and the ears through which its news come."""

    ears: Ears
    settings: Settings
    browser: Browser
    port: int
    contexts: list[BrowserContext] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: what the browser notes of answers that are right: the slot of intake is not here
    expected: tuple[str, ...] = ("404",)

    async def open(self, path: str = "/inbox", staff: Staff = SATO, **options: Any) -> Page:
        context = await self.browser.new_context(**{"viewport": {"width": 1366, "height": 768}, "locale": "ja-JP", **options})
        self.contexts.append(context)
        name, value = signed_cookies(staff, self.settings)["cookie"].split("=", 1)
        await context.add_cookies([{"name": name, "value": value, "url": "https://localhost/", "secure": True, "httpOnly": True}])
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        await page.goto(f"http://localhost:{self.port}{path}")
        return page

    def _note(self, text: str) -> None:
        if not any(word in text for word in self.expected):
            self.problems.append(text)

    async def news(self, *, urgent: bool = False) -> None:
        home, mother, son = mother_and_son()
        home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
        if urgent:
            home.left(mother, LeavingReason.DIED, TODAY)
        await self.ears.hears(home)


@pytest.fixture
async def center(databases: Any, test_settings: Any, browser: Browser) -> AsyncIterator[Center]:
    db = await databases("notify")
    settings = test_settings("notify", database=db, roles="web")
    async with served(create_app(settings)) as port:
        running = Center(Ears(db), settings, browser, port)
        for _ in range(3):
            await running.news()
        yield running
        for context in running.contexts:
            await put_away(context)
    assert running.problems == []


def rows(page: Page) -> Any:
    return page.locator("#alerts > [data-item]")


async def listening(page: Page) -> None:
    """The stream is open: what comes now must be seen."""
    await page.wait_for_function(f"() => {STREAM}?.status === 200")


async def test_news_waits_above_and_the_row_being_read_does_not_move(center: Center) -> None:
    page = await center.open()
    await listening(page)
    before = await rows(page).nth(1).bounding_box()
    await center.news(urgent=True)
    await expect(page.locator("[data-show-new]")).to_contain_text("2", timeout=2000)
    # the chips count what has come, too
    await page.wait_for_function("() => [...document.querySelectorAll('.chip-count')].reduce((n, el) => n + Number(el.textContent), 0) === 5")
    assert await rows(page).nth(1).bounding_box() == before
    await page.keyboard.press("u")
    await expect(rows(page)).to_have_count(5)
    await expect(rows(page).first).to_contain_text("死亡")


async def test_everything_by_keyboard_read_acknowledge_take(center: Center) -> None:
    page = await center.open()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    second = rows(page).nth(1)
    await page.keyboard.press("a")
    await expect(second).to_contain_text("確認済")
    await expect(second).to_be_focused()
    await page.keyboard.press("o")
    await expect(page.locator("#detail")).to_contain_text("自室からは出るが家からは出ない")
    await page.keyboard.press("t")
    await expect(second).to_contain_text("受け持ち 佐藤 美咲")
    await expect(page.locator("#detail")).to_contain_text("受け持ち中")


async def test_a_colleague_sees_it_at_once_and_cannot_press_on_the_old_state(center: Center) -> None:
    mine, theirs = await center.open(), await center.open(staff=MORI)
    await listening(theirs)
    await theirs.keyboard.press("j")
    await theirs.keyboard.press("o")
    await expect(theirs.locator("#detail")).to_contain_text("期限")
    await mine.keyboard.press("j")
    await mine.keyboard.press("t")
    await theirs.get_by_role("heading", name="気づきの受信箱").click()
    await expect(rows(theirs).first).to_contain_text("受け持ち 佐藤 美咲", timeout=2000)
    center.expected += ("409",)
    await theirs.get_by_role("button", name="対応済にする").click()
    await expect(theirs.locator("#problems")).to_contain_text("佐藤 美咲")


async def test_dismissing_without_a_reason_says_so_and_with_one_closes_it(center: Center) -> None:
    center.expected += ("422",)
    page = await center.open()
    await page.keyboard.press("j")
    await page.keyboard.press("o")
    await page.get_by_role("button", name="見送る").click()
    await expect(page.locator("#detail")).to_contain_text("見送りの理由を選んでください")
    await page.get_by_label("見送る・誤報とする理由").select_option(label="いまは様子を見る")
    await page.get_by_role("button", name="見送る").click()
    await expect(page.locator("#detail")).to_contain_text("見送り")
    await expect(page.locator("#detail")).to_contain_text("いまは様子を見る")


async def test_a_broken_stream_says_so_and_comes_back(center: Center) -> None:
    page = await center.open()
    await listening(page)
    center.expected += ("DISCONNECTED", "405", "sse:error")
    await page.context.set_offline(True)
    await page.evaluate(f"() => {{ {STREAM}.reader.cancel() }}")
    await expect(page.locator("[data-stopped]")).to_be_visible()
    await center.news()
    await page.context.set_offline(False)
    await expect(page.locator("[data-show-new]")).to_contain_text("1")
    await expect(page.locator("[data-stopped]")).to_be_hidden()


@pytest.mark.parametrize("path", ["/", "/inbox", "detail", "calls", "/inbox?closed=1"])
async def test_axe_finds_nothing_and_a_narrow_screen_holds_it(center: Center, axe: str, path: str) -> None:
    alert = next(iter(await center.ears.alerts()))
    address = {"detail": f"/inbox/alerts/{alert}", "calls": f"/inbox/alerts/{alert}/calls"}.get(path, path)
    page = await center.open(address, bypass_csp=True)
    await page.wait_for_function("() => document.fonts.status === 'loaded'")
    assert await violations(page, axe) == []
    narrow = await center.open(address, viewport={"width": 390, "height": 800})
    assert await narrow.evaluate("document.documentElement.scrollWidth") == 390


async def test_what_a_withdrawn_consent_hides_leaves_the_open_list_by_itself(center: Center) -> None:
    home, _, son = mother_and_son()
    said = {"member_id": son, "consent_id": uuid4(), "recipients": ("cases-center",)}
    home.say("intake", ConsentGiven, legal_basis="CONSENT", purposes=("plan",), form="written", valid_from=TODAY, valid_to=date(2100, 1, 1), **said)
    home.fact("cases-poverty", son, "withdrawn", "3", as_of=TODAY, legal_basis="CONSENT")
    await center.ears.hears(home)
    page = await center.open()
    await expect(rows(page)).to_have_count(4)
    await listening(page)
    home.say("intake", ConsentWithdrawn, withdrawal_id=uuid4(), withdrawn_on=TODAY, reason="person_asked", **said)
    await center.ears.hears(home)
    await expect(rows(page)).to_have_count(3)
    await expect(page.locator("#tally")).to_contain_text("3件")
