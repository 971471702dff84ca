"""A real Chromium in front of the guide app: the scripts, the strict policy, the fonts, as a city would run them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from shared.desk.assets import axe_script, install
from tests.shared.desk.guide_app import Heard, create

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    install(tell=lambda line: None)
    expect.set_options(timeout=30_000)  # a machine that does three other things is not a defect
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[int]:
    """The app under a real server on a free port of the loopback; gives the port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1, **options))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


async def put_away(context: BrowserContext) -> None:
    """Closes its pages. A page caught on its way to another one sometimes never answers (3 of 67 under load): then it goes with the browser."""
    closing = asyncio.ensure_future(context.close())
    if (await asyncio.wait({closing}, timeout=10))[1]:
        closing.cancel()


@dataclass
class Guide:
    """The guide app under way: `url`, what it heard, and pages of a browser that tell of every error and every foreign request."""

    url: str
    heard: Heard
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    async def open(self, path: str, **context: Any) -> Page:
        made = await self.browser.new_context(**{"viewport": {"width": 1366, "height": 768}, "locale": "ja-JP", **context})
        self.contexts.append(made)
        page = await made.new_page()
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((self.url, "data:")) else self.problems.append("foreign: " + request.url))
        await page.goto(self.url + path)
        return page

    def _note(self, text: str) -> None:
        if not any(word in text for word in self.expected):
            self.problems.append(text)

    async def close(self) -> None:
        for context in self.contexts:
            await put_away(context)


@pytest.fixture
async def guide(browser: Browser) -> AsyncIterator[Guide]:
    heard = Heard()
    async with served(create(heard)) as port:
        running = Guide(f"http://127.0.0.1:{port}", heard, browser)
        yield running
        heard.gate.set()
        heard.send("end")
        await running.close()
    assert running.problems == []


Compose = Callable[..., Awaitable[None]]


@pytest.fixture
def compose() -> Compose:
    """Types with a Japanese input method: the composition grows step by step and is then committed."""

    async def composing(page: Page, *steps: str, commit: str | None = None) -> None:
        session = await page.context.new_cdp_session(page)
        for step in steps:
            await session.send("Input.imeSetComposition", {"text": step, "selectionStart": len(step), "selectionEnd": len(step)})
        if commit is not None:
            await session.send("Input.insertText", {"text": commit})
        await session.detach()

    return composing


@pytest.fixture(scope="session")
def axe() -> str:
    return axe_script().read_text(encoding="utf-8")
