"""What every contender is given, and what it has to say."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from nats.aio.client import Client
from pydantic import BaseModel

#: connections that a web process keeps open to its database
POOL = 20
ROW = "create table effect (n bigint generated always as identity primary key, event uuid not null unique)"


class Fact(BaseModel):
    """The body of the POST. `mark` becomes the row and the event's content, by which its effect is recognised."""

    household_id: UUID
    mark: UUID


@dataclass
class Heard:
    """When the effect of each event was committed (monotonic seconds, the same clock in every process of a machine)."""

    at: dict[str, float] = field(default_factory=dict)
    twice: int = 0

    def note(self, *marks: UUID) -> None:
        now = time.monotonic()
        for mark in map(str, marks):
            self.twice += mark in self.at
            self.at[mark] = now

    async def report(self, count: int, patience: float = 60.0) -> dict[str, float]:
        """All that was heard, once `count` came or nothing more does."""
        deadline = time.monotonic() + patience
        while len(self.at) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        heard, self.at = self.at, {}
        return heard


#: (database URL, broker URL) → the app; its lifespan starts what it needs
Web = Callable[[str, str], FastAPI]
#: (what it hears, database URL, broker URL): hears while open
Hear = Callable[[Heard, str, str], AbstractAsyncContextManager[Any]]
#: streams and consumers, before anything starts
Prepare = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True)
class Contender:
    name: str
    prepare: Prepare
    web: Web
    hear: Hear
    #: its databases are made by our own migrations
    migrated: bool = False


__all__ = ["POOL", "ROW", "AsyncIterator", "Contender", "Fact", "Heard"]
