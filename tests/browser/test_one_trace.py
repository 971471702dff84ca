"""One trace id joins every unit that a consultation touched, from the browser's request to the alert, with the databases in it."""

import json
import os
import subprocess
import sys

import pytest

from tests.browser.conftest import RECEPTION, Desks
from tests.browser.test_five_minute_intake import saved_receipt, take_consultation
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.box, pytest.mark.timeout(300)]

NAMES = ("追跡", "文子", "フミコ", "ツイセキ", "同居")


def trace(desks: Desks, receipt: str, *words: str) -> str:
    environment = {**os.environ, **desks.box.environment}
    command = [sys.executable, "-m", "deploy.console", "trace", receipt, "--wait", "15", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_one_trace_joins_all_units_and_names_nobody(desks: Desks) -> None:
    desk = await desks.sit_down(RECEPTION, "/intake/new?blank=1")
    await take_consultation(desk, "追跡", "ついせき")
    await desk.press("Control+Enter")
    receipt = await saved_receipt(desk)
    told = trace(desks, receipt, "--json")
    spans = _spans(json.loads(told))
    by_trace: dict[str, set[str]] = {}
    for span in spans:
        by_trace.setdefault(span["trace_id"], set()).add(span["service"])
    joined = max(by_trace.values(), key=len)
    assert {"intake", "notify", "cases-elderly", "cases-poverty", "cases-disability", "cases-center", "outreach"} <= joined
    assert any("db.system.name" in span["attributes"] for span in spans), "no database span (SQLAlchemy 2.1 is not traced by default)"
    assert not [name for name in NAMES if name in told]


async def test_the_terminal_shows_a_waterfall_with_its_gaps(desks: Desks) -> None:
    desk = await desks.sit_down(RECEPTION, "/intake/new?blank=1")
    await take_consultation(desk, "追跡", "ついせき")
    await desk.press("Control+Enter")
    shown = trace(desks, await saved_receipt(desk))
    assert "intake" in shown
    assert "notify" in shown
    assert "outbox" in shown or "待ち" in shown


def _spans(document: object) -> list[dict]:
    """Every object in the document that is a span, wherever the command nests it."""
    if isinstance(document, dict):
        own = [document] if {"trace_id", "span_id", "service"} <= set(document) else []
        return own + [span for value in document.values() for span in _spans(value)]
    if isinstance(document, list):
        return [span for value in document for span in _spans(value)]
    return []
