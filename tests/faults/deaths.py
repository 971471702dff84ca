"""Places where a process kills itself (SIGKILL): each await between two promises that must not depend on each other."""

import functools
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from shared.messaging import inbox, outbox, positions, pull, relay

#: place → (holder, name, "before" or "after" the call, the latest call that is survived no more)
PLACES: dict[str, tuple[Any, str, str, int]] = {
    "writer: appended, not committed": (outbox, "append", "after", 6),
    "relay: before publishing": (relay, "publish_batch", "before", 6),
    "relay: published, not marked": (relay, "publish_batch", "after", 6),
    "consumer: effects written, not committed": (positions.Positions, "save", "after", 6),
    "consumer: committed, not acknowledged": (pull.Puller, "acknowledge", "before", 6),
    "consumer: taken over, nothing pulled": (pull.Puller, "start", "before", 1),
    "consumer: in the middle of a batch": (inbox.Inbox, "_apply", "after", 60),
}


def prepare(place: str) -> None:
    """From now on the process dies there, at one of the first calls."""
    holder, name, when, latest = PLACES[place]
    setattr(holder, name, _deadly(getattr(holder, name), when, random.randint(1, latest)))


def _deadly(call: Callable[..., Awaitable[Any]], when: str, at: int) -> Callable[..., Awaitable[Any]]:
    calls = 0

    @functools.wraps(call)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls >= at:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await call(*args, **kwargs)
        if when == "after" and calls >= at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped
