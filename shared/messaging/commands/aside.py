"""`held` and `dead`: what waits for an earlier event or a person, and what could not be handled. Nothing is dropped here without a reason code."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Row, text

from shared.messaging import held, positions
from shared.messaging.commands.operator import Acting, Reason, Who, Why
from shared.messaging.commands.place import Place, places
from shared.messaging.commands.rehearse import Rehearsed, rehearse
from shared.messaging.commands.say import Answer, Grid, Json, Refused, UnitCode, answer
from shared.messaging.names import consumer_name
from shared.runtime.database import Read, Transaction

held_app = typer.Typer(no_args_is_help=True, help="保留中の便り / events that wait")
dead_app = typer.Typer(no_args_is_help=True, help="処理できなかった便り / events that could not be handled")

Household = Annotated[UUID, typer.Argument(help="世帯 ID / household")]
DeadId = Annotated[int, typer.Argument(help="dead list の番号 / number in `dead list`")]
Source = Annotated[str | None, typer.Option("--source", help="送り手のユニット / the sending unit")]
Payload = Annotated[bool, typer.Option("--payload", help="中身も見る（記録されます）/ also the payload; audited")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="試して、取り消す / try it and take it back")]

#: headers for people: the creation trace is for tools
_TRACE = {"ce-traceparent", "ce-tracestate", "traceparent", "tracestate"}
_HELD = text(
    """
    select h.source, h.household, h.channel, h.seq, h.type, h.subject, h.headers, h.payload, h.reason, h.stream_seq, h.first_seen,
           s.last_seq, s.state, s.reason as why
    from held_event h left join consumer_subject s using (source, household, channel)
    where h.household = :household and (cast(:source as text) is null or h.source = :source) order by h.source, h.outbox_pos
    """
)
_DEAD = text(
    """
    select id, source, channel, household, seq, type, subject, headers, payload, reason, stream_seq, parked_at, state, settled_at from dead_event
    where (state = 'parked' or :settled) and (cast(:id as bigint) is null or id = :id) order by id
    """
)
_SOURCES = text("select distinct source from consumer_subject where household = :household and state <> 'ok'")


def register(app: typer.Typer) -> None:
    app.add_typer(held_app, name="held")
    app.add_typer(dead_app, name="dead")


# ── held ──────────────────────────────────────────────────────────
@held_app.command("list")
def held_list(unit: UnitCode = None, as_json: Json = False) -> None:
    """世帯ごとの保留 / households whose events wait. --json: {"ok", "households": [{"unit", "source", "household", "reason", "held", "dead"}]}"""
    answer(_held_list(places(unit).of(unit)), as_json)


async def _held_list(all_places: Sequence[Place]) -> Answer:
    found = []
    for place in all_places:
        async with place.database() as db, db.read() as rd:
            found += [{"unit": place.unit.code, **asdict(one)} for one in await held.set_aside(rd)]
    headings = ("unit", "source", "世帯 household", "理由 reason", "保留 held", "不達 dead")
    grid = Grid(headings, [tuple(one.values()) for one in found], frozenset(headings[4:]))
    return Answer({"ok": not found, "households": found}, not found, [] if found else ["保留なし / nothing waits"], [grid] if found else [])


@held_app.command("show")
def held_show(
    household: Household, unit: UnitCode = None, source: Source = None, payload: Payload = False, reason: Why = None, operator: Who = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """一世帯の保留 / one household. --json: {"ok", "events": [{"source", "channel", "seq", "type", "reason", "first_seen", "headers", …}]}"""
    acting = Acting(reason or Reason.INVESTIGATION, operator) if payload else None
    answer(_held_show(places(unit).one(unit), household, source, acting), as_json)


async def _held_show(place: Place, household: UUID, source: str | None, acting: Acting | None) -> Answer:
    async with place.database() as db, db.transaction() as tx:
        rows = await tx.rows(_HELD, {"household": household, "source": source})
        if not rows:
            raise Refused(f"{household} に保留中の便りはありません。", f"Nothing of {household} is held in {place.unit.code}.")
        if acting:
            await acting.record(tx, "view", "held_event", household, households=[household])
        extra = ("household", "last_seq", "state", "first_seen")
        events = [_shown(row, acting is not None, extra) for row in rows]
    return _events(events, ("source", "channel", "seq", "type", "reason", "first_seen", "stream_seq"))


@held_app.command("release")
def held_release(
    household: Household, unit: UnitCode = None, source: Source = None, reason: Why = None, operator: Who = None, dry_run: DryRun = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """直したあと、順に続ける / go on in order after a repair. --json: {"ok", "released": [{"source", "household"}], "rehearsal": [Rehearsed…]}"""
    answer(_release(places(unit).one(unit), household, source, None if dry_run else Acting(reason, operator)), as_json)


async def _release(place: Place, household: UUID, source: str | None, acting: Acting | None, *, skip: bool = False) -> Answer:
    """Without `acting` it is a rehearsal."""
    async with place.database() as db:
        async with db.read() as rd:
            sources = await _aside(rd, household, source, place)
        if acting is None:
            return _rehearsal([one for each in sources for one in await rehearse(place, db, each, household, skip=skip)])
        async with db.transaction() as tx:
            for each in sources:
                await held.request_release(tx, each, household, skip=skip)
                await acting.record(tx, "skip" if skip else "release", "household_events", f"{each}/{household}", households=[household])
    done = [{"source": each, "household": household} for each in sources]
    word = "飛ばして続けます / skipped, goes on" if skip else "続けます / goes on"
    return Answer({"ok": True, "released": done}, True, [f"{place.unit.code} ← {'、'.join(sources)}: 担当が数秒のうちに{word}（held list で確認）"])


async def _aside(rd: Read, household: UUID, source: str | None, place: Place) -> list[str]:
    """The sources whose events of this household wait for a person. Refused when they wait for something else."""
    found = [row.source for row in await rd.rows(_SOURCES, {"household": household}) if source in (None, row.source)]
    if found:
        return sorted(found)
    if await rd.rows(_HELD, {"household": household, "source": source}):
        raise Refused(
            "この世帯は、届いていない前の便りを待っています。人の判断では進みません。送り手で republish を実行してください。",
            "This household waits for an earlier event that has not come: run `republish` at its source.",
        )
    raise Refused(f"{household} は {place.unit.code} で隔離されていません。", f"{household} is not set aside in {place.unit.code}.")


def _rehearsal(tried: Sequence[Rehearsed]) -> Answer:
    ok = all(one.applied for one in tried)
    headings = ("channel", "seq", "type", "適用 applies", "理由 reason", "events", "intents", "timers")
    grid = Grid(headings, [tuple(asdict(one).values()) for one in tried], frozenset({"seq", "events", "intents", "timers"}))
    lines = ["試しただけです。何も変わっていません。 / A rehearsal: nothing was changed."]
    return Answer({"ok": ok, "dry_run": True, "rehearsal": [asdict(one) for one in tried]}, ok, lines, [grid])


# ── dead ──────────────────────────────────────────────────────────
@dead_app.command("list")
def dead_list(
    unit: UnitCode = None, settled: Annotated[bool, typer.Option("--all", help="片付いたものも / settled too")] = False, as_json: Json = False
) -> None:
    """処理できなかった便り / events that could not be handled. --json: {"ok", "events": [{"unit", "id", "source", "household", "seq", …}]}"""
    answer(_dead_list(places(unit).of(unit), settled), as_json)


async def _dead_list(all_places: Sequence[Place], settled: bool) -> Answer:
    found = []
    for place in all_places:
        async with place.database() as db, db.read() as rd:
            rows = await rd.rows(_DEAD, {"settled": settled, "id": None})
            found += [{"unit": place.unit.code, **_shown(row, False, _DEAD_FIELDS, headers=False)} for row in rows]
    ok = not any(one["state"] == "parked" for one in found)
    columns = ("unit", "id", "source", "household", "channel", "seq", "reason", "parked_at", "state")
    grids = [Grid(columns, [[one[name] for name in columns] for one in found], frozenset({"id", "seq"}))] if found else []
    return Answer({"ok": ok, "events": found}, ok, [] if found else ["なし / none"], grids)


_DEAD_FIELDS = ("id", "household", "parked_at", "state", "settled_at")


@dead_app.command("show")
def dead_show(
    number: DeadId, unit: UnitCode = None, payload: Payload = False, reason: Why = None, operator: Who = None, as_json: Json = False
) -> None:
    """一通 / one of them. --json: {"ok", "events": [one]}"""
    acting = Acting(reason or Reason.INVESTIGATION, operator) if payload else None
    answer(_dead_show(places(unit).one(unit), number, acting), as_json)


async def _dead_show(place: Place, number: int, acting: Acting | None) -> Answer:
    async with place.database() as db, db.transaction() as tx:
        row = await _dead(tx, number, place)
        if acting:
            await acting.record(tx, "view", "dead_event", number, households=[row.household])
    return _events([_shown(row, acting is not None, _DEAD_FIELDS)], ("id", "source", "channel", "seq", "type", "reason", "parked_at", "state"))


@dead_app.command("retry")
def dead_retry(
    number: DeadId, unit: UnitCode = None, reason: Why = None, operator: Who = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """もう一度試す（その世帯の不達すべて）/ try again, with all of its household. --json: as `held release`"""
    answer(_settle(places(unit).one(unit), number, None if dry_run else Acting(reason, operator), skip=False), as_json)


@dead_app.command("skip")
def dead_skip(
    number: DeadId, unit: UnitCode = None, reason: Why = None, operator: Who = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """この便りをあきらめて続ける / give it up and go on with the household. --json: as `held release`"""
    answer(_settle(places(unit).one(unit), number, None if dry_run else Acting(reason, operator), skip=True), as_json)


async def _settle(place: Place, number: int, acting: Acting | None, *, skip: bool) -> Answer:
    async with place.database() as db, db.read() as rd:
        row = await _dead(rd, number, place)
    if row.state != "parked":
        raise Refused(f"{number} は片付いています（{row.state}）。", f"{number} is settled already ({row.state}).")
    if row.household is not None and row.seq is not None:
        return await _release(place, row.household, row.source, acting, skip=skip)
    return await _settle_unreadable(place, row, acting, skip=skip)


async def _settle_unreadable(place: Place, row: Row[Any], acting: Acting | None, *, skip: bool) -> Answer:
    """Nobody knows its number, so it cannot be put in order: it is read again from the stream, or left."""
    done = {"id": row.id, "source": row.source, "household": row.household}
    if acting is None:
        return Answer(
            {"ok": True, "dry_run": True, "rehearsal": []}, True, ["読めない便りです。試せません。 / Unreadable: there is nothing to rehearse."]
        )
    async with place.database() as db, db.transaction() as tx:
        await held.settle_unreadable(tx, row.id, skip=skip)
        if not skip:
            await _read_again(tx, place, row)
        await acting.record(tx, "skip" if skip else "retry", "dead_event", row.id, households=[row.household])
    return Answer(
        {"ok": True, "released": [done]},
        True,
        ["片付けました。 / Settled." if skip else "配信記録から読み直します。 / It is read again from the stream."],
    )


async def _read_again(tx: Transaction, place: Place, row: Row[Any]) -> None:
    await positions.rewind(tx, consumer_name(place.unit.code, row.source), row.stream_seq - 1)


async def _dead(rd: Read, number: int, place: Place) -> Row[Any]:
    rows = await rd.rows(_DEAD, {"settled": True, "id": number})
    if not rows:
        raise Refused(
            f"{place.unit.code} に {number} 番の便りはありません（dead list で確認）。", f"There is no dead event {number} in {place.unit.code}."
        )
    return rows[0]


# ── both ──────────────────────────────────────────────────────────
def _shown(row: Row[Any], payload: bool, extra: Sequence[str], *, headers: bool = True) -> dict[str, Any]:
    """Metadata; the payload only on demand. It has no names in it by contract, but is still shown to nobody by default."""
    seen = {name: getattr(row, name) for name in ("source", "channel", "seq", "type", "subject", "reason", "stream_seq", *extra)}
    if headers:
        seen["headers"] = {name: value for name, value in row.headers.items() if name.lower() not in _TRACE}
    if payload:
        seen["payload"] = _readable(bytes(row.payload))
    return seen


def _readable(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return {"hex": data[:4096].hex(), "bytes": len(data)}


def _events(events: Sequence[dict[str, Any]], columns: Sequence[str]) -> Answer:
    grid = Grid(columns, [[one[name] for name in columns] for one in events], frozenset({"id", "seq", "stream_seq"}))
    lines = [f"{name}: {value}" for one in events for name, value in (*one["headers"].items(), *_payload(one))]
    return Answer({"ok": False, "events": list(events)}, False, lines, [grid])


def _payload(one: dict[str, Any]) -> list[tuple[str, str]]:
    return [("payload", json.dumps(one["payload"], ensure_ascii=False))] if "payload" in one else []
