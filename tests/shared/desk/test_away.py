"""The screen that somebody left: covered in every window, deaf to keys, and given back only to the one who typed on it."""

import pytest
from playwright.async_api import Page, expect

from shared.runtime.testing import eventually
from tests.shared.desk.conftest import Guide

pytestmark = pytest.mark.browser

TYPED = "8年ほど外に出ていない。"


async def typing(guide: Guide) -> Page:
    page = await guide.open("/b1")
    await page.fill("#f-story", TYPED)
    await expect(page.locator("[data-unsaved]")).to_have_count(0)
    return page


async def minutes_pass(page: Page, minutes: float) -> None:
    """The last key or pointer was that long ago, in any window."""
    await page.evaluate("(ms) => { localStorage.setItem('desk-seen', Date.now() - ms); dispatchEvent(new Event('focus')); }", minutes * 60_000)


async def test_a_screen_left_for_five_minutes_is_covered_in_every_window_and_the_server_is_told(guide: Guide) -> None:
    page = await typing(guide)
    other = await page.context.new_page()
    await other.goto(guide.url + "/c2")
    await minutes_pass(page, 4.9)
    await expect(page.locator("#away")).not_to_be_visible()
    await minutes_pass(page, 5)
    for window in (page, other):
        await expect(window.locator("#away")).to_be_visible()
        await expect(window.locator("main")).not_to_be_visible()
        await expect(window).to_have_title("ロック中｜福祉総合相談デスク")
    await eventually(lambda: guide.heard.locks == 1)


async def test_whoever_works_in_another_window_is_not_away(guide: Guide) -> None:
    page = await typing(guide)
    other = await page.context.new_page()
    await other.goto(guide.url + "/c2")
    await page.evaluate("localStorage.setItem('desk-seen', Date.now() - 1.2e5)")
    await other.wait_for_function("Date.now() - localStorage.getItem('desk-seen') > 1e5")  # it comes to another window's process a little later
    await other.keyboard.press("j")
    await page.wait_for_function("Date.now() - localStorage.getItem('desk-seen') < 6e4")


async def test_the_first_key_after_the_machine_slept_is_too_late(guide: Guide) -> None:
    page = await typing(guide)
    await page.evaluate("localStorage.setItem('desk-seen', Date.now() - 3e5)")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#away")).to_be_visible()
    assert guide.heard.saves == []


async def test_a_covered_screen_hears_no_key(guide: Guide) -> None:
    page = await typing(guide)
    await page.get_by_role("button", name="席を外す").click()
    await expect(page.locator("#away")).to_be_visible()
    for key in ("Control+Enter", "Escape", "Escape", "g", "h", "/"):
        await page.keyboard.press(key)
    await expect(page.locator("#away")).to_be_visible()
    await expect(page.locator("main")).not_to_be_visible()
    assert page.url.endswith("/b1")
    assert guide.heard.saves == []


async def test_the_one_who_typed_goes_on_where_they_were(guide: Guide) -> None:
    page = await typing(guide)
    await page.get_by_role("button", name="席を外す").click()
    assert await page.locator("#away a").get_attribute("href") == "/auth/login?again=1&next=/auth/back"
    window = await page.context.new_page()
    await window.goto(guide.url + "/auth/back")
    await expect(page.locator("#away")).not_to_be_visible()
    await expect(page.locator("#f-story")).to_have_value(TYPED)
    await page.locator("#f-story").focus()
    await page.keyboard.press("Control+Enter")
    await eventually(lambda: [form["story"] for form in guide.heard.saves] == [TYPED])


async def test_another_person_sees_nothing_of_it(guide: Guide) -> None:
    page = await typing(guide)
    await page.get_by_role("button", name="席を外す").click()
    window = await page.context.new_page()
    guide.expected = ("404",)  # the guide app has no first page
    await window.goto(guide.url + "/auth/back?as=koreisha-1")
    await page.wait_for_url(guide.url + "/")
    await expect(page.get_by_text(TYPED)).to_have_count(0)


async def test_a_lock_the_server_has_not_heard_of_is_said_again(guide: Guide) -> None:
    guide.heard.lock_status, guide.expected = 500, ("500",)
    page = await typing(guide)
    await page.get_by_role("button", name="席を外す").click()
    await eventually(lambda: guide.heard.locks == 1)
    guide.heard.lock_status = 200
    await eventually(lambda: guide.heard.locks == 2, timeout=30)
    await expect(page.locator("#away")).to_be_visible()


async def test_while_the_issuer_is_away_nobody_is_locked_out(guide: Guide) -> None:
    guide.heard.lock_status, guide.expected = 503, ("503",)
    page = await typing(guide)
    await minutes_pass(page, 5)
    await expect(page.locator("#no-lock")).to_be_visible()
    await expect(page.locator("#away")).not_to_be_visible()
    await expect(page.locator("#f-story")).to_have_value(TYPED)
