"""`audit`: who saw a household, does the chain of what was written still hold, and its heads to keep elsewhere. Ids and codes, never a name."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from shared.contracts.event import HouseholdId
from shared.contracts.seen import SeenEntry, SeenRequest, Why
from shared.desk.wareki import JST
from shared.messaging.commands.operator import Acting, Reason, Who
from shared.messaging.commands.place import Place, places
from shared.messaging.commands.say import Answer, Grid, Json, Refused, UnitCode, answer
from shared.runtime import audit_words, seal
from shared.runtime.auth import Staff
from shared.runtime.seal import Anchor
from shared.runtime.seen import note_the_asking, who_saw
from shared.runtime.unit import TREE

Days = Annotated[int, typer.Option("--days", min=1, max=1830, help="さかのぼる日数 / how far back")]
Reasoned = Annotated[Why, typer.Option("--why", help="なぜ調べるか。これも記録に残る / why; it is recorded, too")]
Actor = Annotated[str | None, typer.Option("--staff", help="その職員が見たことだけ / of one staff id only")]
Folder = Annotated[Path | None, typer.Option("--anchors", help="錨の控えのフォルダー（既定は TSUNAGARI_HOME/anchors）/ folder of anchors")]


def register(app: typer.Typer) -> None:
    app.command("who-saw")(who_saw_command)
    app.command("verify")(verify_command)
    app.command("anchor")(anchor_command)


@dataclass(frozen=True)
class _FromOne:
    """What one unit's audit says; None when its database is away."""

    unit: str
    entries: Sequence[SeenEntry] | None


def who_saw_command(
    household: UUID,
    why: Reasoned,
    days: Days = 90,
    staff: Actor = None,
    unit: UnitCode = None,
    operator: Who = None,
    as_json: Json = False,
) -> None:
    """だれが・いつ・何の目的で見て、何を渡されたか。すべての窓口から / who saw this household, from every unit.

    --json: {"ok", "silent": [unit], "seen": [{"unit", …SeenEntry}]}. Exit 1 when a unit did not answer.
    """
    now = datetime.now(UTC)
    by = Acting(Reason.INVESTIGATION, operator).id
    asked = SeenRequest(
        by=by, roles=("operator",), why=why, household_id=HouseholdId(household), actor=staff, since=now - timedelta(days=days), until=now
    )  # fmt: skip
    answer(_who_saw(places(unit).of(unit), asked), as_json)


async def _who_saw(found: Sequence[Place], asked: SeenRequest) -> Answer:
    answers = await asyncio.gather(*(_of_one(place, asked) for place in found))
    silent = [one.unit for one in answers if one.entries is None]
    seen = sorted(((entry, one.unit) for one in answers for entry in one.entries or ()), key=lambda pair: pair[0].at, reverse=True)
    lines = [_said(entry, unit) for entry, unit in seen]
    lines += [f"{len(seen)} 行 / rows", *(f"まだ答えていない窓口 / silent: {unit}" for unit in silent)]
    content = {"ok": not silent, "silent": silent, "seen": [{"unit": unit, **entry.model_dump(mode="json")} for entry, unit in seen]}
    return Answer(content, not silent, lines)


def _said(entry: SeenEntry, unit: str) -> str:
    """One line, not a table: a narrow terminal must not cut off what was given."""
    words = (
        f"{entry.at.astimezone(JST):%Y-%m-%d %H:%M}", f"{audit_words.who(entry.actor)}（{audit_words.roles(entry.roles)}）", unit,
        audit_words.did(entry), audit_words.purpose(entry.purpose), audit_words.returned(entry.returned),
    )  # fmt: skip
    return "  ".join(word for word in words if word)


async def _of_one(place: Place, asked: SeenRequest) -> _FromOne:
    entries: list[SeenEntry] = []
    try:
        async with place.database() as db, db.transaction() as tx:
            page = await who_saw(tx, asked)
            entries.extend(page.entries)
            while page.before:
                page = await who_saw(tx, asked.model_copy(update={"before": page.before}))
                entries.extend(page.entries)
            await note_the_asking(tx, Staff(f"operator:{asked.by}", "", frozenset(asked.roles)), asked, "command")
    except Refused:
        return _FromOne(place.unit.code, None)
    return _FromOne(place.unit.code, entries)


