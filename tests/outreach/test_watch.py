"""When the next look is due, by what the last one brought."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from services.outreach.parameters import OURS, parameters_on
from services.outreach.watch import AwayUntilUnclear, Watch, WatchIsEnded, change_tier, check_in, end, plan
from shared.contracts.event import HouseholdId, LegalBasis
from shared.contracts.visit import CheckInOutcome, CheckInRecorded, WatchEnded, WatchPlanned, WatchTier
from shared.runtime.problems import ChangedMeanwhile

NOON = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # Tuesday 12:00 in Japan
GIVEN = parameters_on(date(2026, 11, 24))


def due(day: date) -> datetime:
    """17:00 in Japan."""
    return datetime(day.year, day.month, day.day, 8, 0, tzinfo=UTC)


def new(tier: WatchTier = WatchTier.B) -> Watch:
    return plan(uuid4(), HouseholdId(uuid4()), None, tier, LegalBasis.CONSENT, now=NOON, parameters=GIVEN).watch


@pytest.mark.parametrize(
    ("tier", "first"),
    [("A", date(2026, 11, 26)), ("B", date(2026, 12, 1)), ("C", date(2026, 12, 24)), ("D", date(2027, 2, 23)), ("X", date(2026, 12, 24))],
)
def test_the_tier_sets_the_first_deadline(tier: str, first: date) -> None:
    outcome = plan(uuid4(), HouseholdId(uuid4()), None, WatchTier(tier), LegalBasis.CONSENT, now=NOON, parameters=GIVEN)
    assert outcome.watch.next_due == due(first)
    assert isinstance(outcome.events[0], WatchPlanned)


def test_the_day_is_counted_in_japan() -> None:
    late_evening = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)  # 00:30 on the 25th
    outcome = plan(uuid4(), HouseholdId(uuid4()), None, WatchTier.B, LegalBasis.CONSENT, now=late_evening, parameters=GIVEN)
    assert outcome.watch.next_due == due(date(2026, 12, 2))


@pytest.mark.parametrize("outcome", [CheckInOutcome.MET, CheckInOutcome.VOICE])
def test_a_confirmed_person_moves_the_deadline_one_interval_on(outcome: CheckInOutcome) -> None:
    at = NOON + timedelta(days=5)
    seen = check_in(new(), outcome, at=at, now=at, parameters=GIVEN).watch
    assert (seen.next_due, seen.confirmed_at) == (due(date(2026, 12, 6)), at)


@pytest.mark.parametrize("outcome", [CheckInOutcome.ABSENT, CheckInOutcome.SIGNS_OF_LIFE])
@pytest.mark.parametrize("days", [1, 10])
def test_an_absence_never_moves_the_deadline(outcome: CheckInOutcome, days: int) -> None:
    before = new()
    at = NOON + timedelta(days=days)
    after = check_in(before, outcome, at=at, now=at, parameters=GIVEN).watch
    assert (after.next_due, after.confirmed_at, after.last_outcome) == (before.next_due, None, outcome)


def test_an_alarm_is_due_at_once() -> None:
    recorded = check_in(new(), CheckInOutcome.ALARMING, at=NOON, now=NOON, parameters=GIVEN)
    assert recorded.watch.next_due == NOON
    assert isinstance(recorded.events[0], CheckInRecorded)
    assert recorded.events[0].next_due == NOON


def test_a_known_absence_waits_until_the_day_after_the_return() -> None:
    friday = date(2026, 11, 27)
    away = check_in(new(), CheckInOutcome.KNOWN_AWAY, at=NOON, now=NOON, parameters=GIVEN, away_until=friday).watch
    assert (away.next_due, away.away_until) == (due(date(2026, 11, 28)), friday)


@pytest.mark.parametrize("until", [None, date(2026, 11, 23), date(2027, 2, 23)])
def test_a_known_absence_says_until_when(until: date | None) -> None:
    with pytest.raises(AwayUntilUnclear) as refused:
        check_in(new(), CheckInOutcome.KNOWN_AWAY, at=NOON, now=NOON, parameters=GIVEN, away_until=until)
    assert list(refused.value.fields) == ["away_until"]


def test_a_look_written_down_late_does_not_bring_the_deadline_back() -> None:
    met = check_in(new(), CheckInOutcome.MET, at=NOON + timedelta(days=3), now=NOON + timedelta(days=3), parameters=GIVEN).watch
    late = check_in(met, CheckInOutcome.VOICE, at=NOON + timedelta(days=1), now=NOON + timedelta(days=3), parameters=GIVEN).watch
    assert late.next_due == met.next_due
    assert (late.last_outcome, late.confirmed_at) == (CheckInOutcome.MET, NOON + timedelta(days=3))


def test_a_stricter_tier_counts_from_the_last_confirmation() -> None:
    met = check_in(new(WatchTier.C), CheckInOutcome.MET, at=NOON, now=NOON, parameters=GIVEN).watch
    stricter = change_tier(met, WatchTier.B, seen=met.version, now=NOON + timedelta(days=2), parameters=GIVEN)
    assert stricter.watch.next_due == due(date(2026, 12, 1))
    assert isinstance(stricter.events[0], WatchPlanned)


def test_two_people_changing_the_tier_the_second_is_told() -> None:
    before = new()
    with pytest.raises(ChangedMeanwhile):
        change_tier(before, WatchTier.A, seen=before.version - 1, now=NOON, parameters=GIVEN)


def test_an_ended_watch_takes_no_more_records() -> None:
    ended = end(new(), "finished", on=NOON.date())
    assert isinstance(ended.events[0], WatchEnded)
    for action in (
        lambda: check_in(ended.watch, CheckInOutcome.MET, at=NOON, now=NOON, parameters=GIVEN),
        lambda: end(ended.watch, "finished", on=NOON.date()),
    ):
        with pytest.raises(WatchIsEnded):
            action()


def test_overdue_is_a_matter_of_the_clock_and_ends_with_the_watch() -> None:
    watch = new()
    assert not watch.overdue_at(watch.next_due)
    assert watch.overdue_at(watch.next_due + timedelta(seconds=1))
    assert not replace(watch, ended_on=NOON.date()).overdue_at(watch.next_due + timedelta(days=9))


def test_every_number_says_since_when_and_from_where(tmp_path: Path) -> None:
    for name, dated in yaml.safe_load(OURS.read_text(encoding="utf-8"))["parameters"].items():
        for entry in dated:
            assert isinstance(entry["from"], date), name
            assert entry["source"].startswith("["), name
    (tmp_path / "outreach.yaml").write_text("parameters: {after_return_days: [{value: 2, from: 2026-12-01, source: '[市]'}]}", encoding="utf-8")
    assert [parameters_on(date(2026, month, 1), tmp_path).after_return_days for month in (11, 12)] == [1, 2]
