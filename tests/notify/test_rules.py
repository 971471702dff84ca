"""Each rule at its edges: ages in the month of birth, who counts as a child, what counts as a sign."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.notify.household import age_on, months_since
from services.notify.rules import evaluate
from shared.contracts.alert import Severity
from shared.contracts.household import LeavingReason, MemberRole
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined
from shared.contracts.visit import CheckInOutcome, WatchEnded, WatchTier
from tests.notify.town import NOON, TODAY, Household, mother_and_son, parameters


def rules(home: Household, at: datetime = NOON) -> set[str]:
    return set(evaluate(home.known(), at, parameters()))


# ── 年齢


@pytest.mark.parametrize(
    ("month", "day", "age"),
    [("1951-04", date(2026, 3, 31), 74), ("1951-04", date(2026, 4, 1), 75), ("1951-12", date(2026, 12, 1), 75), ("2027-01", date(2026, 12, 1), None)],
)
def test_an_age_is_reached_on_the_first_of_the_month_of_birth(month: str, day: date, age: int | None) -> None:
    assert age_on(month, day) == age


def test_months_without_work_are_counted_in_calendar_months() -> None:
    assert months_since("2025-11", date(2026, 11, 1)) == 12
    assert months_since("2025-12", date(2026, 11, 30)) == 11


def test_a_parent_who_turns_75_this_month_counts_and_one_of_next_month_does_not() -> None:
    def home(parent_born: str) -> Household:
        made = Household().registered()
        made.member(MemberRole.HEAD, 74)
        made.told[-1] = ("intake", made.told[-1][1].model_copy(update={"birth_month": parent_born}))
        child = made.member(MemberRole.CHILD, 45)
        made.fact("cases-disability", child, "withdrawn", "2")
        return made

    assert rules(home("1951-11")) == {"R-502"}
    assert rules(home("1951-12")) == set()


# ── R-502


@pytest.mark.parametrize(
    ("kind", "value", "since", "fires"),
    [
        ("withdrawn", "1", None, False),
        ("withdrawn", "2", None, True),
        ("employment", "working", "2011-04", False),
        ("employment", "not_seeking", "2025-11", True),
        ("employment", "seeking", "2025-12", False),
        ("employment", "not_seeking", None, False),
        ("service_use", "none", None, True),
        ("income_main", "parent_pension", None, True),
        ("income_main", "self", None, False),
    ],
)
def test_one_sign_of_the_child_is_enough_and_only_these(kind: str, value: str, since: str | None, fires: bool) -> None:
    home, _, son = mother_and_son()
    home.fact("cases-poverty", son, kind, value, since=since)
    assert ("R-502" in rules(home)) is fires


def test_without_work_since_an_unknown_time_counts_from_the_day_it_was_recorded() -> None:
    home, _, son = mother_and_son()
    home.fact("cases-poverty", son, "employment", "not_seeking", as_of=date(2025, 11, 10))
    assert rules(home) == {"R-502"}


def test_the_structure_alone_is_never_an_alert() -> None:
    home, *_ = mother_and_son()
    assert rules(home) == set()


@pytest.mark.parametrize(
    ("parent", "child", "fires"), [(74, 50, False), (82, 39, False), (82, 64, True), (84, 65, False), (90, 66, True), (85, 60, True)]
)
def test_ages_of_parent_and_child(parent: int, child: int, fires: bool) -> None:
    home = Household().registered()
    home.member(MemberRole.HEAD, parent)
    son = home.member(MemberRole.CHILD, child)
    home.fact("cases-disability", son, "withdrawn", "3")
    assert ("R-502" in rules(home)) is fires


@pytest.mark.parametrize(
    ("parent", "child", "fires"),
    [
        (MemberRole.PARENT, MemberRole.HEAD, True),
        (MemberRole.SPOUSE, MemberRole.CHILD, True),
        (MemberRole.UNKNOWN, MemberRole.UNKNOWN, True),
        (MemberRole.OTHER, MemberRole.HEAD, True),
        (MemberRole.SIBLING, MemberRole.HEAD, False),
        (MemberRole.GRANDPARENT, MemberRole.HEAD, False),
    ],
)
def test_parent_and_child_by_role_or_by_age_where_the_role_is_unknown(parent: MemberRole, child: MemberRole, fires: bool) -> None:
    home = Household().registered()
    home.member(parent, 82)
    son = home.member(child, 53)
    home.fact("cases-disability", son, "withdrawn", "3")
    assert ("R-502" in rules(home)) is fires


def test_a_married_child_and_a_household_with_another_able_adult_are_not_8050() -> None:
    married, _, son = mother_and_son()
    married.fact("cases-disability", son, "withdrawn", "3")
    married.fact("intake", son, "marital", "married")
    assert rules(married) == set()
    helped, _, son = mother_and_son()
    helped.fact("cases-disability", son, "withdrawn", "3")
    helped.member(MemberRole.CHILD, 50)
    assert rules(helped) == set()


def test_two_withdrawn_brothers_are_8050_and_a_second_parent_does_not_help() -> None:
    home, _, older = mother_and_son()
    home.member(MemberRole.SPOUSE, 84)
    younger = home.member(MemberRole.CHILD, 50)
    home.fact("cases-disability", older, "withdrawn", "3")
    home.fact("cases-disability", younger, "withdrawn", "2")
    assert rules(home) == {"R-502"}


# ── R-503


def test_the_tick_of_the_care_manager_fires_and_taking_it_back_ends_it() -> None:
    home, *_ = mother_and_son()
    home.fact("cases-elderly", None, "child_concern", "yes")
    assert rules(home) == {"R-503"}
    home.fact("cases-elderly", None, "child_concern", "no", as_of=TODAY + timedelta(days=1))
    assert rules(home) == set()


# ── R-504


@pytest.mark.parametrize(
    ("kind", "value", "severity"),
    [
        ("whereabouts", "hospitalised", Severity.S1),
        ("whereabouts", "facility", Severity.S2),
        ("dementia", "diagnosed", Severity.S2),
        ("dementia", "suspected", None),
        ("driving", "stopped", Severity.S2),
    ],
)
def test_what_happens_to_the_parent_of_a_child_nobody_knows(kind: str, value: str, severity: Severity | None) -> None:
    home, mother, _ = mother_and_son()
    home.fact("cases-elderly", mother, kind, value)
    found = evaluate(home.known(), NOON, parameters()).get("R-504")
    assert (found.severity if found else None) is severity


@pytest.mark.parametrize(("kind", "value"), [("employment", "working"), ("withdrawn", "none"), ("withdrawn", "1")])
def test_a_child_known_to_be_well_is_not_alone(kind: str, value: str) -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-poverty", son, kind, value)
    home.left(mother, LeavingReason.DIED)
    assert "R-504" not in rules(home)


def test_an_event_fades_after_ninety_days() -> None:
    home, mother, _ = mother_and_son()
    home.left(mother, LeavingReason.DIED, TODAY - timedelta(days=90))
    assert rules(home) == {"R-504"}
    assert rules(home, NOON + timedelta(days=1)) == set()


def test_coming_home_from_hospital_ends_it() -> None:
    home, mother, _ = mother_and_son()
    home.fact("cases-elderly", mother, "whereabouts", "hospitalised")
    home.fact("cases-elderly", mother, "whereabouts", "home", as_of=TODAY + timedelta(days=2))
    assert rules(home) == set()


# ── R-101


def test_a_corrected_registration_and_a_single_from_the_start_are_no_event() -> None:
    single = Household().registered()
    single.member(MemberRole.HEAD, 78)
    assert rules(single) == set()
    corrected = Household().registered()
    corrected.member(MemberRole.HEAD, 78)
    corrected.left(corrected.member(MemberRole.OTHER, 40), LeavingReason.CORRECTED)
    assert rules(corrected) == set()


@pytest.mark.parametrize(("age", "fires"), [(64, False), (65, True)])
def test_the_one_who_stays_is_65_or_older(age: int, fires: bool) -> None:
    home = Household().registered()
    home.member(MemberRole.HEAD, age)
    home.left(home.member(MemberRole.SPOUSE, age), LeavingReason.DIVORCED)
    assert ("R-101" in rules(home)) is fires


def test_a_spouse_in_a_facility_leaves_a_single_at_home() -> None:
    home = Household().registered()
    home.member(MemberRole.HEAD, 80)
    wife = home.member(MemberRole.SPOUSE, 79)
    home.fact("cases-elderly", wife, "whereabouts", "facility")
    assert "R-101" in rules(home)


# ── R-105


@pytest.mark.parametrize(
    ("tier", "hours", "step", "severity"),
    [
        ("A", 0, "call", "S3"),
        ("A", 4, "neighbour", "S2"),
        ("A", 24, "on_site", "S1"),
        ("C", 23, "call", "S3"),
        ("C", 24, "neighbour", "S2"),
        ("C", 48, "on_site", "S1"),
    ],
)
def test_the_ladder_of_a_missed_watch(tier: str, hours: int, step: str, severity: str) -> None:
    home = Household().registered()
    home.watch(WatchTier(tier), NOON)
    found = evaluate(home.known(), NOON + timedelta(hours=hours), parameters())["R-105"]
    assert (found.step, found.severity) == (step, severity)


def test_a_watch_is_not_missed_before_its_time_nor_after_its_end() -> None:
    home = Household().registered()
    plan = home.watch(WatchTier.B, NOON)
    assert rules(home, NOON - timedelta(seconds=1)) == set()
    home.say("outreach", WatchEnded, plan_id=plan, ended_on=TODAY)
    assert rules(home, NOON + timedelta(days=3)) == set()


def test_nobody_looks_for_a_person_who_has_left() -> None:
    home = Household().registered()
    old = home.member(MemberRole.HEAD, 84)
    home.watch(WatchTier.B, NOON, old)
    home.left(old, LeavingReason.FACILITY)
    assert rules(home, NOON + timedelta(days=3)) == set()


@pytest.mark.parametrize("outcome", [CheckInOutcome.ABSENT, CheckInOutcome.SIGNS_OF_LIFE])
def test_an_absence_does_not_stop_the_ladder(outcome: CheckInOutcome) -> None:
    home = Household().registered()
    plan = home.watch(WatchTier.B, NOON)
    home.check_in(plan, outcome, NOON + timedelta(hours=2), NOON)
    assert rules(home, NOON + timedelta(hours=3)) == {"R-105"}


# ── R-907


def test_two_unanswered_referrals_to_two_domains_are_enough_and_the_center_is_not_a_domain() -> None:
    home, *_ = mother_and_son()
    home.referral("cases-elderly")
    home.referral("cases-center")
    home.referral("outreach")
    assert rules(home) == set()
    home.referral("cases-poverty")
    found = evaluate(home.known(), NOON, parameters())["R-907"]
    assert [one.source for one in found.evidence] == ["cases-elderly", "cases-poverty"]


def test_a_declined_referral_and_a_closed_case_no_longer_count() -> None:
    home, *_ = mother_and_son()
    declined = home.referral("cases-elderly")
    home.case("cases-poverty")
    closed = home.case("cases-disability")
    home.say("cases-elderly", ReferralDeclined, referral_id=declined.referral_id, reason=DeclineReason.NOT_OURS, declined_on=TODAY)
    assert rules(home) == {"R-907"}
    home.closes("cases-disability", closed)
    assert rules(home) == set()


def test_an_answer_that_arrives_before_the_referral_is_kept() -> None:
    home, *_ = mother_and_son()
    made = home.referral("cases-elderly")
    home.say("cases-elderly", ReferralAccepted, referral_id=made.referral_id, accepted_on=TODAY)
    home.told[-1], home.told[-2] = home.told[-2], home.told[-1]
    [referral] = home.known().referrals
    assert (referral.unit, referral.awaits_answer, referral.made_on) == ("cases-elderly", False, TODAY)


def test_three_groups_of_issues_in_one_household() -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-elderly", mother, "issue", "37")
    home.fact("cases-poverty", son, "issue", "09")
    home.fact("cases-poverty", son, "issue", "10")
    home.fact("cases-poverty", son, "issue", "15")  # cross: counts for no group
    assert rules(home) == set()
    home.fact("cases-disability", son, "issue", "04")
    assert rules(home) == {"R-907"}


def test_the_same_number_of_groups_from_one_issue_that_belongs_to_two() -> None:
    home = Household().registered()
    child = home.member(MemberRole.CHILD, 6)
    home.fact("cases-children", child, "issue", "39")
    home.fact("cases-poverty", None, "issue", "09")
    assert rules(home, datetime(2026, 11, 24, tzinfo=UTC)) == {"R-907"}


def test_without_many_a_newer_issue_takes_the_place_of_the_older() -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-elderly", mother, "issue", "37")
    home.fact("cases-poverty", son, "issue", "09")
    home.fact("cases-disability", son, "issue", "04")
    single = parameters().model_copy(update={"many_at_once": frozenset()})
    assert "R-907" in rules(home)
    assert "R-907" not in evaluate(home.known(), NOON, single)
