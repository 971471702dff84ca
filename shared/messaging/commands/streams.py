"""`rewind`, `republish`, `audit`, `adopt-stream`: putting streams and positions right after a loss."""

from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import text

from shared.messaging import adopt, positions, repair
from shared.messaging import audit as stream_audit
from shared.messaging.commands.operator import Acting, Reason, Who, Why
from shared.messaging.commands.place import Place, places
from shared.messaging.commands.say import Answer, Json, Refused, UnitCode, answer

Consumer = Annotated[str, typer.Argument(help="notify--intake--p0")]
To = Annotated[int, typer.Option("--to", min=0, help="この番号の次から読み直す（0 は最初から）/ read again what comes after this stream sequence")]
FromPos = Annotated[int, typer.Option("--from-pos", min=1, help="送信箱の位置 / outbox position")]
ToPos = Annotated[int | None, typer.Option("--to-pos", min=1)]
FromSeq = Annotated[int, typer.Option("--from-seq", min=1, help="ここから調べる / stream sequence to begin with")]

_KNOWN = text("select name, stream_seq from consumer_cursor order by name")
_LAST_POS = text("select coalesce(max(pos), 0) from outbox")


def register(app: typer.Typer) -> None:
    for command, name in ((rewind, "rewind"), (republish, "republish"), (audit, "audit"), (adopt_stream, "adopt-stream")):
        app.command(name)(command)


def rewind(consumer: Consumer, to: To, unit: UnitCode = None, reason: Why = None, operator: Who = None, as_json: Json = False) -> None:
    """聞き手を前の位置へ戻す（同じ便りが二度効くことはない）/ read again. --json: {"ok", "consumer", "from", "to"}"""
    whose = unit or consumer.split("--", 1)[0]
    answer(_rewind(places(whose).one(whose), consumer, to, Acting(reason, operator)), as_json)


async def _rewind(place: Place, consumer: str, to: int, acting: Acting) -> Answer:
    async with place.database() as db, db.transaction() as tx:
        known = {row.name: row.stream_seq for row in await tx.rows(_KNOWN)}
        if consumer not in known:
            raise Refused(f"{consumer} はありません。あるのは {'、'.join(known)} です。", f"No such consumer. Known: {', '.join(known)}.")
        if known[consumer] < to:
            at = known[consumer]
            raise Refused(f"{consumer} はまだ {at} です。先へは進められません。", f"{consumer} stands at {at}: it cannot be moved on.")
        await positions.rewind(tx, consumer, to)
        await acting.record(tx, "rewind", "consumer", f"{consumer}@{to}")
    content = {"ok": True, "consumer": consumer, "from": known[consumer], "to": to}
    return Answer(content, True, [f"{consumer}: {known[consumer]} → {to}。担当が一秒ほどで読み直します。 / It is read again within about a second."])


def republish(
    from_pos: FromPos, unit: UnitCode = None, to_pos: ToPos = None, reason: Why = None, operator: Who = None, as_json: Json = False
) -> None:
    """送信箱からもう一度送る / publish again from the outbox. --json: {"ok", "unit", "from_pos", "to_pos", "rows"}"""
    answer(_republish(places(unit).one(unit), from_pos, to_pos, Acting(reason, operator)), as_json)


async def _republish(place: Place, from_pos: int, to_pos: int | None, acting: Acting) -> Answer:
    async with place.database() as db, db.transaction() as tx:
        last = int(await tx.scalar(_LAST_POS))
        if from_pos > last or (to_pos or last) < from_pos:
            raise Refused(f"送信箱は {last} までです。", f"The outbox ends at {last}.")
        rows = await repair.republish(tx, from_pos=from_pos, to_pos=to_pos)
        await acting.record(tx, "republish", "outbox", f"{from_pos}-{to_pos or last}")
    content = {"ok": True, "unit": place.unit.code, "from_pos": from_pos, "to_pos": to_pos or last, "rows": rows}
    said = f"{place.unit.code}: {rows} 通をもう一度送ります（二度は効きません）。 / {rows} events go out again; nobody applies one twice."
    return Answer(content, True, [said])


def audit(unit: UnitCode = None, from_seq: FromSeq = 1, operator: Who = None, reason: Why = None, as_json: Json = False) -> None:
    """配信記録と送信箱を突き合わせ、欠けを送り直す / compare stream and outbox, mend holes.

    --json: {"ok", "audits": [{"unit", "messages", "holes", "copies", "foreign"}]}"""
    answer(_audit(places(unit).speaking(unit), from_seq, Acting(reason or Reason.INVESTIGATION, operator)), as_json)


async def _audit(all_places: tuple[Place, ...], from_seq: int, acting: Acting) -> Answer:
    found = []
    for place in all_places:
        async with place.database() as db, place.link() as link:
            async with db.transaction() as tx:
                await acting.record(tx, "audit", "stream", place.unit.stream)
            found.append({"unit": place.unit.code, **asdict(await stream_audit.audit_stream(db, link, place.unit, from_seq=from_seq))})
    ok = not any(one["holes"] or one["foreign"] for one in found)
    lines = [f"{one['unit']}: {one['messages']} 通、欠け {one['holes']}、写し {one['copies']}、見知らぬ便り {one['foreign']}" for one in found]
    end = [] if ok else ["欠けは送り直しています。見知らぬ便りは runbook の strangers へ。 / Holes are sent again; for strangers see the runbook."]
    return Answer({"ok": ok, "audits": found}, ok, [*lines, *end])


def adopt_stream(unit: UnitCode = None, reason: Why = None, operator: Who = None, as_json: Json = False) -> None:
    """古いバックアップに戻したあと、配信記録から不足を引き取る / after restoring an older backup, take over what the stream has.

    --json: {"ok", "unit", "adopted", "renumbered", "households": [uuid]}"""
    answer(_adopt(places(unit).one(unit), Acting(reason, operator)), as_json)


async def _adopt(place: Place, acting: Acting) -> Answer:
    async with place.database() as db, place.link() as link:
        async with db.transaction() as tx:
            await acting.record(tx, "adopt", "stream", place.unit.stream)
        done = await adopt.adopt(db, link, place.unit)
    content = {"ok": True, "unit": place.unit.code, **asdict(done)}
    said = f"引き取り {done.adopted}、番号の付け直し {done.renumbered}（{len(done.households)} 世帯）。また書けます。 / It may write again."
    look = [f"業務の記録を見直す世帯 / look at this household's records: {one}" for one in done.households]
    return Answer(content, True, [f"{place.unit.code}: {said}", *look])
