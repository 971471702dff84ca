"""notify のルールは、架空の市の正解をどれだけ見つけるか（domain.md §9.4-7: 再現率 95 % 以上、適合率 60 % 以上）。

The rules hear everything the desks said in ten years, faults included, and judge every household once at the end. The truth was
read without them. Where they differ, one of the two misunderstands domain.md.
"""

from collections import Counter
from uuid import UUID

import pytest

from deploy.city.town import Town
from deploy.city.truth import lines
from services.notify.facts import Told, hear
from services.notify.household import HouseholdFacts
from services.notify.parameters import parameters_on
from services.notify.rules import evaluate
from tests.city.events import Speaker

RULES = ("R-101", "R-105", "R-502", "R-503", "R-504", "R-907", "R-914")
Found = set[tuple[UUID, str]]


@pytest.fixture(scope="module")
def raised(whole: Town) -> Found:
    known: dict[UUID, HouseholdFacts] = {}
    seq = Counter[tuple[str, UUID]]()
    speaker = Speaker(whole.parameters.raw["history"]["watch_days"])
    for command in whole.commands():
        for unit, event in speaker.say(command):
            seq[unit, event.household_id] += 1
            before = known.get(event.household_id, HouseholdFacts(event.household_id))
            known[event.household_id] = hear(before, event, Told(unit, command.at, seq[unit, event.household_id]))
    parameters = parameters_on(whole.until.date(), None)
    return {(household, rule) for household, facts in known.items() for rule in evaluate(facts, whole.until, parameters)}


@pytest.fixture(scope="module")
def true(whole: Town) -> Found:
    return {(line["household"], line["rule"]) for line in lines(whole) if line["kind"] == "alert" and line["current"]}


def of_rule(found: Found, rule: str) -> set[UUID]:
    return {household for household, name in found if name == rule}


def without_doubles(found: Found) -> Found:
    """同じ死亡で R-504 が出ている世帯には R-914 を重ねない（T-02）。"""
    return {(household, rule) for household, rule in found if rule != "R-914" or (household, "R-504") not in found}


@pytest.mark.parametrize("rule", RULES)
def test_what_should_be_noticed_is_noticed(raised: Found, true: Found, rule: str) -> None:
    wanted = of_rule(without_doubles(true), rule)
    missed = wanted - of_rule(raised, rule)
    assert wanted
    assert len(missed) / len(wanted) <= 0.05, f"{len(missed)} of {len(wanted)} missed"


@pytest.mark.parametrize("rule", RULES)
def test_what_is_noticed_is_mostly_true(raised: Found, true: Found, rule: str) -> None:
    noticed = of_rule(raised, rule)
    right = noticed & of_rule(true, rule)
    assert len(right) / len(noticed) >= 0.60, f"{len(right)} of {len(noticed)} right"
