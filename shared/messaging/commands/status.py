"""`status` and `lag`: the whole backbone on one screen."""

import asyncio
from dataclasses import asdict

import typer

from shared.messaging.commands.place import Places, places
from shared.messaging.commands.say import Answer, Grid, Json, UnitCode, answer
from shared.messaging.commands.sight import UnitSight, is_late, look


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(lag)


def status(unit: UnitCode = None, as_json: Json = False) -> None:
    """全ユニットの様子 / all units at a glance. --json: {"ok": bool, "units": [UnitSight…]} (sight.py)"""
    answer(_status(places(unit), unit), as_json)


def lag(unit: UnitCode = None, as_json: Json = False) -> None:
    """誰がどこまで聞いたか / who heard how far. --json: {"ok": bool, "consumers": [{"unit", "name", "source", "position", "lag", …}]}"""
    answer(_lag(places(unit), unit), as_json)


async def _looks(all_places: Places, code: str | None) -> list[UnitSight]:
    return await asyncio.gather(*(look(place) for place in all_places.of(code)))


async def _status(all_places: Places, code: str | None) -> Answer:
    sights = await _looks(all_places, code)
    headings = (
        "ユニット\nunit", "送出\nrelay", "未送\nwait", "最古\ns", "遅れ\nlag", "保留\nheld", "不達\ndead", "隔離\naside", "声\ncanary", "検査\naudit",
    )  # fmt: skip
    grid = Grid(headings, [_row(one) for one in sights], frozenset(headings[2:]))
    ok = not any(one.attention for one in sights)
    lines = [f"{one.unit}: {' '.join(one.attention)}" for one in sights if one.attention]
    end = "異常なし / all well" if ok else "→ deploy/runbooks/messaging.md に、それぞれの意味と手順があります / has each of these"
    return Answer({"ok": ok, "units": [asdict(one) for one in sights]}, ok, [*lines, end], [grid])


def _row(one: UnitSight) -> tuple[object, ...]:
    if not one.database:
        return (one.unit, "DB away", *[None] * 8)
    relay = "NATS away" if not one.broker else "—" if not one.speaks else "動作 on" if one.relay_led else "停止 off"
    lag = sum(consumer.lag or 0 for consumer in one.consumers)
    canary = max((consumer.canary_seconds for consumer in one.consumers if consumer.canary_seconds is not None), default=None)
    return (
        one.unit, relay, one.pending, one.oldest_pending_seconds, lag, one.held, one.dead, one.households_set_aside,
        None if canary is None else f"{canary:.3f}", ago(one.audited_seconds_ago),
    )  # fmt: skip


async def _lag(all_places: Places, code: str | None) -> Answer:
    sights = await _looks(all_places, code)
    pairs = [(one.unit, consumer) for one in sights for consumer in one.consumers]
    headings = ("ユニット\nunit", "送り手\nsource", "位置\nposition", "遅れ\nlag", "動き\nmoved", "担当\nled", "声\ncanary")
    rows = [(unit, c.source, c.position, c.lag, ago(c.moved_seconds_ago), c.led, c.canary_seconds) for unit, c in pairs]
    ok = all(one.database and one.broker for one in sights) and not any(is_late(consumer) for _, consumer in pairs)
    away = [
        f"{one.unit}: {' '.join(code for code in one.attention if code.endswith('_away'))}" for one in sights if not (one.database and one.broker)
    ]
    content = {"ok": ok, "consumers": [{"unit": unit, **asdict(consumer)} for unit, consumer in pairs]}
    return Answer(content, ok, away, [Grid(headings, rows, frozenset(headings[2:4]))])


def ago(seconds: float | None) -> str | None:
    """「3分前」の代わりに短く: 45s, 3m, 2h, 5d."""
    if seconds is None:
        return None
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{letter}"
    return f"{seconds:.0f}s"
