"""Who saw or did what, for what purpose: rows that can only be added. Never a name, never free text."""

from uuid import UUID

from sqlalchemy import text

from shared.contracts.event import LegalBasis
from shared.runtime.auth import Staff
from shared.runtime.database import Read
from shared.runtime.telemetry import trace_id

_INSERT = text(
    """
    insert into audit (at, actor, roles, action, object_kind, object_id, household_id, purpose, legal_basis, trace_id)
    values (:at, :actor, :roles, :action, :object_kind, :object_id, :household_id, :purpose, :legal_basis, :trace_id)
    """
)


async def record(
    handle: Read,
    staff: Staff,
    action: str,
    object_kind: str,
    object_id: object,
    *,
    household_id: UUID | None = None,
    purpose: str | None = None,
    legal_basis: LegalBasis | None = None,
) -> None:
    """`action` is a verb code (view, search, create, update, print, disclose …); reading is recorded in the reader's own transaction."""
    await handle.connection.execute(
        _INSERT,
        {
            "at": handle.now,
            "actor": staff.sub,
            "roles": sorted(staff.roles),
            "action": action,
            "object_kind": object_kind,
            "object_id": str(object_id),
            "household_id": household_id,
            "purpose": purpose,
            "legal_basis": legal_basis,
            "trace_id": trace_id(),
        },
    )
