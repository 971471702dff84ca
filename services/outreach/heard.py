"""What others told this desk: who lives in a household, without names."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from services.outreach import tables
from shared.contracts.event import HouseholdId, MemberId, Month
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.runtime.database import Read

h, m = tables.household, tables.member


@dataclass(frozen=True, slots=True)
class Member:
    member_id: MemberId
    role: MemberRole
    birth_month: Month | None
    left: LeavingReason | None = None


async def area(handle: Read, household_id: HouseholdId) -> Area:
    found = await handle.scalar(select(h.c.area).where(h.c.household_id == household_id))
    return Area(found) if found else Area.UNKNOWN


async def members(handle: Read, household_id: HouseholdId) -> list[Member]:
    """年長の順。離れた人も、見守りが残っていれば要るので含む。"""
    rows = await handle.rows(select(m).where(m.c.household_id == household_id).order_by(m.c.birth_month.asc().nulls_last(), m.c.member_id))
    return [Member(row.member_id, MemberRole(row.role), row.birth_month, LeavingReason(row.left_reason) if row.left_reason else None) for row in rows]


def age_about(birth_month: Month, on: date) -> int:
    """生年月だけで数えた年齢（歳）。その月のうちは、もう誕生日が来たものとして数える。"""
    year, month = (int(part) for part in birth_month.split("-"))
    return on.year - year - (on.month < month)