def verify_command(unit: UnitCode = None, anchors: Folder = None, as_json: Json = False) -> None:
    """監査の鎖を計算し直し、切れている最初の一つを示す / recomputes every chain and names the first block that does not hold.

    --json: {"ok", "units": [{"unit", "ok", "blocks", "rows", "head", "broken", "block", "waiting", "waiting_since", "anchors"}]}.
    Exit 1 when one is broken.
    """
    answer(_verify(places(unit).of(unit), anchors or _folder()), as_json)


async def _verify(found: Sequence[Place], folder: Path) -> Answer:
    units = [await _verdict(place, folder) for place in found]
    ok = all(one["ok"] for one in units)
    headings = ("窓口 unit", "結果 result", "塊 block", "塊の数 blocks", "行 rows", "未封 waiting", "錨 anchors")
    rows = [
        (one["unit"], "○ holds" if one["ok"] else one["why"], one["block"], one["blocks"], one["rows"], one["waiting"], one["anchors"])
        for one in units
    ]
    lines = [f"{one['unit']}: {one['why']}（塊 {one['block']}）" for one in units if not one["ok"]]
    end = "鎖は切れていません / every chain holds" if ok else "→ deploy/runbooks/audit.md"
    return Answer({"ok": ok, "units": units}, ok, [*lines, end], [Grid(headings, rows, frozenset(headings[2:]))])


async def _verdict(place: Place, folder: Path) -> dict[str, Any]:
    said = _anchors(folder, place.unit.code)
    async with place.database() as db, db.read() as rd:
        found = await seal.verify(rd, said)
    late = found.waiting_since is not None and (datetime.now(UTC) - found.waiting_since).total_seconds() > seal.LATE
    why = found.broken.label if found.broken else "封が遅れている" if late else ""
    return {
        "unit": place.unit.code, "ok": not why, "why": why, "blocks": found.blocks, "rows": found.rows, "head": found.head, "broken": found.broken,
        "block": found.block, "waiting": found.waiting, "waiting_since": found.waiting_since, "anchors": len(said),
    }  # fmt: skip


def _anchors(folder: Path, unit: str) -> tuple[Anchor, ...]:
    try:
        return seal.anchors_in(folder, unit)
    except (OSError, ValueError):
        raise Refused(f"{folder} の錨の控えを読めません（{unit}）。", f"The anchors of {unit} in {folder} cannot be read.") from None


def anchor_command(unit: UnitCode = None, as_json: Json = False) -> None:
    """いまの鎖の先頭。印刷して、監査の担当が手もとに置く / the heads of the chains as they are now, to keep on paper.

    --json: {"ok", "at", "mark", "units": [{"unit", "n", "hash"}]}
    """
    answer(_heads(places(unit).of(unit)), as_json)


async def _heads(found: Sequence[Place]) -> Answer:
    units = []
    for place in found:
        async with place.database() as db, db.read() as rd:
            head = await seal.head(rd)
        units.append({"unit": place.unit.code, "n": head.n, "hash": head.hash})
    at = datetime.now(JST)
    heads = [f"{one['unit']} {one['n']} {one['hash']}" for one in units]  # lines, not a table: a narrow terminal must not cut them
    mark = hashlib.sha256("\n".join(heads).encode()).hexdigest()
    lines = [*heads, f"{at:%Y-%m-%d %H:%M} の錨。全体の印 / mark of all: {' '.join(mark[i : i + 4] for i in range(0, 32, 4))}"]
    return Answer({"ok": True, "at": at, "mark": mark, "units": units}, True, lines)


def _folder() -> Path:
    return Path(os.environ.get("TSUNAGARI_HOME") or TREE / ".tsunagari").expanduser() / "anchors"
