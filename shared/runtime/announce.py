"""Units learn of each other by DomainAnnounced and keep what they heard in `announced_unit`: navigation and referral targets."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.contracts.domain import DomainAnnounced, NavigationEntry
from shared.contracts.event import LegalBasis, UnitPath, desk_aggregate
from shared.runtime.auth import Staff
from shared.runtime.database import Database, Read, Transaction
from shared.runtime.unit import Unit

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers

_UPSERT = text(
    """
    insert into announced_unit (unit, title, base, welfare_domain, accepts_referrals, navigation, version, announced_at)
    values (:unit, :title, :base, :welfare_domain, :accepts_referrals, cast(:navigation as jsonb), :version, :now)
    on conflict (unit) do update set title = excluded.title, base = excluded.base, welfare_domain = excluded.welfare_domain,
      accepts_referrals = excluded.accepts_referrals, navigation = excluded.navigation, version = excluded.version,
      announced_at = excluded.announced_at
    """
)


@dataclass(frozen=True)
class AnnouncedUnit:
    unit: str
    title: str
    base: UnitPath
    welfare_domain: str | None
    accepts_referrals: bool
    navigation: tuple[NavigationEntry, ...]


async def _keep(tx: Transaction, event: DomainAnnounced) -> None:
    entries = "[" + ",".join(entry.model_dump_json() for entry in event.navigation) + "]"
    values = event.model_dump(include={"unit", "title", "base", "welfare_domain", "accepts_referrals", "version"})
    await tx.execute(_UPSERT, values | {"navigation": entries, "now": tx.now})


async def announce(database: Database, unit: Unit, version: str) -> None:
    """Says once per version and shape what this unit is. Saying the same again publishes nothing."""
    event = DomainAnnounced(
        household_id=desk_aggregate(unit.code),
        legal_basis=LegalBasis.STAT,
        unit=unit.code,
        title=unit.title,
        base=unit.base,
        welfare_domain=unit.welfare_domain,
        accepts_referrals=unit.accepts_referrals,
        navigation=unit.navigation,
        version=version,
    )
    async with database.transaction() as tx:
        known = {other.unit: other for other in await announced_units(tx)}.get(unit.code)
        same = known is not None and (known.title, known.base, known.welfare_domain, known.accepts_referrals, known.navigation) == (
            event.title, event.base, event.welfare_domain, event.accepts_referrals, event.navigation,
        )  # fmt: skip
        if not same:
            await _keep(tx, event)
            tx.publish(event)


async def announced_units(handle: Read) -> list[AnnouncedUnit]:
    rows = await handle.rows(text("select unit, title, base, welfare_domain, accepts_referrals, navigation from announced_unit order by unit"))
    return [
        AnnouncedUnit(
            row.unit, row.title, row.base, row.welfare_domain, row.accepts_referrals, tuple(NavigationEntry.model_validate(e) for e in row.navigation)
        )
        for row in rows
    ]


async def referral_targets(handle: Read) -> list[AnnouncedUnit]:
    """つなぎ先になれる窓口。"""
    return [unit for unit in await announced_units(handle) if unit.accepts_referrals]


async def unit_titles(handle: Read) -> dict[str, str]:
    return {unit.unit: unit.title for unit in await announced_units(handle)}


class Navigation:
    """The entries a page shows, re-read from the database at most every `ttl` seconds."""

    def __init__(self, ttl: float = 5.0) -> None:
        self.ttl = ttl
        self.entries: tuple[NavigationEntry, ...] = ()
        #: href → welfare domain of the unit that offers it
        self._domains: dict[str, str | None] = {}
        self._read_at = float("-inf")

    async def refresh(self, database: Database) -> None:
        if time.monotonic() - self._read_at < self.ttl:
            return
        self._read_at = time.monotonic()
        async with database.read() as rd:
            units = await announced_units(rd)
        self.entries = tuple(sorted((entry for unit in units for entry in unit.navigation), key=lambda entry: (entry.order, entry.label)))
        self._domains = {entry.href: unit.welfare_domain for unit in units for entry in unit.navigation}

    def visible_to(self, staff: Staff | None) -> list[NavigationEntry]:
        """One entry of a label: the page that several desks have leads from the first of them to the others."""
        opens = [entry for entry in self.entries if staff and self._opens(entry, staff)]
        first = {entry.label: entry for entry in reversed(opens)}
        return [entry for entry in opens if first[entry.label] is entry]

    def _opens(self, entry: NavigationEntry, staff: Staff) -> bool:
        """As the gates decide: a caseworker, and a manager who has domains, is shown the desks of these, not those that would answer 403."""
        held, domain = staff.roles & set(entry.roles), self._domains.get(entry.href)
        bound = {"caseworker", "manager"} if staff.domains else {"caseworker"}
        return not entry.roles or bool(held and (domain is None or domain in staff.domains or held - bound))


def hear_announcements(handlers: "Handlers") -> None:
    """Registered in every worker: the unit keeps what the others say of themselves, and what it says itself (`announce`)."""
    from shared.messaging.projection import Kept

    known = handlers.projection("announced_units", Kept("announced_unit", beside=("announced_at",)), own=True)

    @handlers.on(DomainAnnounced)
    @known.fed_by(DomainAnnounced)
    async def unit_announced(tx: Transaction, event: DomainAnnounced, envelope: "Envelope") -> None:
        await _keep(tx, event)
