"""Waiting that ends when a part is told to stop."""

import asyncio
import time
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Batches begin at least this far apart for each of their events, up to PACE_LAST: the first event of a quiet moment is handled at once, a
#: stream of them in handfuls, because a batch costs both servers the same whatever is in it.
PACE, PACE_LAST = 0.005, 0.02


async def unless(stopping: asyncio.Event, waiting: Coroutine[Any, Any, T]) -> T | None:
    """What `waiting` gives, or None when `stopping` is set first; `waiting` is cancelled then."""
    task, stopped = asyncio.ensure_future(waiting), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        stopped.cancel()


async def woken(event: asyncio.Event, seconds: float) -> bool:
    """True when the event was set within that time."""
    if event.is_set():
        return True
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def paced(began: float, events: int) -> None:
    """The rest of a batch's time; `began` as time.monotonic() told it."""
    await asyncio.sleep(max(0.0, began + min(events * PACE, PACE_LAST) - time.monotonic()))


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancels them, again until each has ended: `asyncio.wait_for` of Python 3.11, and so nats-py, swallows a cancellation
    that comes together with the answer it waits for. What they raise is not told."""
    while left := {task for task in tasks if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.2)
    await asyncio.gather(*tasks, return_exceptions=True)
