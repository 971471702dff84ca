"""The policies as the city reads them: they are sound, every right is somebody's, and no permit outruns a forbid."""

from functools import cache
from itertools import product

import pytest
from cedarpy import validate_policies

from shared.runtime import policies
from shared.runtime.auth import ROLE_LABELS
from shared.runtime.policies import Gate, Level, OfFact, Place, Reader, Standing, may_enter
from shared.runtime.rights import place_of
from shared.runtime.unit import all_units

PLACES = sorted({place_of(unit) for unit in all_units()}, key=str)
#: whoever attends by name, attends
STANDINGS = [one for one in (Standing(*values) for values in product((False, True), repeat=6)) if one.member or not one.named]
PAIRS = [("reception", "caseworker"), ("coordinator", "manager"), ("manager", "dv_officer"), ("caseworker", "dv_officer"), ("auditor", "operator")]
ROLE_SETS = [frozenset(roles) for roles in ((), *((role,) for role in ROLE_LABELS), *PAIRS)]
DOMAINS = (frozenset[str](), frozenset({"elderly"}))
#: every test here asks the same questions; the product's own memory is smaller than all of them
may = cache(policies.may)


@cache
def readers() -> list[Reader]:
    return [Reader(roles, domains) for roles in ROLE_SETS for domains in DOMAINS]


def test_the_policies_agree_with_their_schema() -> None:
    schema = (policies.HERE / "desk.cedarschema").read_text(encoding="utf-8")
    for name in ("gates.cedar", "households.cedar", "facts.cedar"):
        written = (policies.HERE / name).read_text(encoding="utf-8")
        assert validate_policies(written, schema).validation_passed
        assert not validate_policies(written + 'permit (principal, action == Action::"read", resource);', schema).validation_passed


def test_every_gate_and_every_level_in_code_is_an_action_of_the_schema_and_the_other_way_round() -> None:
    written = (policies.HERE / "desk.cedarschema").read_text(encoding="utf-8")
    lists = [part.split("appliesTo")[0] for part in written.split("\naction ")[1:]]
    actions = {name.strip() for part in lists for name in part.split(",")}
    assert actions == set(Gate) | set(Level) | set(OfFact)


@pytest.mark.parametrize("gate", Gate)
def test_every_gate_is_somebodys_and_not_everybodys(gate: Gate) -> None:
    everywhere = {(reader, place) for reader in readers() for place in [*PLACES, Place("console")]}
    let_in = [pair for pair in everywhere if may_enter(*pair, gate)]
    assert let_in
    assert not [reader for reader, _ in let_in if not reader.roles]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.kind}-{place.domain}")
def test_whoever_is_in_conflict_sees_and_writes_nothing_whatever_the_role(place: Place) -> None:
    for reader, level, standing in product(readers(), Level, STANDINGS):
        if standing.conflict:
            assert not may(reader, place, level, standing)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.kind}-{place.domain}")
def test_a_protected_household_is_for_the_officer_the_care_team_the_named_member_and_the_center_outside_intake(place: Place) -> None:
    for reader, standing in product(readers(), STANDINGS):
        if not standing.protected or standing.conflict:
            continue
        chosen = "dv_officer" in reader.roles or standing.care_team or standing.glass or ("coordinator" in reader.roles and place.kind != "intake")
        chosen = chosen or (place.kind == "center" and standing.named)
        for level in Level:
            assert chosen or not may(reader, place, level, standing)
            ordinary = Standing(care_team=standing.care_team, glass=standing.glass, member=standing.member, named=standing.named)
            assert may(reader, place, level, ordinary) or not may(reader, place, level, standing), "protection must never give a right"


def test_where_a_protected_household_lives_is_for_the_officer_alone() -> None:
    for reader, place, standing in product(readers(), PLACES, STANDINGS):
        if standing.protected and may(reader, place, Level.PLACE, standing):
            assert "dv_officer" in reader.roles


def test_break_glass_reads_and_never_writes() -> None:
    for reader, place in product(readers(), PLACES):
        assert may(reader, place, Level.FULL, Standing(glass=True))
        assert may(reader, place, Level.WRITE, Standing(glass=True)) == may(reader, place, Level.WRITE)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.kind}-{place.domain}")
def test_the_levels_stand_one_on_the_other(place: Place) -> None:
    for reader, standing in product(readers(), STANDINGS):
        for higher, lower in ((Level.WRITE, Level.FULL), (Level.FULL, Level.SUMMARY), (Level.SUMMARY, Level.KNOW), (Level.PLACE, Level.KNOW)):
            assert may(reader, place, lower, standing) or not may(reader, place, higher, standing)


def test_a_caseworker_writes_in_the_own_domain_only() -> None:
    reader = Reader(frozenset({"caseworker"}), frozenset({"elderly"}))
    writable = {place for place in PLACES if may(reader, place, Level.WRITE)}
    assert writable == {Place("desk", "elderly")}


def test_what_cannot_be_decided_is_refused() -> None:
    assert not policies.decide(Reader(frozenset({"dv_officer"})), Gate.GUARD, "Unit", {"kind": "intake"} | {"domain": 3.5})
