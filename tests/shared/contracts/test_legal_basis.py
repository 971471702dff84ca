"""何も根拠なしに窓口を出ない: どの出来事にも根拠があり、名乗っていない根拠では知らせられない。"""

import importlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from shared.contracts import generate
from shared.contracts.event import CATALOGUE, Event, HouseholdId, LegalBasis, desk_aggregate
from shared.contracts.household import Area, HouseholdRegistered
from shared.contracts.protection import ConflictCleared
from shared.runtime.database import BasisNotInManifest
from shared.runtime.unit import Unit, all_units, bases_of

generate.load_all()
OURS = [event for event in CATALOGUE.values() if event.__module__.startswith("shared.contracts")]
CASES = [unit for unit in all_units() if unit.code.startswith("cases-")]


def registered(basis: LegalBasis, household: HouseholdId | None = None) -> HouseholdRegistered:
    return HouseholdRegistered(household_id=household or HouseholdId(uuid4()), legal_basis=basis, area=Area.TOI)


@pytest.mark.parametrize("event", OURS, ids=lambda event: event.type_name())
def test_every_event_carries_a_basis_and_cannot_be_made_without_one(event: type[Event]) -> None:
    assert event.model_fields["legal_basis"].is_required()
    assert event.model_fields["legal_basis"].annotation is LegalBasis
    with pytest.raises(ValidationError, match="legal_basis"):
        event.model_validate({"household_id": uuid4()})
    with pytest.raises(ValidationError):
        event.model_validate({"household_id": uuid4(), "legal_basis": "BECAUSE"})


@pytest.mark.parametrize("unit", all_units(), ids=lambda unit: unit.code)
def test_the_bases_of_a_manifest_are_bases_of_the_law(unit: Unit) -> None:
    assert unit.legal_basis
    assert {LegalBasis(basis) for basis in unit.legal_basis + unit.received_basis}


@pytest.mark.parametrize("unit", [unit for unit in all_units() if unit.accepts_referrals], ids=lambda unit: unit.code)
def test_whoever_accepts_referrals_may_work_on_every_basis_a_desk_can_refer_on(unit: Unit) -> None:
    chosen = {basis.value for desk in CASES for basis in importlib.import_module(desk.package).PROFILE.bases}
    assert chosen <= bases_of(unit.code)  # type: ignore[operator]


@pytest.mark.parametrize("unit", all_units(), ids=lambda unit: unit.code)
def test_only_the_desks_where_a_supervisor_approves_it_begin_to_tell_on_69_2_4(unit: Unit) -> None:
    """domain.md §1.3 「minimum, supervisor approval」, decisions/0012: what others tell on it, they were told on it."""
    assert (LegalBasis.BENEFIT_69_2_4 in unit.legal_basis) is (unit in CASES)
    assert (LegalBasis.BENEFIT_69_2_4 in unit.received_basis) is (unit.code in ("outreach", "notify"))


async def test_a_basis_that_the_manifest_does_not_name_is_refused_with_the_fix_and_nothing_is_written(databases: Callable[..., Any]) -> None:
    database = await databases("intake")
    with pytest.raises(BasisNotInManifest, match=r"intake would publish .*household\.registered.* on DISASTER.*unit\.toml"):
        async with database.transaction() as tx:
            tx.publish(registered(LegalBasis.INTERNAL_69_2_2), registered(LegalBasis.DISASTER))
    async with database.transaction() as tx:
        tx.publish(registered(LegalBasis.STAT, desk_aggregate("intake")))  # what a unit says of itself concerns nobody
        tx.publish(ConflictCleared(household_id=HouseholdId(uuid4()), legal_basis=LegalBasis.INTERNAL_69_2_2, conflict_id=uuid4()))
    async with database.read() as rd:
        assert await rd.scalar(text("select count(*) from outbox")) == 2
