"""Where the units are: from the environment of one unit (DATABASE_URL, NATS_URL), or from a one box's box.json."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from asyncpg.exceptions import PostgresError
from nats.aio.client import Client
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from shared.messaging.commands.say import ATTENTION, Refused
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.waiting import woken
from shared.runtime.database import Database
from shared.runtime.settings import Profile, Settings
from shared.runtime.unit import TREE, Unit, all_units

DATABASE_AWAY = (SQLAlchemyError, PostgresError, OSError, TimeoutError)
#: seconds to wait for a server before saying that it is away
PATIENCE = 5.0


@dataclass(frozen=True)
class Place:
    """One unit, and how to reach its database and the broker in its name."""

    unit: Unit
    settings: Settings
    #: of the web part, where there is one
    url: str | None = None

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        db = Database(self.settings.database_url.get_secret_value(), self.unit.code, pool_size=3)
        try:
            with refusing_when_away(self.unit.code):
                yield db
        finally:
            await db.close()

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """A connection with the unit's own credential. Refused when the broker is away."""
        link = Link(self.unit.code, self.settings)
        keeping = asyncio.create_task(link.keep())
        try:
            if not await woken(link.up, PATIENCE):
                raise BrokerAway
            yield link
        finally:
            keeping.cancel()
            await link.close()


async def _silent(error: Exception) -> None:
    """What cannot be reached is said once, by the refusal."""


class BrokerAway(Refused):
    def __init__(self) -> None:
        super().__init__("NATS につながりません。make status で様子を見てください。", "NATS is away. Look with `make status`.", ATTENTION)


@contextmanager
def refusing_when_away(unit: str) -> Iterator[None]:
    """A server that is away is an answer for the operator, not a traceback."""
    try:
        yield
    except BrokerError as error:
        raise Refused(f"NATS が断りました（{error.code}）。", f"NATS refused: {error}", ATTENTION) from None
    except AWAY as error:
        raise Refused(
            f"{unit} のデータベースか NATS につながりません（{type(error).__name__}）。", f"The database or NATS of {unit} is away.", ATTENTION
        ) from None
    except (SQLAlchemyError, PostgresError) as error:
        state = getattr(getattr(error, "orig", None), "sqlstate", None) or type(error).__name__
        raise Refused(f"{unit} のデータベースが断りました（{state}）。", f"The database of {unit} refused ({state}).", ATTENTION) from None


@dataclass(frozen=True)
class Places:
    """All units that speak or hear. `provisioner_url` is there where streams may be changed."""

    all: tuple[Place, ...]
    provisioner_url: SecretStr | None = None

    def one(self, code: str | None) -> Place:
        known = "、".join(place.unit.code for place in self.all)
        if code is None and len(self.all) == 1:
            return self.all[0]
        found = next((place for place in self.all if place.unit.code == code), None)
        if found is None:
            asked = f"{code} というユニットはありません" if code else "どのユニットか指定してください（--unit）"
            raise Refused(f"{asked}。あるのは {known} です。", f"Name a unit with --unit. Known: {', '.join(p.unit.code for p in self.all)}.")
        return found

    def of(self, code: str | None) -> tuple[Place, ...]:
        """One by its code, or all."""
        return (self.one(code),) if code else self.all

    def speaking(self, code: str | None = None) -> tuple[Place, ...]:
        """Those that have a stream of their own (the console only hears)."""
        return tuple(place for place in self.of(code) if place.unit.publishes)

    @asynccontextmanager
    async def provisioner(self) -> AsyncIterator[Client]:
        """A connection that may make and take away streams and consumers."""
        if self.provisioner_url is None:
            raise Refused(
                "ブローカーを変える権限がここにありません。NATS_PROVISIONER_URL を設定してください。",
                "There is no right to change the broker here: set NATS_PROVISIONER_URL.",
            )
        try:
            url = self.provisioner_url.get_secret_value()
            async with asyncio.timeout(PATIENCE):
                client = await nats.connect(url, inbox_prefix=b"_INBOX_provisioner", allow_reconnect=False, error_cb=_silent)
        except AWAY:
            raise BrokerAway from None
        try:
            with refusing_when_away("NATS"):
                yield client
        finally:
            await client.close()

    @property
    def units(self) -> list[Unit]:
        return [place.unit for place in self.all]


def places(code: str | None = None) -> Places:
    """DATABASE_URL wins (then `code` says whose it is); otherwise box.json in TSUNAGARI_HOME or the checkout's .tsunagari/."""
    if os.environ.get("DATABASE_URL"):
        return _of_environment(code)
    home = Path(os.environ.get("TSUNAGARI_HOME") or TREE / ".tsunagari").expanduser()
    try:
        box: dict[str, Any] = json.loads((home / "box.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refused(
            f"{home}/box.json が読めません。make up をしてから、または DATABASE_URL と NATS_URL を設定して --unit を付けてください。",
            f"{home}/box.json cannot be read. Run `make up` first, or set DATABASE_URL and NATS_URL and name --unit.",
        ) from None
    return _of_box(box)


def _of_environment(code: str | None) -> Places:
    unit = next((unit for unit in all_units() if unit.code == code), None)
    if unit is None:
        raise Refused(
            "DATABASE_URL がどのユニットのものか、--unit で示してください。", "Say with --unit whose database DATABASE_URL is."
        )  # fmt: skip
    settings = Settings(database_url=SecretStr(os.environ["DATABASE_URL"]), public_url=os.environ.get("PUBLIC_URL", "https://localhost"))
    provisioner = os.environ.get("NATS_PROVISIONER_URL")
    return Places((Place(unit, settings),), SecretStr(provisioner) if provisioner else None)


def _of_box(box: Mapping[str, Any]) -> Places:
    found = [_place(box, code, about) for code, about in sorted(box["units"].items()) if code in box["databases"]]
    return Places(tuple(found), SecretStr(box["nats_provisioner_url"]) if box.get("nats_provisioner_url") else None)


def _place(box: Mapping[str, Any], code: str, about: Mapping[str, str]) -> Place:
    settings = Settings(
        profile=Profile.ONEBOX, database_url=SecretStr(box["databases"][code]), nats_url=SecretStr(box["brokers"][code]), public_url=box["url"]
    )
    return Place(Unit.load(about["package"]), settings, about.get("url"))
