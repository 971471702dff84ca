"""A reception desk of a running box that takes one consultation after the other: the load of the slow tests here."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from httpx2 import AsyncClient, HTTPError

from deploy.onebox.home import read_json
from shared.runtime.auth import Staff
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies

RECEPTION = Staff("uketsuke-1", "見本 はな", frozenset({"reception"}))


def browser(home: Path, staff: Staff) -> AsyncClient:
    """Signed in with a ticket sealed by the box's own key."""
    manifest = read_json(home / "box.json")
    settings = Settings(profile="test", database_url=manifest["databases"]["intake"], ticket_keys=manifest["ticket_keys"], public_url=manifest["url"])
    return AsyncClient(base_url=manifest["url"], headers=signed_cookies(staff, settings) | {"accept": "text/html"}, timeout=30.0)


async def ask(home: Path, unit: str, statement: str, *values: object) -> list[Any]:
    """Straight from the unit's database: what is there counts, not what the unit says of itself."""
    connection = await asyncpg.connect(read_json(home / "box.json")["databases"][unit].replace("+asyncpg", ""))
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


def sheet(to: str) -> dict[str, Any]:
    mother = {"role": "head", "name": "計測 文子", "kana": "ケイソク フミコ", "birth": "S18.4.1"}
    told = {"topics": ["03"], "text": "話を聞いてほしい。", "urgency": "D", "consent": "not_asked", "area": "UNKNOWN"}
    return {"form_key": str(uuid4()), "route": "3", **mother, **told, "refer_to": [to]}


@dataclass
class Load:
    """A form is sent again with its key until it is answered; `refused` tells every time it had to be."""

    page: AsyncClient
    every: float = 0.05
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0
    refused: list[str] = field(default_factory=list)

    async def run(self) -> None:
        while not self.stop.is_set():
            await self.take("cases-elderly")
            await asyncio.sleep(self.every)

    async def take(self, to: str) -> None:
        form = sheet(to)
        for _ in range(100):
            try:
                answer = await self.page.post("/intake/new", data=form)
            except HTTPError as error:
                self.refused.append(type(error).__name__)
            else:
                if answer.status_code == 201:
                    self.taken += 1
                    return
                self.refused.append(f"{answer.status_code}")
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody answers: {self.refused[-3:]}")


@dataclass
class Arrivals:
    """Watches the referrals arrive at a desk; `longest` is the longest time, in seconds, in which none came."""

    home: Path
    unit: str = "cases-elderly"
    longest: float = 0.0

    async def run(self) -> None:
        seen, since = -1, time.monotonic()
        while True:
            try:
                ((count,),) = await ask(self.home, self.unit, "select count(*) from referral")
            except (OSError, asyncpg.PostgresError):
                count = seen
            if count != seen:
                seen, since = count, time.monotonic()
            self.longest = max(self.longest, time.monotonic() - since)
            await asyncio.sleep(0.05)
