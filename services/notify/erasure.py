"""消去: 世帯の知識と気づきは便りの写しで、世帯とともに消える。だれも確認しなかった気づきは 90日で消え、数だけが残る。"""

from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from services.notify.deadlines import day_of
from shared.contracts.event import HouseholdId
from shared.messaging import Handlers
from shared.runtime.database import Read, Transaction
from shared.runtime.erasure import Due, Keeper, Removed
from shared.runtime.retention import Periods, RecordClass, periods_on
from shared.runtime.sweeps import sweep_daily

#: 一つの取引で消す気づきの数（どれだけ長く押さえるかの話で、記録の扱いには関わらない）
AT_ONCE = 200

_COUNT = text(
    """
    insert into alert_counted as k (fiscal_year, rule_id, severity, state, alerts)
    select extract(year from (raised_at at time zone 'Asia/Tokyo') - interval '3 months')::smallint, rule_id, severity, state, count(*)
    from alert where id = any(:ids) group by 1, 2, 3, 4
    on conflict (fiscal_year, rule_id, severity, state) do update set alerts = k.alerts + excluded.alerts
    """
)
_CLOCKS = text("delete from timer where kind = 'alert_ack' and key = any(:keys)")
_GONE = (text("delete from inbox_change where alert_id = any(:ids)"), text("delete from alert where id = any(:ids)"))
_ALERTS = text("select id from alert where household_id = :household_id for update")
_COPIES = (
    text("delete from timer where kind in ('judge', 'watch_due') and household = :household_id"),
    text("delete from household where household_id = :household_id"),
)
#: 出てから一度も人が見ていないもの。重くなって出し直されたものは、出し直しから数えない（最初に出た日から）
_UNCONFIRMED = """
    select id, household_id, (raised_at at time zone 'Asia/Tokyo')::date as raised_on from alert
    where state = 'raised' and raised_at < :before
"""
_PLANNED = text(f"{_UNCONFIRMED} order by raised_at, id")
_SWEPT = text(
    f"""{_UNCONFIRMED} and not exists (select from legal_hold h where h.household_id = alert.household_id and h.lifted_on is null)
    order by raised_at, id limit {AT_ONCE} for update skip locked"""
)


async def plan(rd: Read, on: date, periods: Periods) -> list[Due]:
    """90日だれも確認しなかった気づき。毎日の見回りが消す。"""
    rows = await rd.rows(_PLANNED, {"before": rd.now + timedelta(days=(on - day_of(rd.now)).days)})
    return [Due(RecordClass.ALERT_UNCONFIRMED, row.id, row.household_id, periods.due(RecordClass.ALERT_UNCONFIRMED, row.raised_on)) for row in rows]


async def remove(tx: Transaction, household_id: HouseholdId, on: date, periods: Periods) -> Removed:
    gone = await _forget(tx, [row.id for row in await tx.rows(_ALERTS, {"household_id": household_id})])
    return Removed(gone + sum([await tx.execute(statement, {"household_id": household_id}) for statement in _COPIES]))


async def sweep(tx: Transaction, on: date, periods: Periods) -> int:
    """期間の過ぎた、確認されなかった気づきを消す。いまもルールに当てはまるなら、次の見直しが新しい気づきとして出す。消した数。"""
    rows = await tx.rows(_SWEPT, {"before": tx.now})
    over = [row for row in rows if periods.due(RecordClass.ALERT_UNCONFIRMED, row.raised_on) <= on]
    await _forget(tx, [row.id for row in over])
    return len(over)


async def _forget(tx: Transaction, ids: list[UUID]) -> int:
    """数えてから消す。確認の時計も止める。"""
    if not ids:
        return 0
    await tx.execute(_COUNT, {"ids": ids})
    await tx.execute(_CLOCKS, {"keys": [str(one) for one in ids]})
    return sum([await tx.execute(statement, {"ids": ids}) for statement in _GONE])


def register(handlers: Handlers, city: Path | None) -> None:
    handlers.keepers.append(Keeper(plan, remove))

    async def sweep_unconfirmed(tx: Transaction, on: date) -> bool:
        return await sweep(tx, on, periods_on(on, Path(__file__).parent, city, "notify")) == AT_ONCE

    sweep_daily(handlers, sweep_unconfirmed)
