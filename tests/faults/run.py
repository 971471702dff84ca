"""One run: a world, a seeded schedule of faults, rest, judgement. The result is a value; printing is somebody else's."""

import asyncio
import logging
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from tests.faults.fault import Fault, Row
from tests.faults.history import Finding, History, Kind, judge
from tests.faults.reading import read
from tests.faults.world import World

log = logging.getLogger("tsunagari.faults")


@dataclass
class Result:
    seed: int
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    events: int = 0
    effects: int = 0
    messages: int = 0
    quiet_after: float = 0.0
    findings: tuple[Finding, ...] = ()


@dataclass
class _Diary:
    """When which fault began: whatever was committed from then on is counted with it, until the next one."""

    began: list[datetime] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)

    def note(self, fault: Fault) -> Row:
        self.began.append(datetime.now(UTC))
        self.names.append(fault.name)
        row = self.rows.setdefault(fault.name, Row(fault.name))
        row.times += 1
        return row

    def at(self, moment: datetime | None) -> Row | None:
        index = bisect_right(self.began, moment) - 1 if moment else -1
        return self.rows[self.names[index]] if index >= 0 else None


async def endure(world: World, faults: Sequence[Fault], random: Random, *, seconds: float | None = None) -> Result:
    """Each fault once in the given order, or, with `seconds`, drawn by weight until the time is over. The world has begun."""
    began, diary = time.monotonic(), _Diary()
    await world.flows()
    for fault in faults if seconds is None else _drawn(faults, random, began + seconds):
        row = diary.note(fault)
        log.info("fault %s", fault.name)
        await fault.apply(world, random)
        row.recovery.append(await world.flows(fault.patience))
        await asyncio.sleep(random.uniform(0, 0.5))
    quiet_after = await world.quiet()
    return _result(world, diary, await read(world), time.monotonic() - began, quiet_after)


def _drawn(faults: Sequence[Fault], random: Random, until: float):  # type: ignore[no-untyped-def]
    while time.monotonic() < until:
        yield random.choices(faults, [fault.weight for fault in faults])[0]


def _result(world: World, diary: _Diary, history: History, seconds: float, quiet_after: float) -> Result:
    findings = judge(history)
    for committed in history.committed:
        if row := diary.at(committed.at):
            row.events += 1
    for finding in findings:
        if row := diary.at(finding.at):
            row.missing += finding.kind is Kind.MISSING
            row.duplicate += finding.kind is Kind.DUPLICATE
            row.disorder += finding.kind is Kind.DISORDER
    return Result(
        seed=world.seed,
        seconds=seconds,
        rows=sorted(diary.rows.values(), key=lambda row: row.name),
        counts=world.counts,
        events=len(history.committed),
        effects=len(history.effects),
        messages=len(history.messages),
        quiet_after=quiet_after,
        findings=findings,
    )
