"""The life of one alert under the hands of the center."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.notify.alert import Alert, AlertIsClosed, AlertState, Holder, acknowledge, dismiss, finish, take
from services.notify.escalation import escalate, wakes_at
from services.notify.household import age_on
from services.notify.words import composition_words
from shared.contracts.alert import AlertDismissed, AlertTaken, DismissReason, Severity
from shared.runtime.problems import ChangedMeanwhile
from tests.notify.town import NOON, Inbox, mother_and_son, parameters

SATO = Holder("sato", "佐藤")


@pytest.fixture
def alert() -> Alert:
    inbox = Inbox()
    home, _, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3")
    inbox.hears(home)
    return inbox.latest["R-502"]


def test_acknowledge_take_and_finish(alert: Alert) -> None:
    seen = acknowledge(alert, revision=0, at=NOON).alert
    taken = take(seen, by=SATO, revision=1, at=NOON)
    assert (taken.alert.state, taken.alert.holder, [type(event) for event in taken.events]) == (AlertState.TAKEN, SATO, [AlertTaken])
    assert finish(taken.alert, revision=2, at=NOON).alert.state is AlertState.DONE


def test_pressing_twice_says_nothing_twice(alert: Alert) -> None:
    taken = take(alert, by=SATO, revision=0, at=NOON).alert
    assert take(taken, by=SATO, revision=1, at=NOON).events == ()
    assert acknowledge(taken, revision=1, at=NOON).alert == taken


def test_two_people_at_once_the_second_sees_what_the_first_did(alert: Alert) -> None:
    taken = take(alert, by=SATO, revision=0, at=NOON).alert
    with pytest.raises(ChangedMeanwhile) as refused:
        dismiss(taken, DismissReason.NOT_TRUE, revision=0, at=NOON)
    assert refused.value.theirs["受け持ち"] == "佐藤"


def test_a_closed_alert_stays_closed(alert: Alert) -> None:
    closed = dismiss(alert, DismissReason.NOT_TRUE, revision=0, at=NOON)
    assert isinstance(closed.events[0], AlertDismissed)
    assert closed.events[0].reason is DismissReason.NOT_TRUE
    for action in (lambda: finish(closed.alert, revision=1, at=NOON), lambda: take(closed.alert, by=SATO, revision=1, at=NOON)):
        with pytest.raises(AlertIsClosed):
            action()


def test_another_colleague_may_take_over(alert: Alert) -> None:
    taken = take(alert, by=SATO, revision=0, at=NOON).alert
    assert take(taken, by=Holder("mori", "森"), revision=1, at=NOON).alert.holder == Holder("mori", "森")


def test_escalation_climbs_to_the_top_and_stops_there(alert: Alert) -> None:
    urgent = replace(alert, severity=Severity.S1, acknowledge_by=NOON + timedelta(minutes=30))
    first = escalate(urgent, NOON + timedelta(minutes=31), parameters())
    assert first is not None
    assert wakes_at(first.alert, parameters()) == NOON + timedelta(minutes=61)
    second = escalate(first.alert, NOON + timedelta(minutes=61), parameters())
    assert second is not None
    assert second.alert.escalated == 2
    assert wakes_at(second.alert, parameters()) is None
    assert escalate(second.alert, NOON + timedelta(days=9), parameters()) is None


def test_whoever_was_acknowledged_is_not_escalated(alert: Alert) -> None:
    seen = acknowledge(alert, revision=0, at=NOON).alert
    assert escalate(seen, NOON + timedelta(days=30), parameters()) is None


def test_the_people_are_told_in_tens_of_years(alert: Alert) -> None:
    assert composition_words(alert.people) == "80代の親と50代の子"
    assert age_on(None, NOON.date()) is None
