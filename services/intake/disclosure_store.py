"""開示の根拠を読み、開示の記録を残す。"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import insert, select

from services.intake import store
from services.intake.disclosure import Ground
from services.intake.tables import disclosure, referral
from shared.contracts.disclosure import DisclosureRequest, Refused
from shared.runtime.database import Read, Transaction


async def grounds(handle: Read, household_id: UUID) -> list[Ground]:
    """この世帯についてのつなぎ。新しいものから。"""
    rows = await handle.rows(
        select(referral).where(referral.c.household_id == household_id).order_by(referral.c.made_on.desc(), referral.c.id.desc())
    )
    found = []
    for row in rows:
        consultation = await store.load(handle, row.consultation_id) if row.consultation_id else None
        found.append(Ground(row.id, row.to_unit, row.legal_basis, row.status, consultation))
    return found


async def record(tx: Transaction, disclosure_id: UUID, request: DisclosureRequest, *, refused: Refused | None, told: Collection[UUID]) -> None:
    """答えても断っても一行。だれに・どの根拠で・だれの身元を。氏名は書かない。"""
    await tx.execute(
        insert(disclosure),
        {
            "id": disclosure_id,
            "at": tx.now,
            "asker": request.asker,
            "household_id": request.household_id,
            "purpose": request.purpose,
            "legal_basis": request.legal_basis,
            "referral_id": request.referral_id,
            "refused": refused,
            "member_ids": list(told),
        },
    )
