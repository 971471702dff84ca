"""架空の市を、動いている窓口に読み込む。First what the reception did, then, once they have heard of it, what the domains and the outreach did."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from deploy.city import homes, ledger, town
from deploy.city.commands import Command, JoinHousehold, LeaveHousehold, ReceiveConsultation, RegisterHousehold, RenewConsent
from deploy.city.desks import desks
from deploy.city.ledger import Ledger, Mark
from deploy.city.progress import Progress
from deploy.city.town import Town
from deploy.city.waiting import CannotLoad, alone, everybody_is_there, has_heard
from shared.runtime.database import Database, Transaction

INTAKE, OUTREACH = "intake", "outreach"
BATCH = 200
_JST = timedelta(hours=9)


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

    def left(self, ledgers: Mapping[str, Ledger]) -> int:
        """Commands not played yet."""
        return sum(len(commands) - ledgers[unit].positions.get(self.name, 0) for unit, commands in self.commands.items())


async def load(databases: Mapping[str, Database], *, households: int | None, city_parameters: Path | None = None, say: Progress | None = None) -> str:
    """Loads a small town of `households`, or the whole city (None). Returns the sentence to show. Running it again continues or does nothing."""
    async with alone(databases[INTAKE]):
        ledgers = {unit: await Ledger.of(database) for unit, database in databases.items()}
        parts = [part.among(databases) for part in _parts(ledgers[INTAKE], households)]
        left = {part.name: part.left(ledgers) for part in parts if part.left(ledgers)}
        if not left:
            return "架空の市は、もう読み込まれています。"
        with (say or Progress()).of(sum(left.values())) as progress:
            await everybody_is_there(databases[INTAKE], {unit for part in parts for unit in part.commands}, progress)
            for part in parts:
                if part.name in left:
                    await _load(part, databases, ledgers, city_parameters, progress)
            await homes.settle(databases[INTAKE], town.whole(parts[0].until))
    return f"架空の市を読み込みました（{sum(left.values()):,} 件の出来事）。"


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
    if isinstance(command, (RegisterHousehold, JoinHousehold, LeaveHousehold, ReceiveConsultation, RenewConsent)):
        return INTAKE
    return str(getattr(command, "unit", OUTREACH))


async def _load(part: Part, databases: Mapping[str, Database], ledgers: Mapping[str, Ledger], city: Path | None, progress: Progress) -> None:
    at_work = desks((part.until + _JST).date(), city)
    await _play(part, INTAKE, at_work[INTAKE], databases[INTAKE], ledgers[INTAKE], progress)

    async def follow(unit: str) -> None:
        await has_heard(databases[unit], unit, part.commands[unit], progress)
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
