"""Sessions that are over before their time: signed out, ended by a manager. Every unit hears of it and refuses the ticket within a second.

Said by the unit that mounts /auth (`end_sessions`), heard by every worker (`hear_sessions`), read by every web process (`EndedSessions`).
"""

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

from shared.contracts.event import LegalBasis, StaffId, desk_aggregate
from shared.contracts.session import SessionsRevoked
from shared.runtime.database import Database, Transaction
from shared.runtime.ticket import ABSOLUTE, SKEW, Ticket

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers

#: a ticket that began earlier is too old by itself
_REMEMBER = timedelta(seconds=ABSOLUTE + SKEW)
_KEEP = text(
    """
    insert into revoked_session (staff, sid, before) values (:staff, :sid, :before)
    on conflict (staff, sid) do update set before = greatest(revoked_session.before, excluded.before)
    """
)
_FORGET = text("delete from revoked_session where before < :oldest")
_STANDING = text("select staff, sid, before from revoked_session where before >= :oldest")


async def end_sessions(tx: Transaction, staff: StaffId, sid: UUID | None = None) -> None:
    """Ends one session, or without `sid` all that this account has begun until now. One ordering key per account: whoever is held back
    holds back nobody else."""
    event = SessionsRevoked(
        household_id=desk_aggregate(f"staff/{staff}"), legal_basis=LegalBasis.INTERNAL_69_2_2, staff=staff, sid=sid, before=tx.now
    )
    await _keep(tx, event)
    tx.publish(event)


async def _keep(tx: Transaction, event: SessionsRevoked) -> None:
    oldest = tx.now - _REMEMBER
    await tx.execute(_FORGET, {"oldest": oldest})
    if event.before >= oldest:
        await tx.execute(_KEEP, {"staff": event.staff, "sid": event.sid, "before": event.before})


class EndedSessions:
    """What a web process knows of ended sessions, re-read from the database at most every `ttl` seconds."""

    def __init__(self, ttl: float = 0.5) -> None:
        self.ttl = ttl
        self._sids: frozenset[UUID] = frozenset()
        #: account → its sessions begun until then are over
        self._before: dict[str, float] = {}
        self._read_at = float("-inf")

    async def refresh(self, database: Database) -> None:
        """Raises what the database raises; what was known stays known."""
        if time.monotonic() - self._read_at < self.ttl:
            return
        self._read_at = time.monotonic()
        async with database.read() as rd:
            rows = await rd.rows(_STANDING, {"oldest": rd.now - _REMEMBER})
        self._sids = frozenset(row.sid for row in rows if row.sid)
        self._before = {row.staff: row.before.timestamp() for row in rows if row.sid is None}

    def look_again(self) -> None:
        """The next request reads: this process itself has just ended a session."""
        self._read_at = float("-inf")

    def over(self, ticket: Ticket) -> bool:
        return ticket.sid in self._sids or ticket.began <= self._before.get(ticket.sub, float("-inf"))


def hear_sessions(handlers: "Handlers") -> None:
    """Registered in every worker. No projection: a row lives for hours, and a rebuild would bring back nothing that still matters."""

    @handlers.on(SessionsRevoked)
    async def sessions_revoked(tx: Transaction, event: SessionsRevoked, envelope: "Envelope") -> None:
        await _keep(tx, event)
