"""Every unit's web app with somebody's secrets in it, asked as plain ASGI: a stream that never ends gives its head and is left."""

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from shared.runtime.auth import ROLE_LABELS, Staff
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies
from shared.runtime.ticket import Ticket
from shared.runtime.unit import Unit
from tests.cases.desk import MOTHER_NAME, TOLD
from tests.outreach.conftest import MOTHER_NAME as OUTREACH_NAME
from tests.outreach.conftest import TOLD as OUTREACH_TOLD

#: what nobody may read who is not let in; planted in every unit that keeps such a thing
CANARIES = [
    "金糸雀 ひみつ",
    "カナリア ヒミツ",
    "0558-99-4321",
    "金糸雀の秘密の相談",
    MOTHER_NAME,
    TOLD,
    OUTREACH_NAME,
    OUTREACH_TOLD,
]
MATRIX = Path(__file__).with_name("matrix.yaml")
WORDS = ("anyone", "public", "this_machine")
NOBODY = UUID("00000000-0000-4000-8000-000000000000")
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def let_in(self) -> bool:
        return self.status not in (401, 403) and not self.led_to_sign_in

    @property
    def led_to_sign_in(self) -> bool:
        return self.status == 303 and self.headers.get("location", "").startswith("/auth/login")


@dataclass
class Place:
    """One unit's web app. `real` are ids of what is planted in it, by the name a path gives them."""

    unit: Unit
    app: FastAPI
    settings: Settings
    db: Database
    real: dict[str, UUID] = field(default_factory=dict)

    def path(self, template: str, *, real: bool = False) -> str:
        return PARAMETER.sub(lambda found: str(self.real.get(found[1], NOBODY) if real else NOBODY), template)

    async def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """As a browser asks for a page; for a part of one (`_part`), as htmx does."""
        given = {"host": "testserver", "accept": "text/html", "sec-fetch-site": "same-origin"} | (
            {"hx-request": "true"} if "/_part/" in target else {}
        )
        return await asgi(self.app, method, target, given | dict(headers or {}), body)

    def signed(self, staff: Staff, ticket: Ticket | None = None) -> dict[str, str]:
        return signed_cookies(staff, self.settings, ticket)


async def asgi(app: FastAPI, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in {**headers, "content-length": str(len(body))}.items()],
        "scheme": "http", "server": ("testserver", 80), "client": ("192.0.2.7", 50000), "root_path": "",
    }  # fmt: skip
    started: dict[str, Any] = {}
    parts: list[bytes] = []
    seen = asyncio.Event()
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(status=message["status"], headers={n.decode().lower(): v.decode("latin-1") for n, v in message["headers"]})
            if started["headers"].get("content-type", "").startswith("text/event-stream"):
                seen.set()
        parts.append(message.get("body", b""))

    task = asyncio.ensure_future(app(scope, receive, send))
    stream = asyncio.ensure_future(seen.wait())
    await asyncio.wait({task, stream}, return_when=asyncio.FIRST_COMPLETED)
    stream.cancel()
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):  # a bug has been answered with 500 before it is raised again
        await task
    return Answer(started["status"], started["headers"], b"".join(parts).decode("utf-8", "replace"))


def routes(app: FastAPI) -> set[str]:
    """Every door of the running app, also those that are in no schema."""
    found = set()
    for route in iter_route_contexts(app.routes):
        if route.methods is None:
            found.add(f"GET {route.path}/{{path}}")
        found |= {f"{method} {route.path}" for method in route.methods or ()}
    return found


@cache
def matrix() -> dict[str, dict[str, Any]]:
    read: dict[str, dict[str, Any]] = yaml.safe_load(MATRIX.read_text(encoding="utf-8"))
    return read


def table(unit: Unit) -> dict[str, Any]:
    """The rows of one unit: "METHOD /path" → roles or a word."""
    rows: dict[str, Any] = {}
    for pattern, given in matrix().items():
        if fnmatchcase(unit.code, pattern):
            rows |= {door.replace("{base}", unit.base): who for door, who in given.items()}
    return rows


def guarded(unit: Unit) -> Iterator[tuple[str, str, Any]]:
    """(method, path, who) of every row that asks who is there."""
    for door, who in table(unit).items():
        if who not in ("public", "this_machine"):
            method, _, path = door.partition(" ")
            yield method, path, who


def person(role: str, unit: Unit) -> Staff:
    domain = unit.welfare_domain or "elderly"
    return Staff(f"test-{role}", "試験 さん", frozenset({role}), frozenset({domain}) if role == "caseworker" else frozenset())


def people(unit: Unit) -> list[Staff]:
    return [person(role, unit) for role in ROLE_LABELS]
