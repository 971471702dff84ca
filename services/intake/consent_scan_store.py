"""同意書の写しの表。書き足すだけで、中身は一つずつ、見ると決めた人にだけ出す。"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert

from services.intake.consent import Consent
from services.intake.consent_scan import Media, Scan
from services.intake.tables import consent_scan
from shared.runtime.auth import Staff
from shared.runtime.database import Read, Transaction

s = consent_scan
_ABOUT = (s.c.id, s.c.consent_id, s.c.media_type, s.c.bytes, s.c.sha256, s.c.added_at, s.c.added_by_name)


@dataclass(frozen=True, slots=True)
class Kept:
    """写し一つについて、中身のほか。"""

    id: UUID
    media: Media
    bytes: int
    sha256: str
    added_at: datetime
    added_by: str

    @property
    def kilobytes(self) -> int:
        return max(1, round(self.bytes / 1024))


async def of_household(handle: Read, household_id: UUID) -> dict[UUID, list[Kept]]:
    """同意ごとの写し。付けた順。"""
    found: dict[UUID, list[Kept]] = {}
    for row in await handle.rows(select(*_ABOUT).where(s.c.household_id == household_id).order_by(s.c.added_at, s.c.id)):
        found.setdefault(row.consent_id, []).append(_kept(row))
    return found


async def add(tx: Transaction, consent: Consent, scans: Collection[Scan], by: Staff) -> list[UUID]:
    """写しを付ける。同じ中身がもうあれば増えない。付けたものの番号。"""
    # a microsecond apart: the pages of one sending stay in the order in which they were sent
    rows = [_columns(consent, one, by, tx.now + timedelta(microseconds=page)) for page, one in enumerate(scans)]
    statement = insert(s).on_conflict_do_nothing(index_elements=["consent_id", "sha256"]).returning(s.c.id)
    return [found.id for row in rows for found in await tx.rows(statement.values(row))]


async def content(handle: Read, consent_id: UUID, scan_id: UUID) -> tuple[Media, bytes] | None:
    row = await handle.row(select(s.c.media_type, s.c.content).where(s.c.id == scan_id, s.c.consent_id == consent_id))
    return (Media(row.media_type), bytes(row.content)) if row else None


def _columns(consent: Consent, scan: Scan, by: Staff, at: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(), "consent_id": consent.id, "household_id": consent.household_id, "member_id": consent.member_id, "media_type": scan.media.value,
        "content": scan.content, "sha256": scan.sha256, "bytes": len(scan.content), "added_at": at, "added_by": by.sub, "added_by_name": by.name,
    }  # fmt: skip


def _kept(row: Row[Any]) -> Kept:
    return Kept(row.id, Media(row.media_type), row.bytes, row.sha256, row.added_at, row.added_by_name)
