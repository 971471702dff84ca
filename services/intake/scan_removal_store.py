"""写しの取消しの表。中身を消しても、この行は同意とともに残る。"""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from services.intake.consultation import StaffRef
from services.intake.scan_removal import Removal, RemovalReason, RemovalState
from services.intake.tables import consent_scan, consent_scan_removal
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

r, s = consent_scan_removal, consent_scan
#: 一覧に出す、決めるのを待つものの数
AT_MOST = 200
GONE = "この取消しは見つかりません。世帯が消されたか、この職員には見せない世帯です。一覧を開き直してください。"


async def of_consent(handle: Read, consent_id: UUID) -> list[Removal]:
    rows = await handle.rows(select(r).where(r.c.consent_id == consent_id).order_by(r.c.asked_at, r.c.id))
    return [_removal(row) for row in rows]


async def waiting(handle: Read) -> list[Removal]:
    """決めるのを待つもの。古い順。"""
    rows = await handle.rows(select(r).where(r.c.state == RemovalState.WAITING.value).order_by(r.c.asked_at, r.c.id).limit(AT_MOST))
    return [_removal(row) for row in rows]


async def ask(tx: Transaction, asked: Removal) -> bool:
    """求める。もう待っているものがあれば増えない（二度押し、二人め）。"""
    about: dict[str, Any] = {"id": asked.id, "scan_id": asked.scan_id, "consent_id": asked.consent_id, "household_id": asked.household_id}
    about |= {"member_id": asked.member_id, "sha256": asked.sha256, "reason": asked.reason.value, "state": asked.state.value}
    about |= {"asked_at": asked.asked_at, "asked_by": asked.asked_by.sub, "asked_by_name": asked.asked_by.name}
    one = insert(r).values(about).on_conflict_do_nothing(index_elements=["scan_id"], index_where=text("state = 'waiting'"))
    return bool(await tx.execute(one))


async def load(handle: Read, removal_id: UUID, *, lock: bool = False) -> Removal:
    """Raises NotFound（隠された世帯のものも）."""
    found = select(r).where(r.c.id == removal_id)
    row = await handle.row(found.with_for_update() if lock else found)
    if row is None:
        raise NotFound(GONE)
    return _removal(row)


async def settle(tx: Transaction, decided: Removal) -> None:
    """決めたことを書く。取り消したなら、中身を消す。"""
    assert decided.settled_by
    who = {"settled_by": decided.settled_by.sub, "settled_by_name": decided.settled_by.name}
    await tx.execute(update(r).where(r.c.id == decided.id).values(state=decided.state.value, settled_at=decided.settled_at, **who))
    if decided.state is RemovalState.REMOVED:
        await tx.execute(delete(s).where(s.c.id == decided.scan_id))


def _removal(row: Row[Any]) -> Removal:
    return Removal(
        row.id, row.scan_id, row.consent_id, row.household_id, row.member_id, row.sha256, RemovalReason(row.reason), row.asked_at,
        StaffRef(row.asked_by, row.asked_by_name), RemovalState(row.state), row.settled_at,
        StaffRef(row.settled_by, row.settled_by_name) if row.settled_by else None,
    )  # fmt: skip
