"""T-01 … T-05 and T-25 of domain.md §10, as sequences of what the desks said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from services.notify.alert import AlertState, Outcome, dismiss, finish
from services.notify.escalation import escalate, told, wakes_at
from services.notify.household import HouseholdFacts
from services.notify.rules import evaluate
from shared.contracts.alert import AlertDone, AlertRaised, DismissReason, Severity
from shared.contracts.event import Lane
from shared.contracts.household import LeavingReason, MemberRole
from shared.contracts.visit import CheckInOutcome, WatchTier
from tests.notify.town import NOON, TODAY, Household, Inbox, fold, mother_and_son, numbered, parameters


def t01(inbox: Inbox) -> tuple[Household, object, object]:
    home, mother, son = mother_and_son()
    home.fact("cases-elderly", mother, "care_level", "care1")
    home.fact("cases-elderly", None, "child_concern", "yes")
    inbox.hears(home)
    home.fact("cases-poverty", son, "employment", "not_seeking", since="2011-04")
    inbox.hears(home)
    return home, mother, son


def test_t01_a_mother_in_care_and_a_son_without_work_reach_the_center_as_two_findings() -> None:
    inbox = Inbox()
    t01(inbox)
    assert inbox.raised() == ["R-502", "R-503"]
    assert {alert.severity for alert in inbox.latest.values()} == {Severity.S3}
    assert {alert.to for alert in inbox.latest.values()} == {"cases-center"}
    assert {alert.lane for alert in inbox.latest.values()} == {Lane.ART106_6}


def test_t01_each_finding_carries_its_chain_of_facts_with_the_desk_that_recorded_them() -> None:
    inbox = Inbox()
    t01(inbox)
    assert [(one.source, one.code) for one in inbox.latest["R-502"].evidence] == [
        ("intake", "parent_and_child"),
        ("cases-poverty", "employment.not_seeking"),
    ]
    assert [(one.source, one.code) for one in inbox.latest["R-503"].evidence] == [
        ("intake", "parent_and_child"),
        ("cases-elderly", "care_level.care1"),
        ("cases-elderly", "child_concern.yes"),
    ]


def test_t02_the_death_of_the_mother_is_one_urgent_alert_with_three_days_and_no_second_one() -> None:
    inbox = Inbox()
    home, mother, _ = t01(inbox)
    home.left(mother, LeavingReason.DIED)
    outcomes = inbox.hears(home)
    raised = [outcome.alert for outcome in outcomes if outcome.announce]
    assert [(alert.rule_id, alert.severity) for alert in raised] == [("R-504", Severity.S1)]
    assert raised[0].due.date() - NOON.date() == timedelta(days=3)
    assert inbox.hears(home, NOON + timedelta(hours=2)) == ()


def test_t02_a_death_that_leaves_a_person_in_care_without_an_8050_child_is_r914() -> None:
    home = Household().registered()
    husband, wife = home.member(MemberRole.HEAD, 80), home.member(MemberRole.SPOUSE, 78)
    home.fact("cases-elderly", wife, "care_level", "care2")
    home.left(husband, LeavingReason.DIED)
    found = evaluate(home.known(), NOON, parameters())
    assert found["R-914"].severity is Severity.S2
    assert "R-504" not in found


def test_t03_a_widow_of_78_is_a_single_elderly_household_for_her_center() -> None:
    home = Household().registered()
    husband, _ = home.member(MemberRole.HEAD, 81), home.member(MemberRole.SPOUSE, 78)
    home.left(husband, LeavingReason.DIED)
    found = evaluate(home.known(), NOON, parameters())["R-101"]
    assert (found.severity, found.to, found.due.date() - NOON.date()) == (Severity.S3, "cases-elderly", timedelta(days=14))


def test_t04_a_known_absence_cancels_the_ladder_and_says_why() -> None:
    inbox, home = Inbox(), Household().registered()
    home.member(MemberRole.HEAD, 84)
    plan = home.watch(WatchTier.B, NOON)
    inbox.hears(home, NOON + timedelta(hours=1))
    assert inbox.raised() == ["R-105"]
    home.check_in(plan, CheckInOutcome.KNOWN_AWAY, NOON + timedelta(hours=2), NOON + timedelta(days=4))
    inbox.hears(home, NOON + timedelta(hours=2))
    assert (inbox.latest["R-105"].state, inbox.latest["R-105"].reason) == (AlertState.DONE, "known_away")
    assert isinstance(inbox.published[-1], AlertDone)
    assert inbox.hears(home, NOON + timedelta(days=3)) == ()


def test_t04_known_before_the_deadline_nobody_is_sent() -> None:
    inbox, home = Inbox(), Household().registered()
    plan = home.watch(WatchTier.B, NOON + timedelta(hours=1))
    home.check_in(plan, CheckInOutcome.KNOWN_AWAY, NOON, NOON + timedelta(days=4))
    assert inbox.hears(home, NOON + timedelta(hours=3)) == ()


@pytest.mark.parametrize("close", [finish, partial(dismiss, reason=DismissReason.NOT_NOW)])
def test_closing_the_first_rung_does_not_silence_the_ladder(close: Callable[..., Outcome]) -> None:
    inbox, home = Inbox(), Household().registered()
    home.watch(WatchTier.B, NOON)
    climbed = []
    for hours in (1, 2, 25, 26, 49, 50):
        for outcome in inbox.hears(home, NOON + timedelta(hours=hours)):
            climbed.append((hours, outcome.alert.step, outcome.alert.severity))
            assert isinstance(outcome.events[0], AlertRaised)
            inbox.keep(close(outcome.alert, revision=outcome.alert.revision, at=NOON + timedelta(hours=hours)))
    assert climbed == [(1, "call", Severity.S3), (25, "neighbour", Severity.S2), (49, "on_site", Severity.S1)]


def test_a_successful_check_in_after_closing_stops_the_ladder() -> None:
    inbox, home = Inbox(), Household().registered()
    plan = home.watch(WatchTier.B, NOON)
    inbox.hears(home, NOON + timedelta(hours=1))
    inbox.keep(finish(inbox.latest["R-105"], revision=0, at=NOON + timedelta(hours=1)))
    home.check_in(plan, CheckInOutcome.MET, NOON + timedelta(hours=2), NOON + timedelta(days=7))
    for hours in (25, 49):
        assert inbox.hears(home, NOON + timedelta(hours=hours)) == ()


def test_two_overdue_watches_of_one_household_are_both_told_and_the_worse_one_leads() -> None:
    inbox, home = Inbox(), Household().registered()
    old, wife = home.member(MemberRole.HEAD, 84), home.member(MemberRole.SPOUSE, 82)
    first, second = home.watch(WatchTier.B, NOON, old), home.watch(WatchTier.B, NOON + timedelta(hours=24), wife)
    inbox.hears(home, NOON + timedelta(hours=25))
    alert = inbox.latest["R-105"]
    assert {(one.ref, one.step) for one in alert.evidence} == {(first, "neighbour"), (second, "call")}
    assert (alert.severity, alert.step) == (Severity.S2, "neighbour")
    inbox.keep(finish(alert, revision=alert.revision, at=NOON + timedelta(hours=25)))
    home.check_in(first, CheckInOutcome.MET, NOON + timedelta(hours=26), NOON + timedelta(days=7))
    assert inbox.hears(home, NOON + timedelta(hours=27)) == ()
    [again] = inbox.hears(home, NOON + timedelta(hours=49))  # the second person is still looked for
    assert ([one.ref for one in again.alert.evidence], again.alert.step) == ([second], "neighbour")


def test_two_overdue_watches_close_only_when_both_are_settled() -> None:
    inbox, home = Inbox(), Household().registered()
    plans = [home.watch(WatchTier.B, NOON), home.watch(WatchTier.B, NOON)]
    inbox.hears(home, NOON + timedelta(hours=1))
    for plan, state in zip(plans, (AlertState.RAISED, AlertState.DONE), strict=True):
        home.check_in(plan, CheckInOutcome.MET, NOON + timedelta(hours=2), NOON + timedelta(days=7))
        inbox.hears(home, NOON + timedelta(hours=2))
        assert inbox.latest["R-105"].state is state


def test_t05_an_alarming_sign_is_urgent_at_once_and_climbs_after_thirty_minutes_without_acknowledgement() -> None:
    inbox, home = Inbox(), Household().registered()
    plan = home.watch(WatchTier.C, NOON + timedelta(days=9))
    home.check_in(plan, CheckInOutcome.ALARMING, NOON, NOON)
    inbox.hears(home)
    alert = inbox.latest["R-105"]
    assert (alert.severity, alert.step) == (Severity.S1, "on_site")
    assert wakes_at(alert, parameters()) == NOON + timedelta(minutes=30)
    assert escalate(alert, NOON + timedelta(minutes=29), parameters()) is None
    climbed = escalate(alert, NOON + timedelta(minutes=30), parameters())
    assert climbed is not None
    assert climbed.announce
    assert told(climbed.alert, parameters()) == "主任"


def test_t25_dismissed_and_then_a_new_fact_raises_a_new_version_that_shows_the_old_reason() -> None:
    inbox = Inbox()
    home, _, son = t01(inbox)
    seen = inbox.latest["R-502"]
    inbox.keep(dismiss(seen, DismissReason.NOT_NOW, revision=seen.revision, at=NOON))
    assert inbox.hears(home, NOON + timedelta(days=10)) == ()
    home.fact("cases-disability", son, "withdrawn", "3")
    [again] = inbox.hears(home, NOON + timedelta(days=11))
    assert (again.alert.version, again.alert.state) == (2, AlertState.RAISED)
    assert again.alert.previous is not None
    assert again.alert.previous.reason == DismissReason.NOT_NOW
    assert again.alert.id != seen.id
    assert isinstance(again.events[0], AlertRaised)


def test_the_same_desk_writing_the_same_thing_again_is_no_new_fact() -> None:
    inbox = Inbox()
    home, _, son = t01(inbox)
    seen = inbox.latest["R-502"]
    inbox.keep(dismiss(seen, DismissReason.NOT_NOW, revision=seen.revision, at=NOON))
    home.fact("cases-poverty", son, "employment", "not_seeking", since="2011-04", as_of=TODAY + timedelta(days=5))
    assert inbox.hears(home, NOON + timedelta(days=6)) == ()


def test_after_the_cooldown_and_in_a_new_quarter_a_lasting_condition_comes_back() -> None:
    inbox = Inbox()
    home, *_ = t01(inbox)
    seen = inbox.latest["R-502"]
    inbox.keep(dismiss(seen, DismissReason.NOT_NOW, revision=seen.revision, at=NOON))
    in_new_quarter_still_cooling, after = NOON + timedelta(days=45), NOON + timedelta(days=91)
    assert inbox.hears(home, in_new_quarter_still_cooling) == ()
    assert inbox.hears(home, after, late=True) == ()  # reading old events again is no reason to speak again
    assert [outcome.alert.rule_id for outcome in inbox.hears(home, after)] == ["R-502"]


def test_a_finished_event_alert_never_comes_back_by_itself() -> None:
    inbox, home = Inbox(), Household().registered()
    husband, _ = home.member(MemberRole.HEAD, 81), home.member(MemberRole.SPOUSE, 78)
    home.left(husband, LeavingReason.DIED)
    inbox.hears(home)
    inbox.keep(finish(inbox.latest["R-101"], revision=0, at=NOON))
    assert inbox.hears(home, NOON + timedelta(days=60)) == ()


def test_a_heavier_event_makes_the_open_alert_urgent_again_instead_of_a_second_one() -> None:
    inbox = Inbox()
    home, mother, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3")
    home.fact("cases-elderly", mother, "dementia", "diagnosed")
    inbox.hears(home)
    first = inbox.latest["R-504"]
    assert first.severity is Severity.S2
    home.left(mother, LeavingReason.DIED)
    inbox.hears(home, NOON + timedelta(hours=1))
    second = inbox.latest["R-504"]
    assert (second.id, second.severity, second.state, second.due) == (first.id, Severity.S1, AlertState.RAISED, first.due)
    assert [type(event) for event in inbox.published if event.alert_id == first.id] == [AlertRaised, AlertRaised]


def test_an_alert_whose_fact_was_taken_back_is_marked_and_left_to_a_person() -> None:
    inbox = Inbox()
    home, _, son = t01(inbox)
    home.fact("cases-poverty", son, "employment", "working", as_of=TODAY + timedelta(days=1))
    inbox.hears(home)
    assert (inbox.latest["R-502"].holds, inbox.latest["R-502"].state) == (False, AlertState.RAISED)


def test_no_event_of_an_alert_carries_a_word_of_the_people() -> None:
    inbox = Inbox()
    t01(inbox)
    allowed = {"household_id", "legal_basis", "alert_id", "rule_id", "rule_version", "severity", "domains", "to", "lane", "raised_at", "due"}
    assert {name for event in inbox.published for name in event.model_dump()} == allowed


def test_hearing_everything_twice_changes_nothing() -> None:
    home, mother, _ = mother_and_son()
    home.left(mother, LeavingReason.DIED)
    lines = numbered(home.told)
    once = fold(HouseholdFacts(home.id), lines)
    assert fold(once, lines) == once
    assert replace(once, heard={}) == replace(fold(fold(HouseholdFacts(home.id), lines[:2]), lines), heard={})


def test_a_story_without_anything_remarkable_is_silent() -> None:
    inbox, home = Inbox(), Household().registered()
    home.member(MemberRole.HEAD, 48), home.member(MemberRole.SPOUSE, 46), home.member(MemberRole.CHILD, 14)
    home.case("cases-children")
    assert inbox.hears(home) == ()
