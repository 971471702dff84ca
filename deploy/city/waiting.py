"""読み込みが窓口を待つところ: 一度に一人だけ、つなぎ先が名乗るまで、つなぎと世帯員が届くまで。"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text

from deploy.city.commands import AcceptReferral, Command, DeclineReferral, PlanWatch, RecordFact
from deploy.city.progress import Progress
from shared.runtime.announce import referral_targets
from shared.runtime.database import Database, Read

PATIENCE = 600.0
_LOCK = "(7221, 999999)"
_REFERRALS = text("select referral_id as id from referral where referral_id = any(:ids)")
_MEMBERS = text("select member_id as id from member where member_id = any(:ids)")


class CannotLoad(Exception):
    """A sentence that says what to do."""


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[None]:
    """Two loads at once would wait for each other in strange ways; the second is told."""
    async with database.engine.connect() as connection:
        if not (await connection.execute(text(f"select pg_try_advisory_lock{_LOCK}"))).scalar():
            raise CannotLoad("いま別の読み込みが動いています。終わるのを待ってください。")
        await connection.commit()
        try:
            yield
        finally:
            await connection.execute(text(f"select pg_advisory_unlock{_LOCK}"))
            await connection.commit()


async def everybody_is_there(database: Database, units: Collection[str], progress: Progress) -> None:
    """つなぎ先の窓口が名乗るまで待つ（立ち上げた直後）。"""
    wanted = set(units) - {"intake"}

    async def missing(rd: Read) -> set[str]:
        return wanted - {unit.unit for unit in await referral_targets(rd)}

    await _until_none(database, missing, "窓口が名乗るのを待っています", 90, progress)


async def has_heard(database: Database, unit: str, commands: Sequence[Command], progress: Progress) -> None:
    """The unit has heard of every referral it answers and of every member it writes about."""
    referrals = {command.referral.id for command in commands if isinstance(command, (AcceptReferral, DeclineReferral, PlanWatch))}
    members = {command.member for command in commands if isinstance(command, (RecordFact, PlanWatch)) and command.member}

    async def missing(rd: Read) -> set[UUID]:
        known = await rd.rows(_REFERRALS, {"ids": list(referrals)}) if referrals else ()
        met = await rd.rows(_MEMBERS, {"ids": list(members)})
        return (referrals | members) - {row.id for row in (*known, *met)}

    await _until_none(database, missing, f"{unit} に届くのを待っています", PATIENCE, progress)


Missing = Callable[[Read], Awaitable[set[str]] | Awaitable[set[UUID]]]


async def _until_none(database: Database, missing: Missing, what: str, patience: float, progress: Progress) -> None:
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
            advice = "make status で窓口が動いているか確かめ、もう一度読み込んでください（続きから入ります）。"
            raise CannotLoad(f"{what}が、{left} 件が届きません。{advice}")
        progress.wait(f"{what}（あと {left:,}）")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
