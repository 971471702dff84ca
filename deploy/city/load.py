"""架空の市を、動いている窓口に読み込む。First what the reception did, then, once they have heard of it, what the domains and the outreach did."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.city import ledger, town
from deploy.city.commands import Command, JoinHousehold, LeaveHousehold, ReceiveConsultation, RecordFact, RegisterHousehold
from deploy.city.desks import desks
from deploy.city.ledger import Ledger, Mark
from deploy.city.progress import Progress
from deploy.city.town import Town
from shared.runtime.announce import referral_targets
from shared.runtime.database import Database, Read, Transaction

INTAKE, OUTREACH = "intake", "outreach"
BATCH = 200
PATIENCE = 600.0
_JST = timedelta(hours=9)


class CannotLoad(Exception):
    """A sentence that says what to do."""


class Desk(Protocol):
    async def play(self, tx: Transaction, batch: Sequence[Command]) -> None: ...

    def meet(self, command: Command) -> None: ...


@dataclass(frozen=True)
class Part:
    """A town, or what is still missing of it, with its commands per unit in order of time."""

    name: str
    until: datetime
    commands: Mapping[str, Sequence[Command]]

    def among(self, units: Collection[str]) -> "Part":
        """What the units that are there have to do."""
        return replace(self, commands={unit: commands for unit, commands in self.commands.items() if unit in units})


async def load(databases: Mapping[str, Database], *, households: int | None, city_parameters: Path | None = None, say: Progress | None = None) -> str:
    """Loads a small town of `households`, or the whole city (None). Returns the sentence to show. Running it again continues or does nothing."""
    progress = say or Progress()
    ledgers = {unit: await Ledger.of(database) for unit, database in databases.items()}
    parts = [part.among(databases) for part in _parts(ledgers[INTAKE], households)]
    parts = [part for part in parts if not _complete(part, ledgers)]
    if not parts:
        return "架空の市は、もう読み込まれています。"
    progress.begin(sum(len(commands) - ledgers[unit].positions.get(part.name, 0) for part in parts for unit, commands in part.commands.items()))
    async with _alone(databases[INTAKE]):
        await _everybody_is_there(databases[INTAKE], parts, progress)
        for part in parts:
            await _load(part, databases, ledgers, city_parameters, progress)
    progress.end()
    return f"架空の市を読み込みました（{sum(len(c) for part in parts for c in part.commands.values()):,} 件の出来事）。"


def _parts(known: Ledger, households: int | None) -> list[Part]:
    """小さな町のあとに全市を読むときは、まだいない世帯だけを足す。終わりの時刻は、はじめに読み込んだときのまま。"""
    until = known.until or datetime.now(UTC).replace(microsecond=0)
    small_towns = [int(name.removeprefix("small-")) for name in known.positions if name.startswith("small-")]
    if households is not None and "whole" not in known.positions and not any(name.startswith("rest") for name in known.positions):
        if small_towns and small_towns != [households]:
            raise CannotLoad(f"もう {small_towns[0]} 世帯の町が入っています。全市は make city で読み込めます。")
        return [_part(f"small-{households}", town.small(until, households))]
    city = town.whole(until)
    if not small_towns:
        return [_part("whole", city)]
    first = town.small(until, small_towns[0])
    there = {household.no for household in first.households}
    rest = tuple(household for household in city.households if household.no not in there)
    return [_part(f"small-{small_towns[0]}", first), _part("rest", Town(city.parameters, city.seed, until, rest))]


def _part(name: str, people: Town) -> Part:
    per_unit: dict[str, list[Command]] = {}
    for command in people.commands():
        per_unit.setdefault(unit_of(command), []).append(command)
    return Part(name, people.until, per_unit)


def unit_of(command: Command) -> str:
    """Which desk did it."""
    if isinstance(command, (RegisterHousehold, JoinHousehold, LeaveHousehold, ReceiveConsultation)):
        return INTAKE
    return str(getattr(command, "unit", OUTREACH))


def _complete(part: Part, ledgers: Mapping[str, Ledger]) -> bool:
    return all(ledgers[unit].positions.get(part.name, 0) >= len(commands) for unit, commands in part.commands.items())


async def _load(part: Part, databases: Mapping[str, Database], ledgers: Mapping[str, Ledger], city: Path | None, progress: Progress) -> None:
    at_work = desks((part.until + _JST).date(), city)
    await _play(part, INTAKE, at_work[INTAKE], databases[INTAKE], ledgers[INTAKE], progress)

    async def follow(unit: str) -> None:
        await _has_heard(databases[unit], unit, part, progress)
        await _play(part, unit, at_work[unit], databases[unit], ledgers[unit], progress)

    try:
        async with asyncio.TaskGroup() as group:
            for unit in part.commands:
                if unit != INTAKE:
                    group.create_task(follow(unit))
    except* CannotLoad as several:
        raise several.exceptions[0] from None


async def _play(part: Part, unit: str, desk: Desk, database: Database, known: Ledger, progress: Progress) -> None:
    commands = part.commands[unit]
    position = known.positions.get(part.name, 0)
    for command in commands[:position]:
        desk.meet(command)
    for batch in batches(commands[position:], part.until):
        position += len(batch)
        mark = Mark(part.name, part.until, position)
        await _commit(database, desk, batch, mark)
        progress.advance(unit, len(batch))


async def _commit(database: Database, desk: Desk, batch: Sequence[Command], mark: Mark) -> None:
    """The units are at work meanwhile: a deadlock with one of them is tried again."""
    for attempt in range(5):
        try:
            async with database.transaction(batch[0].at) as tx:
                await desk.play(tx, batch)
                await ledger.write(tx, mark)
            return
        except DBAPIError as error:
            if attempt == 4 or getattr(error.orig, "sqlstate", "") not in ("40P01", "40001"):
                raise
            await asyncio.sleep(0.05 * 2**attempt)


def batches(commands: Sequence[Command], until: datetime) -> Iterator[list[Command]]:
    """At most BATCH commands, of one day lately, of one year long ago: the events of a transaction are dated by its last command."""
    batch: list[Command] = []
    for command in commands:
        if batch and (len(batch) >= BATCH or _slice(batch[0].at, until) != _slice(command.at, until)):
            yield batch
            batch = []
        batch.append(command)
    if batch:
        yield batch


def _slice(at: datetime, until: datetime) -> tuple[int, ...]:
    """一つの取引にまとめる期間: この一週間は日ごと、三か月は週ごと、一年は月ごと、その前は年ごと。"""
    day, days_ago = (at + _JST).date(), (until - at).days
    if days_ago < 7:
        return (day.toordinal(),)
    if days_ago < 92:
        return day.isocalendar()[:2]
    return (day.year, day.month) if days_ago < 365 else (day.year,)


# waiting for the units -------------------------------------------------------------------------------------------------


def _alone(database: Database) -> "_Lock":
    return _Lock(database)


class _Lock:
    """Two loads at once would wait for each other in strange ways; the second is told."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def __aenter__(self) -> None:
        self.connection = await self.database.engine.connect()
        if not (await self.connection.execute(text("select pg_try_advisory_lock(7221, 999999)"))).scalar():
            await self.connection.close()
            raise CannotLoad("いま別の読み込みが動いています。終わるのを待ってください。")
        await self.connection.commit()

    async def __aexit__(self, *_: object) -> None:
        await self.connection.execute(text("select pg_advisory_unlock(7221, 999999)"))
        await self.connection.close()


