"""What tests of erasure need: a handler at a given hour, and a search through every table of a database for what should be gone."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from shared.contracts.event import CATALOGUE, Event, HouseholdId, LegalBasis
from shared.contracts.retention import HouseholdErased
from shared.messaging import Envelope, Handlers, Timer
from shared.runtime.database import Database
from shared.runtime.erasure import TIMER, hear_erasures
from shared.runtime.unit import Stays, Unit, all_units, stays_everywhere

_TABLES = """
select c.table_name, array_agg(c.column_name::text) filter (where c.data_type = 'bytea') as binary
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name <> 'alembic_version' group by c.table_name order by c.table_name
"""


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def erased(household: HouseholdId, on: date, erasure_id: UUID | None = None) -> HouseholdErased:
    return HouseholdErased(household_id=household, legal_basis=LegalBasis.INTERNAL_69_2_2, erasure_id=erasure_id or uuid4(), erased_on=on)


def with_erasures(handlers: Handlers, unit: Unit) -> Handlers:
    """As the worker registers them."""
    handlers = handlers.copy()
    hear_erasures(handlers, unit, None)
    return handlers


async def hear_at(db: Database, handlers: Handlers, event: Event, on: date, source: str = "intake") -> None:
    now = at(on)
    envelope = Envelope(uuid4(), event.type_name(), source, event.household_id, now, now, event.channel, 1, uuid4())
    async with db.transaction(now) as tx:
        for handler in handlers.events[event.type_name()]:
            await handler(tx, event, envelope)


async def ring_at(db: Database, handlers: Handlers, household: HouseholdId, on: date, kind: str = TIMER) -> None:
    async with db.transaction(at(on)) as tx:
        await handlers.timers[kind](tx, Timer(kind, str(household), at(on), household))


async def receipts(db: Database) -> list[Any]:
    async with db.read() as rd:
        rows = await rd.rows(text("select type, payload from outbox where channel = 'receipt' order by pos"))
    kinds = {kind.type_name(): kind for kind in CATALOGUE.values()}
    return [kinds[row.type].model_validate_json(row.payload) for row in rows]


async def found_in(db: Database, needles: Iterable[str]) -> dict[str, set[str]]:
    """Which of the words stand in which table: every column of every table, texts, arrays, JSON and bytes alike."""
    found: dict[str, set[str]] = {}
    async with db.read() as rd:
        for table in await rd.rows(text(_TABLES)):
            everything = "position(:needle in to_jsonb(t)::text) > 0"
            bytes_too = "".join(f" or position(convert_to(:needle, 'UTF8') in t.\"{column}\") > 0" for column in table.binary or [])
            query = text(f'select exists (select from "{table.table_name}" t where {everything}{bytes_too})')
            for needle in needles:
                if await rd.scalar(query, {"needle": needle}):
                    found.setdefault(table.table_name, set()).add(needle)
    return found


def is_declared(code: str, table: str) -> bool:
    """Where the number of an erased household may still stand, with nothing that says who it was (deploy/runbooks/retention.md)."""
    return any(one.covers(table) for one in stays_of(code))


def stays_of(code: str) -> tuple[Stays, ...]:
    return (*stays_everywhere(), *(one for unit in all_units() if unit.code == code for one in unit.stays))
