"""Waiting that ends when a part is told to stop."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


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


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancels them, again until each has ended: `asyncio.wait_for` of Python 3.11, and so nats-py, swallows a cancellation
    that comes together with the answer it waits for. What they raise is not told."""
    while left := {task for task in tasks if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.2)
    await asyncio.gather(*tasks, return_exceptions=True)
