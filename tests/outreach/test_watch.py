"""見守りの期限: 確かめられたときだけ先へ動き、過去へは落ちず、日本の日付で数える。"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.outreach.watch import (
    AlreadyWatched,
    CallFirst,
    CheckIn,
    CheckInBeforePlan,
    EndReasonMissing,
    FutureCheckIn,
    ReturnUnclear,
    WatchHasEnded,
    change_tier,
    check_in,
    end,
    plan,
)
from shared.contracts.event import LegalBasis
from shared.contracts.visit import CheckInOutcome, CheckInRecorded, WatchEnded, WatchPlanned, WatchTier
from shared.runtime.problems import ChangedMeanwhile
from tests.outreach.builders import AYUMU, HOUSEHOLD, KEI, MOTHER, NOW, SON, TODAY, a_watch, rules, seen

JST = ZoneInfo("Asia/Tokyo")
MET, VOICE, ABSENT, SIGNS, ALARMING, AWAY = (
    CheckInOutcome.MET, CheckInOutcome.VOICE, CheckInOutcome.ABSENT, CheckInOutcome.SIGNS_OF_LIFE, CheckInOutcome.ALARMING, CheckInOutcome.KNOWN_AWAY,
)  # fmt: skip
moments = st.integers(1, 1_100_000).map(lambda minutes: NOW + timedelta(minutes=minutes))
tiers = st.sampled_from(WatchTier)


def closing(day: date) -> datetime:
    return datetime.combine(day, time(17, 15), JST)


@pytest.mark.parametrize(("tier", "days"), [("A", 2), ("B", 7), ("C", 31), ("D", 92), ("X", 31)])
def test_the_first_due_is_one_interval_after_the_plan_at_the_end_of_the_day(tier: str, days: int) -> None:
    made = plan(uuid4(), HOUSEHOLD, MOTHER, WatchTier(tier), basis=LegalBasis.CONSENT, by=AYUMU, at=NOW, rules=rules())
    assert made.state.next_due == closing(TODAY + timedelta(days=days))
    (event,) = made.events
    assert isinstance(event, WatchPlanned)
    assert (event.tier, event.next_due, event.planned_on, event.member_id) == (tier, made.state.next_due, TODAY, MOTHER)


@given(at=moments, tier=tiers, outcome=st.sampled_from([MET, VOICE]))
def test_after_a_success_the_due_lies_ahead_by_the_interval(at: datetime, tier: WatchTier, outcome: CheckInOutcome) -> None:
    after = seen(a_watch(tier), outcome, at)
    assert after.next_due > at
    assert after.next_due == closing(at.astimezone(JST).date() + timedelta(days=rules().interval_days[tier]))


@given(one=moments, other=moments, tier=tiers)
def test_a_later_success_is_never_due_earlier(one: datetime, other: datetime, tier: WatchTier) -> None:
    first, second = sorted((one, other))
    assert seen(a_watch(tier), MET, first).next_due <= seen(a_watch(tier), MET, second).next_due


@given(one=moments, other=moments, tier=tiers)
def test_in_whatever_order_two_successes_are_written_the_due_is_the_same(one: datetime, other: datetime, tier: WatchTier) -> None:
    watch, now = a_watch(tier), max(one, other)
    assert seen(seen(watch, MET, one, now=now), VOICE, other, now=now).next_due == seen(watch, MET, now).next_due


@given(at=moments, tier=tiers, outcome=st.sampled_from([ABSENT, SIGNS, ALARMING]))
def test_without_a_success_the_due_never_moves_ahead(at: datetime, tier: WatchTier, outcome: CheckInOutcome) -> None:
    watch = a_watch(tier)
    assert seen(watch, outcome, at).next_due <= watch.next_due


def test_an_absence_leaves_the_due_where_it_was() -> None:
    watch = a_watch()
    assert seen(watch, ABSENT, NOW + timedelta(days=3)).next_due == watch.next_due
    assert seen(watch, SIGNS, NOW + timedelta(days=20)).next_due == watch.next_due


def test_something_alarming_is_due_at_once_and_an_absence_after_it_does_not_hide_it() -> None:
    alarmed = seen(a_watch(), ALARMING, NOW + timedelta(days=1))
    assert alarmed.next_due == NOW + timedelta(days=1)
    assert seen(alarmed, ABSENT, NOW + timedelta(days=2)).next_due == alarmed.next_due


def test_an_older_success_written_late_does_not_cancel_an_alarm() -> None:
    alarmed = seen(a_watch(), ALARMING, NOW + timedelta(hours=5))
    late = seen(alarmed, MET, NOW + timedelta(hours=1), now=NOW + timedelta(hours=6))
    assert (late.next_due, late.last_outcome) == (alarmed.next_due, ALARMING)


def test_known_away_is_due_the_day_after_the_return() -> None:
    """T-04: 短期入所で金曜まで。段取りは始まらない。"""
    friday = TODAY + timedelta(days=4)
    assert seen(a_watch(), AWAY, NOW, until=friday).next_due == closing(friday + timedelta(days=1))


@pytest.mark.parametrize("until", [None, TODAY - timedelta(days=1), TODAY + timedelta(days=93)])
def test_a_return_that_is_missing_past_or_too_far_is_refused(until: date | None) -> None:
    with pytest.raises(ReturnUnclear) as refused:
        seen(a_watch(), AWAY, NOW, until=until)
    assert "until" in refused.value.fields


def test_a_day_begins_at_midnight_in_japan() -> None:
    before, after = datetime(2026, 12, 1, 14, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
    assert seen(a_watch(), MET, before).next_due == closing(date(2026, 12, 8))
    assert seen(a_watch(), MET, after).next_due == closing(date(2026, 12, 9))


def test_the_interval_runs_over_the_end_of_the_fiscal_year_and_a_leap_day() -> None:
    assert seen(a_watch(), MET, datetime(2027, 3, 29, 3, tzinfo=UTC)).next_due == closing(date(2027, 4, 5))
    assert seen(a_watch(), MET, datetime(2028, 2, 26, 3, tzinfo=UTC)).next_due == closing(date(2028, 3, 4))


def test_nothing_of_the_future_and_nothing_before_the_plan_is_recorded() -> None:
    with pytest.raises(FutureCheckIn):
        seen(a_watch(), MET, NOW + timedelta(minutes=1), now=NOW)
    with pytest.raises(CheckInBeforePlan):
        seen(a_watch(), MET, NOW - timedelta(days=1))


def test_something_alarming_is_recorded_only_after_the_call() -> None:
    with pytest.raises(CallFirst, match="call_first") as refused:
        seen(a_watch(), ALARMING, NOW, called=False)
    assert "119・110・センター" in refused.value.sentence


def test_a_check_in_says_the_outcome_and_the_due_and_never_the_memo() -> None:
    watch, record = a_watch(), CheckIn(uuid4(), MET, NOW, memo="玄関先で立ち話")
    (event,) = check_in(watch, record, seen=1, by=AYUMU, now=NOW, rules=rules()).events
    assert isinstance(event, CheckInRecorded)
    assert (event.plan_id, event.outcome, event.at) == (watch.plan_id, MET, NOW)
    assert "立ち話" not in event.model_dump_json()


def test_who_records_on_an_older_page_is_told_who_was_first() -> None:
    after = seen(a_watch(), ABSENT, NOW)
    with pytest.raises(ChangedMeanwhile) as refused:
        check_in(after, CheckIn(uuid4(), MET, NOW), seen=1, by=KEI, now=NOW, rules=rules())
    assert "見本 あゆむさんが先に" in refused.value.sentence
    assert refused.value.theirs == {"最後の結果": "不在（11/23 10:00）"}


def test_a_person_is_watched_once_and_somebody_else_of_the_household_may_be_too() -> None:
    watch = a_watch()
    about: dict[str, Any] = {"basis": LegalBasis.CONSENT, "by": AYUMU, "at": NOW, "rules": rules(), "others": [watch]}
    with pytest.raises(AlreadyWatched):
        plan(uuid4(), HOUSEHOLD, MOTHER, WatchTier.A, **about)
    assert plan(uuid4(), HOUSEHOLD, SON, WatchTier.A, **about).state.running
    ended = end(watch, "施設に入所", seen=1, by=AYUMU, on=TODAY).state
    assert plan(uuid4(), HOUSEHOLD, MOTHER, WatchTier.A, **about | {"others": [ended]}).state.running


@given(days=st.integers(0, 400), before=tiers, after=tiers)
def test_a_change_of_tier_never_moves_a_due_ahead(days: int, before: WatchTier, after: WatchTier) -> None:
    watch, at = a_watch(before), NOW + timedelta(days=days)
    changed = change_tier(watch, after, seen=1, by=AYUMU, at=at, rules=rules())
    assert changed.state.next_due <= watch.next_due
    assert [type(event) for event in changed.events] == ([] if after is before else [WatchPlanned])


def test_an_ended_watch_takes_nothing_more() -> None:
    ended = end(a_watch(), "転出", seen=1, by=AYUMU, on=TODAY)
    assert [type(event) for event in ended.events] == [WatchEnded]
    for again in (
        lambda: seen(ended.state, MET, NOW),
        lambda: end(ended.state, "転出", seen=2, by=AYUMU, on=TODAY),
        lambda: change_tier(ended.state, WatchTier.A, seen=2, by=AYUMU, at=NOW, rules=rules()),
    ):
        with pytest.raises(WatchHasEnded):
            again()


def test_ending_needs_a_reason() -> None:
    with pytest.raises(EndReasonMissing):
        end(replace(a_watch()), "", seen=1, by=AYUMU, on=TODAY)
