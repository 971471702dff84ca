"""`rebuild`: a projection is made again from the events, compared, and put right."""

from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import text

from shared.messaging.commands.operator import Acting, Who, Why
from shared.messaging.commands.place import Place, Places, places
from shared.messaging.commands.rehearse import handlers_of
from shared.messaging.commands.say import ATTENTION, Answer, Grid, Json, Refused, UnitCode, answer
from shared.messaging.provision import api_of
from shared.messaging.rebuild import EffectInProjection, RebuildFailed, Rebuilt, rebuild
from shared.runtime.database import Transaction

Check = Annotated[bool, typer.Option("--check", help="比べるだけ / only compare")]
Doubted = Annotated[bool, typer.Option("--doubted", help="版が上がって足りなくなった写しをすべて / all that lack what this version keeps")]
Name = Annotated[str | None, typer.Argument(help="写しの名前（なければ一覧）/ projection; without it: the list")]

_FAILED = {
    "rebuilding_already": ("同じ写しを作り直している人がいます。終わるのを待ってください。", "Somebody rebuilds this projection now. Wait for them."),
    "incomplete": (
        "配信記録に、もう適用した便りが {count} 世帯分ありません。送り手で audit か republish をしてから、もう一度実行してください。",
        "The streams lack applied events of {count} households. Run `audit` or `republish` at their source, then try again.",
    ),
    "never_still": (
        "便りが途切れず、追いつけません。あとでもう一度実行してください。何も変わっていません。",
        "Events come faster than they can be read again. Try later; nothing was changed.",
    ),
}


def register(app: typer.Typer) -> None:
    app.command("rebuild")(rebuild_command)


def rebuild_command(
    projection: Name = None, unit: UnitCode = None, check: Check = False, doubted: Doubted = False, reason: Why = None, operator: Who = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """写しを便りから作り直す / make a projection again from the events.

    --json: {"ok", "equal", "events", "seconds", "still_seconds", "swapped", "tables": [{"table", "before": {"rows", "hash"}, "after", "added", …}]}
    """
    found = places(unit)
    if doubted:
        answer(_doubted(found, found.speaking(unit), Acting(reason, operator)), as_json)
    place = found.one(unit)
    if projection is None:
        answer(_list(place), as_json)
    answer(_rebuild(found, place, projection or "", None if check else Acting(reason, operator)), as_json)


async def _list(place: Place) -> Answer:
    async with place.database() as db:
        known = handlers_of(place, db).projections.values()
    rows = [{"projection": one.name, "tables": [kept.table for kept in one.tables], "channels": sorted(one.channels)} for one in known]
    grid = Grid(("写し projection", "表 tables", "便り channels"), [list(row.values()) for row in rows])
    return Answer({"ok": True, "projections": rows}, True, [], [grid])


async def _doubted(all_places: Places, asked: tuple[Place, ...], acting: Acting) -> Answer:
    """One after the other; what it finds in order costs a statement."""
    rows = []
    for place in asked:
        async with place.database() as db:
            known = [one for one in handlers_of(place, db).projections.values() if one.doubted]
            async with db.read() as rd:
                found = [one.name for one in known if await rd.scalar(text(one.doubted))]
        for name in found:
            done = await _rebuild(all_places, place, name, acting)
            rows.append({"unit": place.unit.code, "projection": name, "events": done.content["events"], "seconds": done.content["seconds"]})
    lines = [f"{one['unit']} {one['projection']}: {one['events']} events, {one['seconds']} s" for one in rows]
    return Answer({"ok": True, "rebuilt": rows}, True, lines or ["足りない写しはありません / nothing is doubted"], [])


async def _rebuild(all_places: Places, place: Place, name: str, acting: Acting | None) -> Answer:
    async def audited(tx: Transaction) -> None:
        if acting:
            await acting.record(tx, "rebuild", "projection", name)

    async with place.database() as db, place.link() as link, all_places.provisioner() as client:
        handlers = handlers_of(place, db)
        try:
            done = await rebuild(db, link, api_of(client), handlers, name, swap=acting is not None, in_the_same_transaction=audited)
        except RebuildFailed as error:
            raise _refusal(error, sorted(handlers.projections)) from None
        except EffectInProjection as error:
            raise Refused(
                f"{name} の処理が写し以外のこと（{error}）をしました。直すまで作り直せません。",
                f"A feed of {name} did more than keeping ({error}).", ATTENTION,
            ) from None  # fmt: skip
    return _answer(done, swapped=acting is not None)


def _refusal(error: RebuildFailed, known: list[str]) -> Refused:
    if error.code == "unknown_projection":
        return Refused(f"その写しはありません。あるのは {'、'.join(known)} です。", f"No such projection. Known: {', '.join(known)}.")
    ja, en = _FAILED[error.code]
    return Refused(ja.format(count=error.count), en.format(count=error.count), ATTENTION)


def _answer(done: Rebuilt, *, swapped: bool) -> Answer:
    headings = ("表 table", "行 前", "行 後", "照合 前 before", "照合 後 after", "追加 +", "修正 ~", "削除 -")
    rows = [
        (t.table, t.before.rows, t.after.rows, t.before.hash, t.after.hash, t.added, t.changed, t.removed) for t in done.tables
    ]  # fmt: skip
    content = {"ok": done.equal or swapped, "swapped": swapped, "equal": done.equal, **asdict(done)}
    result = "同じです / equal" if done.equal else "違いを直しました / put right" if swapped else "違います / they differ"
    lines = [f"{done.events} events, {done.seconds} s（止めていた時間 / held still {done.still_seconds} s）: {result}"]
    return Answer(content, done.equal or swapped, lines, [Grid(headings, rows, frozenset({headings[1], headings[2], *headings[5:]}))])
