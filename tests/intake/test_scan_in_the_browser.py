"""同意書の写しの画面を、本物のブラウザーで: 選ぶ、送る、断られる、保存する。キーボードだけで、JavaScript がなくても。"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from shared.runtime.testing import signed_cookies
from tests.intake.conftest import RECEPTION, Desk
from tests.intake.papers import HTML, jpeg, pdf
from tests.intake.test_consent_scan_at_the_desk import Sheet, written
from tests.shared.desk.conftest import axe, browser, put_away, served

__all__ = ["axe", "browser"]
pytestmark = pytest.mark.browser


@pytest.fixture
async def sheet(desk: Desk) -> Sheet:
    return await written(desk)


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
async def window(sheet: Sheet, browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    async with served(sheet.desk.app, lifespan="off") as port:
        context = await browser.new_context(viewport={"width": 1366, "height": 900}, locale="ja-JP", java_script_enabled=request.param)
        name, _, ticket = signed_cookies(RECEPTION, sheet.desk.settings)["cookie"].partition("=")
        # a real cookie: extra headers are lost at the redirect after a plain form, and a download has none
        await context.add_cookies([{"name": name, "value": ticket, "url": f"https://localhost:{port}", "secure": True}])
        page = await context.new_page()
        await page.goto(f"http://localhost:{port}{sheet.consents}")
        yield page
        await put_away(context)


def file(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "application/pdf", "buffer": content}


async def test_a_paper_is_added_refused_and_saved_by_keyboard_alone(sheet: Sheet, window: Page, tmp_path: Path) -> None:
    await window.get_by_role("link", name="写しを見る・付ける").focus()
    await window.keyboard.press("Enter")
    chooser = window.get_by_label("写しのファイル")
    await expect(window.get_by_text("写しなし")).to_be_visible()

    await chooser.set_input_files([file("見本文子_同意書.pdf", HTML)])
    await chooser.focus()
    await window.keyboard.press("Tab")
    await window.keyboard.press("Enter")
    await expect(window.get_by_role("alert")).to_contain_text("PDF・JPEG・PNG のどれでもありません")

    await chooser.set_input_files([file("見本文子_同意書.pdf", pdf()), file("裏.jpg", jpeg())])
    await chooser.focus()
    await window.keyboard.press("Tab")
    await window.keyboard.press("Enter")
    await expect(window.get_by_text("写し（2件）")).to_be_visible()
    assert len(await sheet.kept()) == 2

    async with window.expect_download() as started:
        await window.get_by_role("link", name="ファイルを保存して見る").first.click()
    saved = await started.value
    await saved.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() in (pdf(), jpeg())
    assert saved.suggested_filename.startswith("consent-")


async def test_a_sending_over_the_limit_of_the_door_is_told_in_words(window: Page) -> None:
    await window.get_by_role("link", name="写しを見る・付ける").click()
    await window.get_by_label("写しのファイル").set_input_files([file(f"{n}.pdf", pdf("頁" * 1_700_000)) for n in range(5)])
    await window.get_by_role("button", name="写しを付ける").click()
    await expect(window.get_by_text("20 MB までにしてください").first).to_be_visible()
