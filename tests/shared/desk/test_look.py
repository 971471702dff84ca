"""For everyone: axe finds nothing, a narrow or a forced-colour screen holds the page, nothing is fetched from elsewhere."""

import pytest
from playwright.async_api import Page, expect

from tests.shared.desk.conftest import Guide

pytestmark = pytest.mark.browser
SCREENS = ["/guide", "/b1", "/b1?full", "/c2", "/d1", "/problem/not_allowed", "/problem/conflict", "/problem/missing", "/problem/signed_out"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("(tags) => axe.run({ runOnly: { type: 'tag', values: tags } })", RULES)
    return [f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}" for rule in found["violations"] for node in rule["nodes"]]


async def settled(guide: Guide, path: str, **context: object) -> Page:
    guide.expected = ("403", "404", "409")
    page = await guide.open(path, **context)
    await page.wait_for_function("document.fonts.status === 'loaded'")
    if await page.locator("[data-slot]").count():
        await expect(page.locator("[data-slot] .timeline").first).to_be_visible()
    return page


@pytest.mark.parametrize("path", SCREENS)
async def test_axe_finds_nothing(guide: Guide, axe: str, path: str) -> None:
    page = await settled(guide, path, bypass_csp=True)
    assert await violations(page, axe) == []


async def test_axe_finds_nothing_in_the_key_sheet_and_among_new_items(guide: Guide, axe: str) -> None:
    page = await settled(guide, "/d1", bypass_csp=True)
    guide.heard.send("1")
    await expect(page.locator("[data-show-new]")).to_be_visible()
    assert await violations(page, axe) == []
    await page.keyboard.press("Shift+Slash")
    await expect(page.locator("#keys")).to_be_visible()
    assert await violations(page, axe) == []


@pytest.mark.parametrize("path", SCREENS)
async def test_a_screen_of_320_pixels_never_scrolls_sideways(guide: Guide, path: str) -> None:
    page = await settled(guide, path, viewport={"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


async def test_twice_the_text_size_still_fits(guide: Guide) -> None:
    page = await settled(guide, "/b1?full", viewport={"width": 683, "height": 384})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 683
    await expect(page.get_by_role("button", name="保存して次へ")).to_be_attached()


async def test_forced_colours_keep_focus_and_choice_visible(guide: Guide) -> None:
    page = await settled(guide, "/b1?full", forced_colors="active")
    outline = "(el) => getComputedStyle(el).outlineStyle + getComputedStyle(el).outlineWidth"
    await page.focus("#f-name")
    assert await page.locator("#f-name").evaluate(outline) == "solid4px"
    assert await page.locator(".choice:has(:checked)").first.evaluate(outline) == "solid2px"
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1366


async def test_the_fonts_and_the_tokens_are_our_own_files(guide: Guide) -> None:
    page = await settled(guide, "/b1?full")
    assert await page.evaluate("document.fonts.check('16px \"Desk UDP\"')")
    assert await page.evaluate("getComputedStyle(document.body).getPropertyValue('--color-primitive-blue-900').trim()") == "#0017c1"


async def test_a_page_stays_small(guide: Guide) -> None:
    page = await guide.open("/b1?full")
    assert len((await page.content()).encode()) <= 60_000
    response = await page.request.get(guide.url + "/static/desk/desk.css?v=abc")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = await page.request.get(guide.url + "/static/desk/desk.css")
    assert plain.headers["cache-control"] == "no-cache"


async def test_paper_shows_the_content_and_not_the_controls(guide: Guide) -> None:
    page = await settled(guide, "/c2")
    await page.emulate_media(media="print")
    await expect(page.locator(".timeline").first).to_be_visible()
    for control in (".top-nav", ".who", ".actions", ".strip"):
        await expect(page.locator(control).first).to_be_hidden()
