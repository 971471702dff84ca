"""緊急閲覧の申請を読み書きする。"""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from services.intake import protection_store
from services.intake.consultation import StaffRef
from services.intake.glass import Glass, GlassState
from services.intake.tables import glass_request
from shared.contracts.access import BreakGlassReason, Verdict
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId
from shared.desk.wareki import JST
from shared.runtime.database import Database, Read, Transaction
from shared.runtime.problems import NotFound

KIND = "glass_review"
t = glass_request
_LOOK = text(
    """
    select h.id,
      exists (select from protection p where p.household_id = h.id and p.lifted_on is null) as protected,
      exists (select from conflict c where c.household_id = h.id and c.staff = :me and c.cleared_on is null) as conflict
    from household h where h.id = coalesce(:household, (select household_id from consultation where receipt_no = :receipt))
    """
)
_NOBODY = UUID(int=0)


async def look(database: Database, me: str, household: UUID | None, receipt: str) -> tuple[UUID, bool, bool]:
    """(世帯, 開いてよい世帯か, すぐ開いてよいか)。申請する人には見えない世帯も、ここでだけは調べる。答えは画面に出さない。"""
    async with database.read() as rd:
        row = await rd.row(_LOOK, {"me": me, "household": household, "receipt": receipt})
    if row is None:
        return household or _NOBODY, False, False
    return row.id, not row.conflict, not row.conflict and not row.protected


async def save(tx: Transaction, outcome: Outcome[Glass]) -> None:
    one = outcome.state
    values = _columns(one)
    await tx.execute(insert(t).values(access_id=one.id, **values).on_conflict_do_update(index_elements=["access_id"], set_=values))
    await protection_store.say(tx, *outcome.events)
    if one.state is GlassState.OPENED and one.review_due:
        tx.schedule(KIND, str(one.id), datetime.combine(one.review_due, time(23, 59), JST).astimezone(UTC))
    elif one.state is GlassState.REVIEWED:
        tx.cancel(KIND, str(one.id))


async def escalate(tx: Transaction, access_id: UUID) -> bool:
    """点検の期限が過ぎた。"""
    late = update(t).where(t.c.access_id == access_id, t.c.state == GlassState.OPENED.value, t.c.escalated_at.is_(None))
    return bool(await tx.execute(late.values(escalated_at=tx.now)))


async def to_change(tx: Transaction, access_id: UUID) -> Glass:
    row = await tx.row(select(t).where(t.c.access_id == access_id).with_for_update())
    if row is None:
        raise NotFound
    return _glass(row)


async def of_staff(handle: Read, sub: str) -> list[Glass]:
    return _all(await handle.rows(select(t).where(t.c.staff == sub).order_by(t.c.asked_at.desc()).limit(20)))


async def waiting(handle: Read) -> list[Glass]:
    return _all(await handle.rows(select(t).where(t.c.state == GlassState.WAITING.value).order_by(t.c.asked_at)))


async def opened(handle: Read) -> list[Glass]:
    """点検を待つもの、期限の早い順。"""
    return _all(await handle.rows(select(t).where(t.c.state == GlassState.OPENED.value).order_by(t.c.review_due, t.c.opened_at)))


def _all(rows: Sequence[Row[Any]]) -> list[Glass]:
    return [_glass(row) for row in rows]


def _glass(row: Row[Any]) -> Glass:
    return Glass(
        id=row.access_id,
        household_id=HouseholdId(row.household_id),
        known=row.known,
        by=StaffRef(row.staff, row.staff_name),
        reason=BreakGlassReason(row.reason),
        note=row.note,
        asked_at=row.asked_at,
        state=GlassState(row.state),
        second=StaffRef(row.second, row.second_name) if row.second else None,
        opened_at=row.opened_at,
        until=row.until,
        review_due=row.review_due,
        reviewed_by=row.reviewed_by_name,
        verdict=Verdict(row.verdict) if row.verdict else None,
        escalated_at=row.escalated_at,
    )


def _columns(one: Glass) -> dict[str, Any]:
    return {
        "household_id": one.household_id,
        "known": one.known,
        "staff": one.by.sub,
        "staff_name": one.by.name,
        "reason": one.reason.value,
        "note": one.note,
        "asked_at": one.asked_at,
        "state": one.state.value,
        "second": one.second.sub if one.second else None,
        "second_name": one.second.name if one.second else None,
        "opened_at": one.opened_at,
        "until": one.until,
        "review_due": one.review_due,
        "reviewed_by_name": one.reviewed_by,
        "verdict": one.verdict.value if one.verdict else None,
        "escalated_at": one.escalated_at,
    }
