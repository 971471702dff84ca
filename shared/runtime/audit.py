"""Who saw or did what, for what purpose, and what was given: rows that can only be added. Never a name, never free text.

The database itself keeps the rows (deploy/postgres/keep_audit.sql): the unit's own role may add and read, nothing else.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text

from shared.contracts.event import LegalBasis
from shared.runtime.auth import Staff
from shared.runtime.database import Database, Read
from shared.runtime.telemetry import trace_id

_INSERT = text(
    """
    insert into audit (at, actor, roles, action, object_kind, object_id, household_id, purpose, legal_basis, trace_id, households, returned,
      decision, sid, terminal)
    values (:at, :actor, :roles, :action, :object_kind, :object_id, :household_id, :purpose, :legal_basis, :trace_id, :households, :returned,
      :decision, :sid, :terminal)
    """
)


class Decision(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Seat:
    """From where somebody asks: the session and the terminal's address."""

    sid: str | None = None
    terminal: str | None = None


#: of the request that is being answered; empty in workers and commands
seat: ContextVar[Seat] = ContextVar("seat", default=Seat())  # noqa: B039 (frozen)


async def record(
    handle: Read,
    staff: Staff,
    action: str,
    object_kind: str,
    object_id: object,
    *,
    household_id: UUID | None = None,
    households: Iterable[UUID] = (),
    returned: Iterable[str] = (),
    purpose: str | None = None,
    legal_basis: LegalBasis | None = None,
    decision: Decision = Decision.ALLOW,
) -> None:
    """`action` is a verb code (view, search, create, update, print, disclose …); reading is recorded in the reader's own transaction.

    `households`: those that a list or a search showed, so that each of them finds this row. `returned`: codes of what was given.
    """
    where = seat.get()
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
            "households": list(dict.fromkeys(households)),
            "returned": list(returned),
            "decision": decision,
            "sid": where.sid,
            "terminal": where.terminal,
        },
    )


async def record_refusal(database: Database, staff: Staff, *, changes: bool, page: str, household_id: UUID | None) -> None:
    """Somebody was refused a page. Its own transaction: that of the refused request is rolled back. `page` is the route's template."""
    async with database.transaction() as tx:
        await record(tx, staff, "change" if changes else "view", "page", page, household_id=household_id, decision=Decision.REFUSE)
