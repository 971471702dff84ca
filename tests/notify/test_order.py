"""Independent desks speak in any order; what the center learns is the same."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.facts import Told
from services.notify.household import HouseholdFacts
from services.notify.rules import evaluate
from shared.contracts.event import Confidence, Event
from shared.contracts.household import LeavingReason, MemberRole
from shared.contracts.referral import ReferralAccepted
from shared.contracts.visit import CheckInOutcome, WatchTier
from tests.notify.town import NOON, TODAY, Household, fold, numbered, parameters

Line = tuple[Event, Told]


def eventful() -> Household:
    """Every desk says something, some of it about the same thing."""
    home = Household().registered()
    mother, son = home.member(MemberRole.HEAD, 82), home.member(MemberRole.CHILD, 53)
    referral = home.referral("cases-elderly")
    home.referral("cases-poverty")
    home.say("cases-elderly", ReferralAccepted, referral_id=referral.referral_id, accepted_on=TODAY)
    home.case("cases-elderly")
    home.fact("cases-elderly", mother, "care_level", "care1")
    home.fact("cases-elderly", son, "employment", "working", as_of=date(2020, 4, 1))
    home.fact("cases-poverty", son, "employment", "not_seeking", since="2011-04")
    home.fact("cases-disability", son, "employment", "not_seeking", confidence=Confidence.SUSPECTED)
    wrong = home.fact("cases-disability", son, "withdrawn", "4")
    home.fact("cases-disability", son, "withdrawn", "2", supersedes=wrong.fact_id)
    home.fact("cases-elderly", None, "child_concern", "yes")
    plan = home.watch(WatchTier.B, NOON)
    home.check_in(plan, CheckInOutcome.ABSENT, NOON, NOON)
    gone = home.receipts_missed(son, "cases-elderly", "outreach")
    home.receipts_missed(son, "outreach", withdrawal=gone)
    home.left(mother, LeavingReason.DIED)
    return home


TOLD = len(eventful().told)


def shuffled(lines: list[Line], order: list[int]) -> list[Line]:
    """Any interleaving in which each desk keeps its own order per channel."""
    waiting: dict[str, list[Line]] = {}
    for event, told in lines:
        waiting.setdefault(f"{told.unit}/{event.channel}", []).append((event, told))
    mixed: list[Line] = []
    for pick in order:
        queues = sorted(name for name, queue in waiting.items() if queue)
        mixed.append(waiting[queues[pick % len(queues)]].pop(0))
    return mixed


@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.integers(0, 10), min_size=TOLD, max_size=TOLD))
def test_the_order_in_which_desks_are_heard_does_not_change_the_findings(order: list[int]) -> None:
    home = eventful()
    lines = numbered(home.told)
    at = NOON + timedelta(hours=1)
    told, mixed = (fold(HouseholdFacts(home.id), way) for way in (lines, shuffled(lines, order)))
    assert mixed == told
    assert evaluate(mixed, at, parameters()) == evaluate(told, at, parameters())
    assert set(evaluate(told, at, parameters())) == {"R-105", "R-503", "R-504", "R-907", "R-916"}


@settings(max_examples=40, deadline=None)
@given(again=st.lists(st.integers(0, TOLD - 1), max_size=30), upto=st.integers(1, TOLD))
def test_hearing_any_of_it_again_changes_nothing(again: list[int], upto: int) -> None:
    home = eventful()
    lines = numbered(home.told)
    heard = fold(HouseholdFacts(home.id), lines[:upto])
    assert fold(heard, [lines[index] for index in again if index < upto]) == heard
