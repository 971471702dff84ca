"""世帯をまたぐ一覧: 取り直す同意と、受領を待つ撤回。"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import all_, and_, func, select

from services.intake import consent_store, consent_views, household_store
from services.intake.consent import Retake
from services.intake.tables import consent, consent_withdrawal, referral, withdrawal_receipt
from shared.runtime.database import Read

AT_MOST = 200
c, w, r, sent = consent, consent_withdrawal, withdrawal_receipt, referral


@dataclass(frozen=True, slots=True)
class Due:
    """取り直す同意一つ。"""

    household_id: UUID
    name: str
    retake: Retake


@dataclass(frozen=True, slots=True)
class Waiting:
    """受領のそろわない撤回一つ。"""

    household_id: UUID
    name: str
    said_at: datetime
    alarmed: bool
    units: tuple[str, ...]


async def alarmed(handle: Read, household_id: UUID) -> Mapping[UUID, bool]:
    rows = await handle.rows(select(w.c.id, w.c.alarmed_at).where(w.c.household_id == household_id))
    return {row.id: row.alarmed_at is not None for row in rows}


async def to_retake(handle: Read, today: date, notice_days: int) -> list[Due]:
    """期間がまもなく終わるか過ぎた同意と、新しいつなぎ先のある人。早い順、`AT_MOST` 世帯まで。"""
    new = and_(sent.c.household_id == c.c.household_id, sent.c.status != "declined", sent.c.to_unit != all_(c.c.recipients))
    more = select(c.c.household_id.label("home")).join(sent, new).where(c.c.source == "form")
    soon = await consent_store.ending(handle, today + timedelta(days=notice_days), AT_MOST)
    homes = list(dict.fromkeys([*soon, *(row.home for row in await handle.rows(more.distinct().limit(AT_MOST)))]))[:AT_MOST]
    known, households = await consent_store.of_households(handle, homes), await household_store.load_many(handle, homes)
    found: list[Due] = []
    for home in households.values():
        names = {member.id: member.display_name for member in home.members}
        referred, over = await consent_store.referred(handle, home.id), await consent_store.over(handle, home.id)
        found += [Due(home.id, names[one.member_id], one) for one in consent_views.due(known[home.id], home, referred, over, today, notice_days)]
    return sorted(found, key=lambda one: (one.retake.by, one.name))


async def waiting_for_receipts(handle: Read) -> list[Waiting]:
    """受領のそろわない撤回。知らせの出たものから、古い順。"""
    query = select(w.c.household_id, w.c.member_id, w.c.said_at, w.c.alarmed_at, func.array_agg(r.c.unit).label("units")).join(
        r, r.c.withdrawal_id == w.c.id
    )
    rows = await handle.rows(query.where(r.c.done_on.is_(None)).group_by(w.c.id).order_by(w.c.alarmed_at.nulls_last(), w.c.said_at).limit(AT_MOST))
    homes = await household_store.load_many(handle, {row.household_id for row in rows})
    return [
        Waiting(
            row.household_id, homes[row.household_id].member(row.member_id).display_name, row.said_at, row.alarmed_at is not None,
            tuple(sorted(row.units)),
        )
        for row in rows
        if row.household_id in homes
    ]  # fmt: skip
