"""The test kit: waiting for what must become true, and signing in without an issuer."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar
from uuid import UUID, uuid4

from shared.runtime.auth import Staff
from shared.runtime.settings import Settings
from shared.runtime.ticket import COOKIE, Ticket, seal

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


def ticket_for(staff: Staff, *, sid: UUID | None = None, age: float = 0, valid_to: date | None = None) -> Ticket:
    """A ticket as the sign-in would give it. `age`: seconds since the sign-in and the last request."""
    then = time.time() - age
    roles, domains = tuple(sorted(staff.roles)), tuple(sorted(staff.domains))
    about = {"sub": staff.sub, "name": staff.name, "roles": roles, "domains": domains, "team": staff.team, "valid_to": valid_to}
    return Ticket.model_validate(about | {"sid": sid or uuid4(), "began": then, "auth_time": int(then), "idle": int(then)})


def signed_cookies(staff: Staff, settings: Settings, ticket: Ticket | None = None) -> dict[str, str]:
    """The headers of a signed-in person's browser."""
    return {"cookie": f"{COOKIE}={seal(ticket or ticket_for(staff), settings)}", "sec-fetch-site": "same-origin"}
