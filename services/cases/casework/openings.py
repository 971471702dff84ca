"""緊急閲覧を受け持ちに知らせる: 管理者の点検が済むまで、受け持ちの人の一覧と、その世帯のケースに出る (domain.md §1.5)。"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, text

from shared.contracts.access import BreakGlassReason
from shared.contracts.event import HouseholdId
from shared.runtime.auth import Staff
from shared.runtime.database import Read

_OPENED = """
  select g.household_id, x.case_id, g.staff, g.second, g.reason, g.opened_at
  from break_glass g join case_file x on x.household_id = g.household_id and x.state <> 'CLOSED'
  where g.reviewed_at is null and g.staff <> :me and {where} order by g.opened_at desc, g.access_id limit 20
"""
_MINE = text(_OPENED.format(where="x.caseworker = :me"))
_OF_HOUSEHOLD = text(_OPENED.format(where="g.household_id = :household"))


@dataclass(frozen=True, slots=True)
class Opening:
    """だれかの緊急閲覧。`staff` と立ち会った `second` は職員のアカウントの番号。"""

    household_id: UUID
    case_id: UUID
    staff: str
    second: str | None
    reason: BreakGlassReason
    opened_at: datetime


async def of_mine(handle: Read, staff: Staff) -> list[Opening]:
    """自分の担当ケースで、ほかの人が始め、まだ点検されていない緊急閲覧。新しい順に20まで。"""
    return [_opening(row) for row in await handle.rows(_MINE, {"me": staff.sub})]


async def of_household(handle: Read, household_id: HouseholdId, staff: Staff) -> list[Opening]:
    return [_opening(row) for row in await handle.rows(_OF_HOUSEHOLD, {"household": household_id, "me": staff.sub})]


def _opening(row: Row[tuple[object, ...]]) -> Opening:
    values = dict(row._mapping)
    return Opening(**values | {"reason": BreakGlassReason(values["reason"])})
