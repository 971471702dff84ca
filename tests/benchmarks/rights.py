"""What a right costs: one decision by Cedar, one remembered, the snapshot of a request when many households are protected."""

import asyncio
import time
from datetime import date
from statistics import median
from uuid import UUID, uuid4

from sqlalchemy import event

from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.contracts.protection import ProtectionDeclared, ProtectionKind
from shared.runtime import policies, rights
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.policies import Level, Place, Reader, Standing
from shared.runtime.unit import Unit
from tests.benchmarks.figures import Section
from tests.benchmarks.servers import Servers, servers

READER = Reader(frozenset({"caseworker"}), frozenset({"elderly"}))
PLACE = Place("desk", "elderly")
#: a city of 28,012 people has some; 200 leaves room
PROTECTED = 200
ROWS = 50
TIMES = 2000


def measure(section: Section) -> None:
    _decisions(section)
    with servers() as own:
        asyncio.run(_snapshot(section, own))


def _decisions(section: Section) -> None:
    attributes = {"kind": "desk", "domain": "elderly", "protected": True, "conflict": False, "careTeam": True, "glass": False}
    asked = _cost(lambda: policies.decide(READER, Level.FULL, "Household", attributes))
    section.add("one decision by Cedar", f"{asked * 1e6:.0f} µs", "< 200 µs", asked < 200e-6)
    remembered = _cost(lambda: policies.may(READER, PLACE, Level.FULL, Standing(protected=True)))
    section.add("the same, asked before", f"{remembered * 1e6:.2f} µs")


def _cost(decide: object) -> float:
    assert callable(decide)
    decide()
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        decide()
        taken.append(time.perf_counter() - began)
    return median(taken)


async def _snapshot(section: Section, own: Servers) -> None:
    unit = Unit.load("services.cases.elderly")
    database = Database((await own.templates.clone(unit))[1], unit.code)
    try:
        protected = [await _protect(database) for _ in range(PROTECTED)]
        reader = Staff("bench", "", READER.roles, READER.domains)
        statements = 0

        def counted(*_: object) -> None:
            nonlocal statements
            statements += 1

        event.listen(database.engine.sync_engine, "before_cursor_execute", counted)
        taken = []
        for _ in range(200):
            statements = 0
            began = time.perf_counter()
            async with database.read() as rd:
                seen = await rights.rights_of(rd, reader, unit)
                await rights.put_on(rd, seen)
                page = [seen.may(Level.SUMMARY, one) for one in (*protected[:1], *(uuid4() for _ in range(ROWS - 1)))]
            taken.append(time.perf_counter() - began)
        section.add(f"statements for the rights of a page of {ROWS} rows", str(statements), "≤ 2", statements <= 2, gated=True)
        section.add(f"the same with {PROTECTED} protected households, p50", f"{median(taken) * 1000:.1f} ms")
        assert page == [False] + [True] * (ROWS - 1)
    finally:
        await database.close()


async def _protect(database: Database) -> UUID:
    declared = ProtectionDeclared(
        household_id=HouseholdId(uuid4()), legal_basis=LegalBasis.INTERNAL_69_2_2, protection_id=uuid4(), member_id=MemberId(uuid4()),
        kind=ProtectionKind.SELF_DECLARED, since=date(2026, 4, 1),
    )  # fmt: skip
    async with database.transaction() as tx:
        await rights.keep(tx, declared)
    return declared.household_id
