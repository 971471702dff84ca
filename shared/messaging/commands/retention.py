"""`retention`: what is due and why it waits (a dry run), legal holds, and erasures once more after a backup was restored. Never a name."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from shared.contracts.event import HouseholdId
from shared.contracts.retention import HoldReason
from shared.messaging.commands.operator import Acting, Reason, Who, Why
from shared.messaging.commands.place import Place, Places, places
from shared.messaging.commands.rehearse import handlers_of
from shared.messaging.commands.say import ATTENTION, Answer, Grid, Json, Refused, UnitCode, answer
from shared.runtime import erasure, holds
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.erasure import Due, Erased
from shared.runtime.holds import HoldNotFound, LiftReason
from shared.runtime.retention import periods_on

On = Annotated[str | None, typer.Option("--on", help="この日に（既定は今日）/ on this day, 2032-04-01")]
Household = Annotated[UUID, typer.Option("--household", help="世帯の番号 / household id")]
Kept = Annotated[Path | None, typer.Option("--from", help="retention list --json の控え / a list kept before")]


def register(app: typer.Typer) -> None:
    app.command("plan")(plan_command)
    app.command("hold")(hold_command)
    app.command("lift")(lift_command)
    app.command("list")(list_command)
    app.command("replay")(replay_command)


def plan_command(unit: UnitCode = None, on: On = None, as_json: Json = False) -> None:
    """期間の過ぎた記録。何も消さない / what is due; nothing is erased.

    --json: {"ok", "on", "units": [{"unit", "classes": [{"class", "free", "blocked", "ids", "waiting": [{"id", "household", "due_on", "why"}]}]}]}
    """
    answer(_plan(places(unit).speaking(unit), _day(on)), as_json)


def _day(given: str | None) -> date:
    try:
        return date.fromisoformat(given) if given else erasure.day_of(datetime.now(UTC))
    except ValueError:
        raise Refused("--on は 2032-04-01 の形で書いてください。", "Write --on as 2032-04-01.") from None


async def _plan(found: Sequence[Place], on: date) -> Answer:
    units = {place.unit.code: _classes(await _due(place, on)) for place in found}
    rows = [(code, one["class"], one["free"], one["blocked"], _reasons(one)) for code, classes in units.items() for one in classes]
    grid = Grid(("窓口 unit", "区分 class", "消せる free", "待つ blocked", "わけ why"), rows, frozenset({"消せる free", "待つ blocked"}))
    lines = [f"{on} に期間の過ぎた記録。何も消していません / nothing was erased"]
    content = [{"unit": code, "classes": classes} for code, classes in units.items()]
    return Answer({"ok": True, "on": on, "units": content}, True, lines, [grid])


async def _due(place: Place, on: date) -> list[Due]:
    settings = place.settings
    async with place.database() as db:
        keepers = handlers_of(place, db).keepers
        async with db.read() as rd:
            return await erasure.plan(rd, keepers, on, periods_on(on, place.unit.root, settings.city_parameters, place.unit.code))


def _classes(due: Iterable[Due]) -> list[dict[str, Any]]:
    by_class: dict[str, list[Due]] = {}
    for one in due:
        by_class.setdefault(one.record_class.value, []).append(one)
    return [
        {
            "class": name,
            "free": sum(not one.blocked for one in found),
            "blocked": sum(bool(one.blocked) for one in found),
            "ids": [one.record_id for one in found if not one.blocked],
            "waiting": [
                {"id": one.record_id, "household": one.household_id, "due_on": one.due_on, "why": list(one.blocked)} for one in found if one.blocked
            ],
        }
        for name, found in sorted(by_class.items())
    ]


def _reasons(one: dict[str, Any]) -> str:
    counted = Counter(why for waiting in one["waiting"] for why in waiting["why"])
    return " ".join(f"{why}:{n}" for why, n in sorted(counted.items()))


def _owner(found: Places) -> Place:
    """The unit that says what is erased and what is held."""
    owner = next((place for place in found.all if "retention" in place.unit.publishes), None)
    if owner is None:
        raise Refused("消去を決めるのは受付です。--unit intake で実行してください。", "Run it with the unit that decides erasures.")
    return owner


def hold_command(household: Household, reason: HoldReason, unit: UnitCode = None, operator: Who = None, as_json: Json = False) -> None:
    """消去を止める（開示請求中・係争中）/ nothing of this household may go. --json: {"ok", "hold"}"""
    staff = _staff(operator)

    async def placed() -> Answer:
        async with _owner(places(unit)).database() as db, db.transaction() as tx:
            hold = await holds.place(tx, staff, HouseholdId(household), reason)
        return Answer({"ok": True, "hold": hold}, True, [f"止めました（{reason.label}）: {hold}"])

    answer(placed(), as_json)


def lift_command(hold: UUID, reason: LiftReason, unit: UnitCode = None, operator: Who = None, as_json: Json = False) -> None:
    """停止を解く / lift a hold. --json: {"ok", "household"}"""
    staff = _staff(operator)

    async def lifted() -> Answer:
        try:
            async with _owner(places(unit)).database() as db, db.transaction() as tx:
                household = (await holds.lift(tx, staff, hold, why=reason)).household_id
        except HoldNotFound:
            raise Refused("その停止はないか、もう解かれています。", "There is no such hold, or it is lifted already.", ATTENTION) from None
        return Answer({"ok": True, "household": household}, True, [f"解きました（{reason.label}）"])

    answer(lifted(), as_json)


def _staff(operator: str | None) -> Staff:
    return Staff(f"operator:{Acting(Reason.INVESTIGATION, operator).id}", "", frozenset({"operator"}))


def list_command(unit: UnitCode = None, as_json: Json = False) -> None:
    """消した世帯の番号。バックアップと別に取っておく控え / keep it apart from the backups.

    --json: {"ok", "erased": [{"household", "erasure", "on"}]}
    """

    async def listed() -> Answer:
        found = await _union(places(unit).speaking(unit))
        rows = [{"household": one.household_id, "erasure": one.erasure_id, "on": one.erased_on} for one in found]
        grid = Grid(("世帯 household", "消去 erasure", "日 on"), [list(row.values()) for row in rows])
        return Answer({"ok": True, "erased": rows}, True, [f"{len(rows)} 世帯"], [grid])

    answer(listed(), as_json)


async def _union(found: Sequence[Place]) -> list[Erased]:
    """What any unit knows to be erased: one that was restored learns it from the others."""
    known: dict[UUID, Erased] = {}
    for place in found:
        async with place.database() as db, db.read() as rd:
            known |= {one.household_id: one for one in await erasure.erased_households(rd)}
    return sorted(known.values(), key=lambda one: (one.erased_on, one.household_id))


def replay_command(unit: UnitCode = None, kept: Kept = None, reason: Why = None, operator: Who = None, as_json: Json = False) -> None:
    """バックアップを戻したあと、消した世帯をもう一度消す / erase again what a restored backup brought back.

    --json: {"ok", "known", "units": [{"unit", "erased_again", "removed"}]}
    """
    found = places(unit)
    answer(_replay(found, found.speaking(unit), _read(kept), Acting(reason, operator)), as_json)


def _read(kept: Path | None) -> list[Erased]:
    if kept is None:
        return []
    try:
        rows = json.loads(kept.read_text(encoding="utf-8"))["erased"]
        return [Erased(UUID(row["household"]), UUID(row["erasure"]), date.fromisoformat(row["on"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(f"{kept} を控えとして読めません。", f"{kept} is no list of `retention list --json`.") from None


async def _replay(all_places: Places, wanted: Sequence[Place], kept: Sequence[Erased], acting: Acting) -> Answer:
    known = {one.household_id: one for one in (*kept, *await _union(all_places.speaking()))}
    units = []
    for place in wanted:
        async with place.database() as db:
            again, removed = await _again(place, db, known.values(), acting)
        units.append({"unit": place.unit.code, "erased_again": again, "removed": removed})
    grid = Grid(
        ("窓口 unit", "消し直した世帯 again", "行 rows"), [list(one.values()) for one in units], frozenset({"消し直した世帯 again", "行 rows"})
    )
    return Answer({"ok": True, "known": len(known), "units": units}, True, [f"控えにある世帯 {len(known)}"], [grid])


async def _again(place: Place, db: Database, known: Iterable[Erased], acting: Acting) -> tuple[int, int]:
    """Nothing is said: the receipts were given when it was erased first. What a law still keeps gets its clock again."""
    keepers, again, removed = handlers_of(place, db).keepers, 0, 0
    for one in known:
        async with db.transaction() as tx:
            if not await erasure.mark(tx, HouseholdId(one.household_id), one.erasure_id, one.erased_on):
                continue
            today = erasure.day_of(tx.now)
            periods = periods_on(today, place.unit.root, place.settings.city_parameters, place.unit.code)
            done = await erasure.remove(tx, HouseholdId(one.household_id), keepers, today, periods)
            if look := done.next_look(today, periods):
                tx.schedule(erasure.TIMER, str(one.household_id), datetime.combine(look, time(0, 5), erasure.JST), one.household_id)
            await acting.record(tx, "erase", "household", one.household_id, households=[one.household_id])
        again, removed = again + 1, removed + done.rows
    return again, removed
