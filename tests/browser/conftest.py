"""The whole one box in front of a real Chromium: people sign in, type Japanese with composition, and look."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from shared.desk.assets import axe_script
from tests.conftest import ROOT, Box
from tests.shared.desk.conftest import browser, put_away

__all__ = ["browser"]

RECEPTION, CENTER, ELDERLY, POVERTY, OUTREACH, OPERATOR = "見本 はな", "見本 つなぐ", "見本 いちろう", "見本 まこと", "見本 あゆむ", "見本 まもる"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Person:
    """Somebody at a desk: a browser of their own, and a count of the keys they pressed besides text."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    keys: int = 0
    problems: list[str] = field(default_factory=list)

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.keys += 1
            await self.page.keyboard.press(key)

    async def compose(self, kana: str, text: str) -> None:
        """Types `kana` with the IME, key by key, and converts it to `text`."""
        client = await self.page.context.new_cdp_session(self.page)
        for end in range(1, len(kana) + 1):
            await client.send("Input.imeSetComposition", {"text": kana[:end], "selectionStart": end, "selectionEnd": end})
        await client.send("Input.insertText", {"text": text})
        await client.detach()

    async def type(self, text: str) -> None:
        await self.page.keyboard.type(text)

    async def focused(self) -> str:
        return str(await self.page.evaluate("() => document.activeElement.id || document.activeElement.name || document.activeElement.tagName"))

    async def axe(self) -> list[str]:
        """Violations of WCAG 2.2 AA on the page as it stands."""
        await self.page.evaluate(axe_script().read_text(encoding="utf-8"))
        run = "tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html))"
        found = await self.page.evaluate(run, TAGS)
        return list(found)


@dataclass
class Desks:
    box: Box
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)

    async def sit_down(self, who: str, path: str, **context: Any) -> Person:
        """A new browser, signed in as `who` through the issuer's page, at `path`."""
        made = await self.browser.new_context(**{"viewport": {"width": 1366, "height": 768}, "locale": "ja-JP", "bypass_csp": False, **context})
        self.contexts.append(made)
        person = Person(await made.new_page(), self.box.url)
        person.page.on("pageerror", lambda error: person.problems.append(str(error)))
        person.page.on("request", lambda request: person.requests.append(f"{request.method} {request.url}"))
        await person.page.goto(self.box.url + path)
        await person.page.get_by_role("button", name=who).first.click()
        await person.page.wait_for_url(lambda url: url == self.box.url + path)
        person.requests.clear()
        return person


@pytest.fixture
async def desks(box: Box, browser: Browser) -> AsyncIterator[Desks]:
    running = Desks(box, browser)
    yield running
    for context in running.contexts:
        await put_away(context)


@pytest.fixture
def keep_screen(tmp_path: Path) -> Any:
    """Takes a screenshot; `SCREENS=1` puts it where the README shows it."""

    async def keep(person: Person, name: str, **options: Any) -> None:
        path = tmp_path / f"{name}.png"
        await person.page.screenshot(path=path, **options)
        if os.environ.get("SCREENS"):
            target = ROOT / "docs/screens" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)

    return keep


def read_json(text: str) -> Any:
    return json.loads(text)
