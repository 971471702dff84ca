"""消去: 氏名の写し・聞き取り・顔ぶれは、受付が世帯を消したときに消す。見守りの記録は、自分の保存期間が終わるまで残す。"""

from datetime import date, timedelta

from sqlalchemy import text

from shared.contracts.event import HouseholdId
from shared.messaging import Handlers
from shared.runtime.database import Read, Transaction
from shared.runtime.erasure import Due, Keeper, Kept, Removed
from shared.runtime.retention import Periods, RecordClass

#: 期間のない写し。照会の行（disclosure）を先に消すと、いま届く返事は書く先を失い、氏名は戻らない
COPIES = tuple(
    text(f"delete from {table} where household_id = :household_id")  # noqa: S608
    for table in ("disclosure", "identity", "consent", "member", "household")
)
#: 見守りにつながらないつなぎ
_LOOSE = text("delete from referral r where household_id = :household_id and not exists (select from watch w where w.plan_id = r.plan_id)")
RECORDS = (
    text("delete from check_in where plan_id = :plan_id"),
    text("delete from referral where plan_id = :plan_id"),
    text("delete from watch where plan_id = :plan_id"),
)
_OF_HOUSEHOLD = text("select plan_id, ended_on from watch where household_id = :household_id for update")
_ENDED = text(
    """
    select plan_id, household_id, ended_on, exists (select from erased_household e where e.household_id = w.household_id) as is_erased
    from watch w where ended_on is not null order by ended_on, plan_id
    """
)


async def plan(rd: Read, on: date, periods: Periods) -> list[Due]:
    """終わって期間の過ぎた見守り。世帯を消すと受付が決めるまでは、待つ。"""
    return [
        Due(
            RecordClass.WATCH,
            row.plan_id,
            row.household_id,
            periods.due(RecordClass.WATCH, row.ended_on),
            () if row.is_erased else ("awaits_erasure",),
        )
        for row in await rd.rows(_ENDED)
    ]


async def remove(tx: Transaction, household_id: HouseholdId, on: date, periods: Periods) -> Removed:
    rows, kept = 0, []
    for row in await tx.rows(_OF_HOUSEHOLD, {"household_id": household_id}):
        due_on = periods.due(RecordClass.WATCH, row.ended_on) if row.ended_on else None
        if due_on is None:
            kept.append(Kept("watch_open"))
        elif due_on > on:
            kept.append(Kept(RecordClass.WATCH, due_on - timedelta(days=1)))
        else:
            rows += sum([await tx.execute(statement, {"plan_id": row.plan_id}) for statement in RECORDS])
    rows += sum([await tx.execute(statement, {"household_id": household_id}) for statement in (*COPIES, _LOOSE)])
    return Removed(rows, tuple(kept))


def register(handlers: Handlers) -> None:
    handlers.keepers.append(Keeper(plan, remove))
