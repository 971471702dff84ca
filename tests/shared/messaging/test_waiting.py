"""Being told to stop holds even where the word is swallowed; a stream of events is taken in handfuls, a single one at once."""

import asyncio
import time

import pytest

from shared.messaging.waiting import PACE, PACE_LAST, ended, paced, unless


async def test_a_task_that_swallows_its_cancellation_is_told_again() -> None:
    """As `asyncio.wait_for` of Python 3.11 does when the answer comes in the same moment."""
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed == 2:
                    raise
                swallowed += 1

    async def failing() -> None:
        raise ValueError

    tasks = {asyncio.create_task(deaf()), asyncio.create_task(failing())}
    await asyncio.sleep(0)
    await asyncio.wait_for(ended(tasks), 5)
    assert swallowed == 2
    assert all(task.done() for task in tasks)


async def test_waiting_ends_when_it_is_told_to_stop() -> None:
    stopping = asyncio.Event()
    waiting = asyncio.create_task(unless(stopping, asyncio.sleep(60, "never")))
    await asyncio.sleep(0)
    stopping.set()
    assert await asyncio.wait_for(waiting, 5) is None


@pytest.mark.parametrize(("events", "seconds"), [(1, PACE), (3, 3 * PACE), (1000, PACE_LAST)])
async def test_a_batch_takes_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch, events: int, seconds: float) -> None:
    slept: list[float] = []

    async def sleep(given: float) -> None:
        slept.append(given)

    now = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        patch.setattr(time, "monotonic", lambda: now)
        await paced(now, events)
        await paced(now - 1, events)
    assert slept == [pytest.approx(seconds), 0.0]
