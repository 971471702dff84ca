"""`drill`: does the way from every source to every consumer work now? A canary is sung and waited for; nothing else happens."""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import text

from shared.messaging import canary
from shared.messaging.commands.operator import Acting, Reason, Who
from shared.messaging.commands.place import Place, Places, places
from shared.messaging.commands.say import Answer, Grid, Json, Refused, UnitCode, answer
from shared.messaging.envelope import EnvelopeError
from shared.messaging.publish import publish_one
from shared.runtime.database import Database

Within = Annotated[float, typer.Option(help="待つ秒数 / seconds to wait")]

_CURSORS = text("select name, source, canary_sent, canary_seen from consumer_cursor where source = any(:sources) order by source")


@dataclass(frozen=True)
class Heard:
    """`seconds`: from the song to the commit of whoever heard it; None when it did not come in time."""

    unit: str
    source: str
    seconds: float | None


def register(app: typer.Typer) -> None:
    app.command()(drill)


def drill(unit: UnitCode = None, within: Within = 15.0, operator: Who = None, as_json: Json = False) -> None:
    """送り手から聞き手まで、いま届くか（業務には何も起きない）/ does it get through, now. --unit: 送り手 / the source.

    --json: {"ok", "heard": [{"unit", "source", "seconds"}]}"""
    answer(_drill(places(unit), unit, within, Acting(Reason.DRILL, operator)), as_json)


async def _drill(all_places: Places, code: str | None, within: float, acting: Acting) -> Answer:
    sung = dict(await asyncio.gather(*(_sing(place, acting) for place in all_places.speaking(code))))
    heard = [one for found in await asyncio.gather(*(_listen(place, sung, within) for place in all_places.all)) for one in found]
    ok = all(one.seconds is not None for one in heard)
    rows = [(one.source, one.unit, "届かない / not heard" if one.seconds is None else f"{one.seconds:.3f}") for one in heard]
    content = {"ok": ok, "heard": [asdict(one) for one in heard]}
    return Answer(content, ok, [], [Grid(("送り手 source", "聞き手 unit", "秒 s"), rows, frozenset({"秒 s"}))])


async def _sing(place: Place, acting: Acting) -> tuple[str, datetime]:
    """With the unit's own credential, straight into its stream."""
    message = canary.message(place.unit.code)
    sung = canary.read(message.headers)
    if isinstance(sung, EnvelopeError):
        raise Refused("カナリアが読めません。", "The canary cannot be read.")
    async with place.database() as db, place.link() as link:
        async with db.transaction() as tx:
            await acting.record(tx, "drill", "stream", place.unit.stream)
        await publish_one(link, message)
    return place.unit.code, sung.sung_at


async def _listen(place: Place, sung: dict[str, datetime], within: float) -> list[Heard]:
    deadline = time.monotonic() + within
    async with place.database() as db:
        while True:
            found = await _heard(place, db, sung)
            if all(one.seconds is not None for one in found) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.1)


async def _heard(place: Place, db: Database, sung: dict[str, datetime]) -> list[Heard]:
    async with db.read() as rd:
        rows = await rd.rows(_CURSORS, {"sources": list(sung)})
    return [
        Heard(place.unit.code, row.source, (row.canary_seen - row.canary_sent).total_seconds() if _came(row.canary_sent, sung[row.source]) else None)
        for row in rows
    ]


def _came(sent: datetime | None, sung_at: datetime) -> bool:
    return sent is not None and sent >= sung_at
