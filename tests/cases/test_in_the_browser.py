"""A caseworker's keyboard in a real Chromium: y, r, Ctrl+Enter; every page of a desk without an accessibility violation."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Browser, Page

from shared.desk.assets import axe_script
from shared.runtime.testing import signed_cookies
from tests.cases.builders import made
from tests.cases.desk import ITO, NOGUCHI, SATO, TOLD, DeskUnderTest
from tests.cases.test_approval_at_the_desk import CHIEF
from tests.cases.test_case_at_the_desk import FACT, NOTE, announced
from tests.cases.test_conference import an_alert
from tests.shared.desk.conftest import browser, put_away, served

__all__ = ["browser"]

pytestmark = pytest.mark.browser
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]


@dataclass
class Window:
    desk: DeskUnderTest
    url: str
    browser: Browser

    async def open(self, path: str, staff: Any = SATO) -> Page:
        context = await self.browser.new_context(viewport={"width": 1366, "height": 768}, locale="ja-JP", bypass_csp=True)
        page = await context.new_page()
        await page.set_extra_http_headers({"cookie": signed_cookies(staff, self.desk.settings)["cookie"]})
        await page.goto(self.url + path)
        return page


async def serving(desk: DeskUnderTest, browser: Browser) -> AsyncIterator[Window]:
    async with served(desk.app, lifespan="off") as port:
        yield Window(desk, f"http://127.0.0.1:{port}{desk.base}", browser)
        for context in browser.contexts:
            await put_away(context)


@pytest.fixture
async def window(elderly: DeskUnderTest, browser: Browser) -> AsyncIterator[Window]:
    await elderly.hear_family()
    async for opened in serving(elderly, browser):
        yield opened


async def arrived(desk: DeskUnderTest) -> UUID:
    event = made(to=desk.code)
    await desk.hear(event)
    await desk.told_who(event.referral_id)
    return event.referral_id


async def violations(page: Page) -> list[str]:
    await page.evaluate(axe_script().read_text(encoding="utf-8"))
    found = await page.evaluate("tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html))", RULES)
    return list(found)


async def test_from_the_arrived_referral_to_the_first_note_without_a_mouse(window: Window) -> None:
    await arrived(window.desk)
    page = await window.open("/")
    await page.keyboard.press("j")
    await page.keyboard.press("y")
    await page.wait_for_url("**/cases/*")
    assert TOLD in await page.inner_text("main")
    await page.keyboard.press("r")
    await page.wait_for_url("**write=1**")
    assert await page.evaluate("document.activeElement.id") == "f-method"
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    for _ in range(4):
        await page.keyboard.press("Tab")
    await page.keyboard.insert_text("玄関先で話した。")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**tab=notes")
    assert "玄関先で話した。" in await page.inner_text("main")
    (row,) = await window.desk.rows("select method, shared from note")
    assert (row.method, row.shared) == ("visit", "玄関先で話した。")


async def test_a_wrong_field_comes_back_in_place_and_keeps_what_was_typed(window: Window) -> None:
    case = await window.desk.accepted(await arrived(window.desk))
    page = await window.open(f"{case}?write=1")
    await page.fill("#f-shared", "玄関先で話した。")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector(".error-summary")
    assert await page.input_value("#f-shared") == "玄関先で話した。"
    assert await page.evaluate("document.activeElement.className") == "error-summary"


async def test_the_kind_of_fact_brings_its_own_fields(window: Window) -> None:
    case = await window.desk.accepted(await arrived(window.desk))
    page = await window.open(f"{case}?tab=facts")
    await page.select_option("#f-kind", "dementia")
    await page.check("#fact [name=value][value=diagnosed]")
    await page.fill("#f-since", "3か月前")
    await page.press("#f-since", "Control+Enter")
    await page.wait_for_selector("text=記録し直す")
    assert (await window.desk.said())[-1] == "fact.recorded.v1"


async def test_what_is_asked_of_a_ground_comes_with_it_and_the_supervisor_decides_on_the_page(window: Window) -> None:
    case = await window.desk.accepted(await arrived(window.desk))
    page = await window.open(f"{case}?tab=facts&kind=care_level")
    assert not await page.is_visible("#f-harm_note")
    await page.check("#fact [name=value][value=care2]")
    await page.select_option("#f-legal_basis", "BENEFIT_69_2_4")
    await page.fill("#f-harm_note", "伝えるのは要介護度だけ")
    await page.check("#f-harm_checked")
    await page.press("#f-why_not_asked", "Control+Enter")
    await page.wait_for_selector("#f-why_not_asked-error")
    assert await page.input_value("#f-harm_note") == "伝えるのは要介護度だけ"
    await page.fill("#f-why_not_asked", "意識がない")
    await page.press("#f-why_not_asked", "Control+Enter")
    await page.wait_for_selector("text=承認待ち")
    assert (await window.desk.said())[-1] == "case.opened.v1"
    assert await violations(page) == []
    boss = await window.open("/approvals", CHIEF)
    assert await violations(boss) == []
    await boss.click("summary:has-text('承認しない')")
    await boss.fill("[name=words]", "病室で聞けるそうです")
    await boss.click("button:has-text('承認しない')")
    await boss.wait_for_selector("text=承認しないわけを選んでください")
    assert await boss.input_value("[name=words]") == "病室で聞けるそうです"
    await boss.click("button:has-text('承認して知らせる')")
    await boss.wait_for_selector("text=承認を待つ提供はありません")
    assert (await window.desk.said())[-1] == "fact.recorded.v1"


async def test_a_refusal_that_can_be_put_right_leaves_the_form_and_is_said_once(window: Window) -> None:
    referral = await arrived(window.desk)
    page = await window.open("/referrals")
    await page.click("summary:has-text('不受理')")
    for _ in range(2):
        async with page.expect_response("**/decline"):
            await page.click("button:has-text('不受理にする')")
        await page.wait_for_selector(".refusal >> text=不受理の理由を選んでください")
    assert await page.locator(".refusal:visible").count() == 1
    await page.check(f"#decline-{referral} [name=reason] >> nth=0")
    await page.click("button:has-text('不受理にする')")
    await page.wait_for_selector("text=返信待ちのつなぎはありません")
    assert (await window.desk.said())[-1] == "referral.declined.v1"


async def test_who_was_first_is_told_without_losing_the_page(window: Window) -> None:
    referral = await arrived(window.desk)
    page = await window.open("/")
    await window.desk.send(f"/referrals/{referral}/hold", ITO, version=1)
    await page.keyboard.press("j")
    await page.keyboard.press("y")
    await page.wait_for_selector("#problems:has-text('伊藤 次郎さんが先に保留にしました')")
    assert page.url.endswith("/d/elderly/")


async def test_no_page_of_a_desk_violates_accessibility(window: Window) -> None:
    desk = window.desk
    await announced(desk, "cases-poverty", "くらしの窓口", "/d/poverty")
    case = await desk.accepted(await arrived(desk))
    await desk.send(f"{case}/facts", fact_id=uuid4(), **FACT)
    await desk.send(f"{case}/notes", note_id=uuid4(), **NOTE)
    await arrived(desk)
    for path in (
        "/",
        "/?tab=closed",
        "/referrals",
        "/referrals?tab=done",
        case,
        f"{case}?write=1",
        f"{case}?tab=facts&kind=issue",
        f"{case}?tab=referrals",
    ):
        assert await violations(await window.open(path)) == [], path


async def test_no_page_of_the_center_violates_accessibility(desks: Any, browser: Browser) -> None:
    center = await desks("cases-center")
    await center.hear_family()
    await center.hear(an_alert(), "notify")
    (row,) = await center.rows("select conference_id from conference_draft")
    async for window in serving(center, browser):
        for path in ("/", "/meetings", f"/meetings/{row.conference_id}"):
            assert await violations(await window.open(path, NOGUCHI)) == [], path
