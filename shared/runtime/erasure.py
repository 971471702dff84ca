"""世帯の消去: intake が身元を消したと知らせ、どの窓口も自分の写しを同じ取引で消し、消した数と残すものを受領で返す。

A unit says with a `Keeper` what it has of a household and how it goes; the worker does the rest (`hear_erasures`): the mark that keeps
everything about the household out from now on, the receipt, the second receipt when a period that still ran has ended.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from shared.contracts.event import HouseholdId, LegalBasis
from shared.contracts.receipt import ErasureReceived
from shared.contracts.retention import HoldLifted, HoldPlaced, HouseholdErased
from shared.runtime import holds
from shared.runtime.database import Read, Transaction
from shared.runtime.retention import Periods, RecordClass, periods_on
from shared.runtime.unit import Unit

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers, Timer

JST = ZoneInfo("Asia/Tokyo")
#: kept although its own period is over, because somebody asked for it or fights over it
HOLD = "legal_hold"
TIMER = "erasure"
#: what was being written when the household went is found by a second look
AGAIN, SECOND_LOOK = "erasure_again", timedelta(minutes=10)

_MARK = text(
    """
    insert into erased_household (household_id, erasure_id, erased_on) values (:household_id, :erasure_id, :erased_on)
    on conflict (household_id) do nothing
    """
)
_SETTLED = text(
    "update erased_household set removed = removed + :removed, kept_under = :kept_under, kept_until = :kept_until where household_id = :household_id"
)
_ERASED = text("select * from erased_household where household_id = :household_id for update")
_ALL = text("select household_id, erasure_id, erased_on from erased_household order by erased_on, household_id")
#: who was protected, in conflict, let in by a glass or a conference, which withdrawals were answered: they guard what is kept, and go last
_LAST = tuple(
    text(f"delete from {table} where household_id = :household_id")  # noqa: S608
    for table in ("protection", "conflict", "break_glass", "conference", "withdrawal_answered")
)
_AMONG = text("select household_id from erased_household where household_id = any(:households)")


@dataclass(frozen=True, slots=True)
class Kept:
    """法が残せという記録。`until` はその最後の日、None はまだ決まらない（開いているケース、消去の停止）。"""

    under: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """消した行の数と、残したもの。"""

    rows: int = 0
    kept: tuple[Kept, ...] = ()

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.rows + other.rows, self.kept + other.kept)

    @property
    def kept_under(self) -> tuple[str, ...]:
        return tuple(sorted({one.under for one in self.kept}))

    @property
    def kept_until(self) -> date | None:
        """すべてが消えるまでの最後の日。一つでも決まらなければ None。"""
        days = [one.until for one in self.kept]
        return None if None in days else max((day for day in days if day), default=None)

    def next_look(self, today: date, periods: Periods) -> date | None:
        """次に消せるものがあるかを見る日。残すものがなければ None。"""
        recheck = periods.due(RecordClass.RECHECK, today)
        return min(((one.until + timedelta(days=1)) if one.until else recheck for one in self.kept), default=None)


@dataclass(frozen=True, slots=True)
class Due:
    """期間の過ぎた記録一つ。`blocked` は、それでも消さない理由の区分。氏名はどこにもない。"""

    record_class: RecordClass
    record_id: UUID
    household_id: UUID | None
    due_on: date
    blocked: tuple[str, ...] = ()


Plan = Callable[[Read, date, Periods], Awaitable[Sequence[Due]]]
Remove = Callable[[Transaction, HouseholdId, date, Periods], Awaitable[Removed]]


@dataclass(frozen=True, slots=True)
class Keeper:
    """窓口が持つものの、見方と消し方。`remove` は何度呼んでもよく、期間の続くものは残して `Kept` で言う。"""

    plan: Plan
    remove: Remove


def hear_erasures(handlers: "Handlers", unit: Unit, city: Path | None) -> None:
    """Registered in every worker whose unit keeps something about households (`handlers.keepers`)."""
    keepers = tuple(handlers.keepers)
    if not keepers:
        return

    def periods(on: date) -> Periods:
        return periods_on(on, unit.root, city, unit.code)

    @handlers.on(HouseholdErased)
    async def household_erased(tx: Transaction, event: HouseholdErased, envelope: "Envelope") -> None:
        if await mark(tx, event.household_id, event.erasure_id, event.erased_on):
            tx.schedule(AGAIN, str(event.household_id), tx.now + SECOND_LOOK, event.household_id)
            await _settle(tx, event.household_id, event.erasure_id, keepers, periods(day_of(tx.now)))

    @handlers.on(HoldPlaced)
    async def hold_placed(tx: Transaction, event: HoldPlaced, envelope: "Envelope") -> None:
        await holds.heard_placed(tx, event)

    @handlers.on(HoldLifted)
    async def hold_lifted(tx: Transaction, event: HoldLifted, envelope: "Envelope") -> None:
        await holds.heard_lifted(tx, event)
        await _go_on(tx, event.household_id, keepers, periods(day_of(tx.now)))

    @handlers.timer(TIMER)
    async def period_ended(tx: Transaction, due: "Timer") -> None:
        """残していたものの期間が終わった（か、開いていたケースをもう一度見る日が来た）。"""
        await _go_on(tx, HouseholdId(UUID(due.key)), keepers, periods(day_of(tx.now)))

    @handlers.timer(AGAIN)
    async def second_look(tx: Transaction, due: "Timer") -> None:
        """消去と同じ瞬間に書かれていたものを拾う。"""
        await _go_on(tx, HouseholdId(UUID(due.key)), keepers, periods(day_of(tx.now)))


async def mark(tx: Transaction, household_id: HouseholdId, erasure_id: UUID, erased_on: date) -> bool:
    """この世帯のことは、もう入れない。False: もう消してある。"""
    return bool(await tx.execute(_MARK, {"household_id": household_id, "erasure_id": erasure_id, "erased_on": erased_on}))


async def _go_on(tx: Transaction, household_id: HouseholdId, keepers: Sequence[Keeper], periods: Periods) -> None:
    """消去を続ける。前と何も変わらなければ、何も言わない。"""
    row = await tx.row(_ERASED, {"household_id": household_id})
    if row is not None:
        await _settle(tx, household_id, row.erasure_id, keepers, periods, before=(tuple(row.kept_under), row.kept_until))


async def _settle(
    tx: Transaction, household_id: HouseholdId, erasure_id: UUID, keepers: Sequence[Keeper], periods: Periods,
    *, before: tuple[tuple[str, ...], date | None] | None = None,
) -> None:  # fmt: skip
    today = day_of(tx.now)
    done = await remove(tx, household_id, keepers, today, periods)
    if (look := done.next_look(today, periods)) is not None:
        tx.schedule(TIMER, str(household_id), datetime.combine(look, time(0, 5), JST), household_id)
    else:
        tx.cancel(TIMER, str(household_id))
    if before == (done.kept_under, done.kept_until) and not done.rows:
        return
    tx.publish(
        ErasureReceived(
            household_id=household_id, legal_basis=LegalBasis.INTERNAL_69_2_2, erasure_id=erasure_id, removed=done.rows,
            kept_under=done.kept_under, kept_until=done.kept_until, done_on=today,
        )
    )  # fmt: skip


async def remove(tx: Transaction, household_id: HouseholdId, keepers: Sequence[Keeper], on: date, periods: Periods) -> Removed:
    """消して、何を残したかを書き留める。停止されていれば、すべて残す。"""
    if await holds.standing(tx, [household_id]):
        done = Removed(0, (Kept(HOLD),))
    else:
        done = sum([await keeper.remove(tx, household_id, on, periods) for keeper in keepers], Removed())
        done += Removed(0 if done.kept else await remove_last(tx, household_id))
    settled = {"removed": done.rows, "kept_under": list(done.kept_under), "kept_until": done.kept_until, "household_id": household_id}
    await tx.execute(_SETTLED, settled)
    return done


async def remove_last(tx: Transaction, household_id: UUID) -> int:
    """権限の写し（保護・利害関係・緊急閲覧・会議）。残した記録があるあいだは、それを守るので消さない。"""
    return sum([await tx.execute(statement, {"household_id": household_id}) for statement in _LAST])


async def erased_among(handle: Read, households: Sequence[UUID]) -> set[UUID]:
    return {row.household_id for row in await handle.rows(_AMONG, {"households": list(households)})}


@dataclass(frozen=True, slots=True)
class Erased:
    """消した世帯一つ: バックアップを戻したあと、もう一度消すための控え。"""

    household_id: UUID
    erasure_id: UUID
    erased_on: date


async def erased_households(handle: Read) -> list[Erased]:
    return [Erased(row.household_id, row.erasure_id, row.erased_on) for row in await handle.rows(_ALL)]


async def plan(rd: Read, keepers: Sequence[Keeper], on: date, periods: Periods) -> list[Due]:
    """`on` に期間の過ぎている記録。停止と、受付の決定を待つことは、ここで書き加える。"""
    found = [due for keeper in keepers for due in await keeper.plan(rd, on, periods) if due.due_on <= on]
    held = await holds.standing(rd, [due.household_id for due in found if due.household_id])
    return [_blocked(due, HOLD) if due.household_id in held else due for due in found]


def _blocked(due: Due, why: str) -> Due:
    return Due(due.record_class, due.record_id, due.household_id, due.due_on, (*due.blocked, why))


def day_of(at: datetime) -> date:
    """その時刻の日本の日付。"""
    return at.astimezone(JST).date()
