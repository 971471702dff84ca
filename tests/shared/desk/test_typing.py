"""Japanese input in a real Chromium: nothing half-typed travels, nothing typed is lost."""

import pytest
from playwright.async_api import Page, Route, expect

from shared.runtime.testing import eventually
from tests.shared.desk.conftest import Compose, Guide

pytestmark = pytest.mark.browser
SAITO = ("ｓ", "さ", "さｉ", "さい", "さいｔ", "さいと", "さいとｕ", "さいとう")


async def enter_that_ends_a_conversion(page: Page) -> None:
    """What Windows sends for that Enter: key code 229, and Chromium would submit the form on it."""
    session = await page.context.new_cdp_session(page)
    key = {"windowsVirtualKeyCode": 229, "key": "Enter", "code": "Enter"}
    await session.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": "\r", **key})
    await session.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    await session.detach()


async def test_one_composition_makes_one_request_with_the_reading_of_what_was_typed(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-name")
    await compose(page, *SAITO, "斎藤", "齋藤", commit="齋藤")
    await expect(page.locator("#f-name")).to_have_value("齋藤")
    await expect(page.locator("#f-kana")).to_have_value("サイトウ")
    await expect(page.locator("#near .candidate")).to_have_count(2)
    assert [form["kana"] for form in guide.heard.candidates] == ["サイトウ"]


async def test_kana_typed_into_the_reading_itself_makes_one_request(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-kana")
    await compose(page, "た", "たか", "たかは", "たかはし", commit="たかはし")
    await page.keyboard.press("Tab")
    await expect(page.locator("#f-kana")).to_have_value("タカハシ")
    await expect(page.locator("#near .candidate")).to_have_count(2)
    assert len(guide.heard.candidates) == 1


async def test_family_and_given_name_give_one_reading(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-name")
    await compose(page, *SAITO, "齋藤", commit="齋藤")
    await compose(page, commit="　")
    await compose(page, "ふ", "ふみ", "ふみこ", "文子", commit="文子")
    await expect(page.locator("#f-kana")).to_have_value("サイトウ フミコ")


async def test_taking_a_name_away_takes_its_reading_away(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-name")
    await compose(page, *SAITO, "齋藤", commit="齋藤")
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Delete")
    await expect(page.locator("#f-kana")).to_have_value("")


async def test_a_reading_edited_by_hand_is_left_alone(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-name")
    await compose(page, *SAITO, "齋藤", commit="齋藤")
    await page.fill("#f-kana", "ｻｲﾄﾞｳ")
    await page.focus("#f-name")
    await page.keyboard.press("End")
    await compose(page, "ふ", "ふみ", "文", commit="文")
    await expect(page.locator("#f-name")).to_have_value("齋藤文")
    await expect(page.locator("#f-kana")).to_have_value("サイドウ")


async def test_the_enter_that_ends_a_conversion_submits_nothing_and_ctrl_enter_does(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-name")
    await compose(page, "さ", "さい", "さいとう", "齋藤")
    await enter_that_ends_a_conversion(page)
    await compose(page, commit="齋藤")
    await enter_that_ends_a_conversion(page)
    await expect(page.locator("#f-name")).to_have_value("齋藤")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/guide")
    assert [form["name"] for form in guide.heard.saves] == ["齋藤"]


async def test_without_the_guard_that_enter_would_submit(guide: Guide) -> None:
    """Shows that the test above can fail: the same key, the same page, without ime.js."""
    page = await guide.open("/guide")

    async def without(route: Route) -> None:
        await route.fulfill(body="", content_type="text/javascript")

    await page.route("**/ime.js*", without)
    await page.goto(guide.url + "/b1")
    await page.focus("#f-name")
    await enter_that_ends_a_conversion(page)
    await eventually(lambda: guide.heard.saves)


@pytest.mark.parametrize("leave", [False, True])
async def test_what_is_typed_while_an_answer_is_under_way_is_kept(guide: Guide, compose: Compose, leave: bool) -> None:
    guide.heard.answer, guide.expected = "slow errors", ("422",)
    page = await guide.open("/b1")
    await page.fill("#f-story", "長い相談")
    await page.keyboard.press("Control+Enter")
    await eventually(lambda: guide.heard.saves)
    await page.focus("#f-story")
    await page.keyboard.press("Control+End")
    await compose(page, "の", "のつづき", commit="の続き")
    if leave:
        await page.focus("#f-phone")
        await page.keyboard.type("0558")
    guide.heard.gate.set()
    await expect(page.locator(".error-summary")).to_be_focused()
    await expect(page.locator("#f-story")).to_have_value("長い相談の続き")
    await expect(page.locator("#f-phone")).to_have_value("0558" if leave else "")
    assert guide.heard.saves[0]["story"] == "長い相談"


async def test_typing_goes_on_while_the_candidates_arrive(guide: Guide, compose: Compose) -> None:
    page = await guide.open("/b1")
    await page.focus("#f-kana")
    await compose(page, "た", commit="た")
    await page.focus("#f-story")
    await page.keyboard.type("a" * 60, delay=5)
    await expect(page.locator("#near .candidate")).to_have_count(2)
    await expect(page.locator("#f-story")).to_have_value("a" * 60)
    await expect(page.locator("#f-story")).to_be_focused()
