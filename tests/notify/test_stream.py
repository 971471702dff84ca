"""The keeper of numbers outlives whatever the database does to it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import TimeoutError as PoolExhausted

from services.notify import lists
from services.notify.stream import Numbers
from shared.runtime.testing import eventually
from tests.notify.heard import Ears
from tests.notify.town import mother_and_son


@pytest.mark.parametrize("trouble", [PoolExhausted("no connection within 30 s"), RuntimeError("unforeseen")])
async def test_the_inbox_is_numbered_again_after_trouble(databases: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    db = await databases("notify")
    number_changes, refused = lists.number_changes, [trouble]

    async def once_refused(tx: Any) -> int:
        if refused:
            raise refused.pop()
        return await number_changes(tx)

    monkeypatch.setattr(lists, "number_changes", once_refused)
    numbers, seen = Numbers(db), []
    numbers.start()

    async def watch() -> None:
        async for batch in numbers.changes(0):
            seen.extend(batch)

    watching = asyncio.create_task(watch())
    await eventually(lambda: not refused)
    home, _, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3")
    await Ears(db).hears(home)
    await eventually(lambda: seen, timeout=20)
    await numbers.stop()
    await watching
    assert [change.known.alert.rule_id for change in seen] == ["R-502"]