async def _everybody_is_there(database: Database, parts: Sequence[Part], progress: Progress) -> None:
    """つなぎ先の窓口が名乗るまで待つ（立ち上げた直後）。"""
    wanted = {unit for part in parts for unit in part.commands if unit.startswith("cases-")}

    async def missing(rd: Read) -> set[str]:
        return wanted - {unit.unit for unit in await referral_targets(rd)}

    await _until_none(database, missing, "窓口が名乗るのを待っています", 90, progress)


async def _has_heard(database: Database, unit: str, part: Part, progress: Progress) -> None:
    """The unit has heard of every referral it answers and of every member it writes about."""
    referrals = [command.referral.id for command in part.commands[unit] if hasattr(command, "referral")]
    members = {c.member for c in part.commands[unit] if isinstance(c, RecordFact) and c.member}
    if unit == OUTREACH:
        return

    async def missing(rd: Read) -> set[UUID]:
        known = await rd.rows(text("select referral_id as id from referral where referral_id = any(:ids)"), {"ids": referrals})
        met = await rd.rows(text("select member_id as id from member where member_id = any(:ids)"), {"ids": list(members)})
        return (set(referrals) | members) - {row.id for row in (*known, *met)}

    await _until_none(database, missing, f"{unit} に届くのを待っています", PATIENCE, progress)


async def _until_none(database: Database, missing: Callable[[Read], Awaitable[set[str]] | Awaitable[set[UUID]]], what: str, patience: float, progress: Progress) -> None:
    """Polls with growing pauses; gives up only when nothing has changed for `patience` seconds."""
    clock = asyncio.get_running_loop().time
    pause, last, since = 0.05, -1, clock()
    while True:
        async with database.read() as rd:
            left = len(await missing(rd))
        if not left:
            return
        if left != last:
            last, since = left, clock()
        if clock() - since > patience:
            raise CannotLoad(f"{what}が、{left} 件が届きません。make status で窓口が動いているか確かめ、もう一度読み込んでください（続きから入ります）。")
        progress.wait(f"{what}（あと {left:,}）")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
