"""The test kit: waiting for what must become true, and signing in without an issuer."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.runtime.auth import COOKIE, Staff, Ticket, seal
from shared.runtime.settings import Settings

T = TypeVar("T")


async def eventually(predicate: Callable[[], Awaitable[T] | T], timeout: float = 10.0, every: float = 0.02) -> T:
    """The first truthy answer of `predicate`. Raises AssertionError after `timeout` seconds with the last answer."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become true within {timeout} s; last answer: {value!r}")
        await asyncio.sleep(every)


def signed_cookies(staff: Staff, settings: Settings) -> dict[str, str]:
    """The Cookie header of a signed-in person."""
    now = int(time.time())
    ticket = Ticket(
        sub=staff.sub,
        name=staff.name,
        roles=tuple(sorted(staff.roles)),
        domains=tuple(sorted(staff.domains)),
        team=staff.team,
        sid="test",
        auth_time=now,
        idle=now,
    )
    return {"cookie": f"{COOKIE}={seal(ticket, settings)}", "sec-fetch-site": "same-origin"}
