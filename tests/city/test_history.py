"""十年の出来事の約束: 起こりうる順、窓口が記録する語彙、故意の誤りの割合、同じ種なら同じ歴史。"""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar
from uuid import UUID

from deploy.city.commands import (
    AcceptReferral,
    AdvanceCase,
    CheckIn,
    CloseCase,
    Command,
    DeclineReferral,
    JoinHousehold,
    LeaveHousehold,
    PlanWatch,
    ReceiveConsultation,
    RecordFact,
    RegisterHousehold,
    RenewConsent,
)
from deploy.city.town import Town
from services.cases import center, children, disability, elderly, poverty
from services.cases.casework import case
from services.cases.casework.parameters import rules_on
from services.intake.concerns import concern_fields
from services.outreach.parameters import rules_on as watch_rules_on
from shared.contracts.case import CaseState
from shared.contracts.codes import code_list, fact_kinds
from shared.contracts.visit import WatchTier

DESKS = {unit.PROFILE.unit: unit.PROFILE for unit in (center, children, disability, elderly, poverty)}
C = TypeVar("C", bound=Command)


def of_kind(city: Town, kind: type[C]) -> Iterator[C]:
    return (command for history in city.histories for command in history if isinstance(command, kind))


def test_the_same_seed_gives_the_same_town_in_another_process(small: Town) -> None:
    program = f"from datetime import datetime; from deploy.city import town; print(town.small(datetime.fromisoformat('{small.until}')).fingerprint())"
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."}
    )
    assert other.stdout.strip() == small.fingerprint()


def test_a_household_has_the_same_history_in_the_small_town_and_in_the_whole_city(small: Town, whole: Town) -> None:
    there = {household.id: history for household, history in zip(whole.households, whole.histories, strict=True)}
    assert all(there[household.id] == history for household, history in zip(small.households, small.histories, strict=True))


def test_a_history_runs_forward_and_ends_with_the_present(whole: Town) -> None:
    assert sum(map(len, whole.histories)) > 50_000
    for history in whole.histories:
        times = [command.at for command in history]
        assert times == sorted(times)
        assert times[-1] <= whole.until
        assert whole.until - times[0] <= timedelta(days=3_660)


def test_every_history_begins_with_the_registration(whole: Town) -> None:
    assert all(isinstance(history[0], RegisterHousehold) for history in whole.histories)


def test_whoever_lives_here_was_registered_or_joined_and_has_not_left(whole: Town) -> None:
    for household, history in zip(whole.households, whole.histories, strict=True):
        assert _living(history, household.id) == {member.id for member in household.members}


def test_desks_hear_and_write_only_about_people_who_live_there_then(whole: Town) -> None:
    for history in whole.histories:
        here: set[UUID] = set()
        for command in history:
            match command:
                case RegisterHousehold(members=members):
                    here |= {member.id for member in members}
                case JoinHousehold(member=member):
                    here.add(member.id)
                case LeaveHousehold(member=left):
                    here.remove(left)
                case ReceiveConsultation(members=about):
                    assert here.issuperset(about)
                case RenewConsent(member=asked_again):
                    assert asked_again in here
                case RecordFact(member=about_whom) if about_whom:
                    assert about_whom in here


def test_whoever_agreed_is_asked_again_every_year_while_the_support_goes_on(whole: Town) -> None:
    """Nobody is asked after they left or said no; nearly everybody who is supported has a consent that is not over."""
    lasting = over = 0
    for history in whole.histories:
        agreed = {r.id: (c.at, c.members[0]) for c in history if isinstance(c, ReceiveConsultation) and c.consent == "given" for r in c.referrals}
        gone = {c.member for c in history if isinstance(c, LeaveHousehold)}
        said_no = {c.members[0] for c in history if isinstance(c, ReceiveConsultation) and c.consent == "refused"}
        renewed = [c for c in history if isinstance(c, RenewConsent)]
        closed = {c.case for c in history if isinstance(c, CloseCase)}
        for opened in (c for c in history if isinstance(c, AcceptReferral) and c.referral.id in agreed and c.case not in closed):
            at, who = agreed[opened.referral.id]
            times = [at, *(c.at for c in renewed if (c.member, c.to) == (who, opened.unit) and c.at > at)]
            assert all(later - earlier < timedelta(days=365) for earlier, later in pairwise(sorted(times)))
            if who not in gone | said_no:
                lasting, over = lasting + (whole.until - max(times) < timedelta(days=365)), over + (whole.until - max(times) >= timedelta(days=365))
    assert lasting > 500
    assert 0 < over < lasting * 0.15


def _living(history: list[Command], household: UUID) -> set[UUID]:
    here: set[UUID] = set()
    for command in history:
        match command:
            case RegisterHousehold(members=members) if command.household == household:
                here |= {member.id for member in members}
            case JoinHousehold(member=member):
                here.add(member.id)
            case LeaveHousehold(member=left):
                here.remove(left)
    return here


def test_nobody_leaves_before_being_born_or_after_the_end(whole: Town) -> None:
    people = {member.id: member for command in of_kind(whole, RegisterHousehold) for member in command.members}
    for leave in of_kind(whole, LeaveHousehold):
        assert people[leave.member].birth < leave.effective_on <= whole.until.date()


def test_desks_answer_only_what_was_referred_to_them_and_write_only_in_open_cases(whole: Town) -> None:
    for history in whole.histories:
        referred, open_cases = dict[UUID, str](), dict[str, UUID]()
        for command in history:
            match command:
                case ReceiveConsultation():
                    referred |= {referral.id: referral.to for referral in command.referrals}
                case AcceptReferral() | DeclineReferral():
                    assert referred.pop(command.referral.id) == command.unit
                    if isinstance(command, AcceptReferral):
                        assert command.unit not in open_cases
                        open_cases[command.unit] = command.case
                case RecordFact() | AdvanceCase():
                    assert open_cases[command.unit] == command.case
                case CloseCase():
                    assert open_cases.pop(command.unit) == command.case


def test_every_fact_is_one_its_desk_asks_about_the_right_person(whole: Town) -> None:
    kinds = fact_kinds(whole.until.date())
    for fact in of_kind(whole, RecordFact):
        kind = kinds[fact.kind]
        assert fact.value in kind.values
        assert (fact.member is None) == (kind.scope == "household") or kind.scope == "either"
        assert rules_on(DESKS[fact.unit], whole.until.date()).asks(fact.kind), (fact.unit, fact.kind)


def test_cases_move_along_the_lifecycle_and_are_closed_with_a_reason(whole: Town) -> None:
    reasons = {entry.code for entry in code_list("CL-19").entries if entry.group == "close"}
    any_time = rules_on(DESKS["cases-elderly"], whole.until.date()).close_any_time
    state: dict[UUID, CaseState] = {}
    for history in whole.histories:
        for command in history:
            match command:
                case AcceptReferral():
                    state[command.case] = CaseState.RECEIVED
                case AdvanceCase():
                    to = CaseState(command.state)
                    assert to in case.TRANSITIONS[state[command.case]]
                    state[command.case] = to
                case CloseCase():
                    assert command.reason in reasons
                    assert CaseState.CLOSED in case.TRANSITIONS[state[command.case]] or command.reason in any_time


def test_consultations_use_the_words_of_the_reception(whole: Town) -> None:
    topics, routes, asked = code_list("CL-01"), code_list("CL-02"), {field.kind: dict(field.options) for field in concern_fields().member}
    for consultation in of_kind(whole, ReceiveConsultation):
        assert all(topics.has(topic) for topic in consultation.topics)
        assert consultation.main_topic in consultation.topics
        assert routes.has(consultation.route)
        assert consultation.text.startswith("（架空の相談）")
        assert all(value in asked[kind] for _, kind, value in consultation.concerns)


def test_a_referral_that_still_waits_is_a_recent_one(whole: Town) -> None:
    made = {referral.id: command.at for command in of_kind(whole, ReceiveConsultation) for referral in command.referrals}
    answers = (*of_kind(whole, PlanWatch), *of_kind(whole, AcceptReferral), *of_kind(whole, DeclineReferral))
    answered = {answer.referral.id for answer in answers if isinstance(answer, (PlanWatch, AcceptReferral, DeclineReferral))}
    assert all(whole.until - at < timedelta(days=40) for referral, at in made.items() if referral not in answered)


def test_a_watch_is_checked_within_its_interval_except_where_it_is_overdue(whole: Town) -> None:
    days = whole.parameters.raw["history"]["watch_days"]
    plans = {plan.plan: plan for plan in of_kind(whole, PlanWatch)}
    last = {plan.plan: plan.at for plan in plans.values()}
    for check in of_kind(whole, CheckIn):
        assert check.at - last[check.plan] <= timedelta(days=days[plans[check.plan].tier] * 1.6)
        last[check.plan] = check.at
    overdue = sum(whole.until - at > timedelta(days=days[plans[plan].tier]) for plan, at in last.items())
    assert 0.01 < overdue / len(plans) < 0.08


def test_a_fifth_of_the_recorded_key_persons_is_unknown(whole: Town) -> None:
    recorded = [fact.value for fact in of_kind(whole, RecordFact) if fact.kind == "key_person"]
    assert abs(recorded.count("unknown") / len(recorded) - 0.20) < 0.03


def test_a_tenth_of_the_readings_in_the_register_is_wrong_and_never_by_chance_right(whole: Town) -> None:
    people = [member for household in whole.households for member in household.members]
    wrong = [person for person in people if person.wrong_kana]
    assert abs(len(wrong) / len(people) - 0.10) < 0.01
    assert all(person.kana_on_record != f"{person.surname_kana} {person.given_kana}" for person in wrong)


def test_one_consultation_in_twenty_makes_a_second_record_of_the_same_person(whole: Town) -> None:
    duplicates = [command for command in of_kind(whole, RegisterHousehold) if command.duplicate_of]
    consultations = sum(1 for _ in of_kind(whole, ReceiveConsultation))
    assert abs(len(duplicates) / consultations - 0.05) < 0.01
    assert all(command.household != command.duplicate_of for command in duplicates)


def test_deaths_births_and_moves_all_happen(whole: Town) -> None:
    reasons = [leave.reason for leave in of_kind(whole, LeaveHousehold)]
    assert set(reasons) == {"died", "moved_out", "facility", "divorced"}
    assert sum(1 for _ in of_kind(whole, JoinHousehold)) == about_births(whole)


def about_births(whole: Town) -> int:
    """Every child born after its household was registered joined it."""
    registered = {command.household: command for command in of_kind(whole, RegisterHousehold)}
    return sum(member.birth > registered[household.id].at.date() for household in whole.households for member in household.members)


def test_the_days_of_the_watch_are_those_of_the_outreach_desk(whole: Town) -> None:
    """正解ファイルの読み方が、見守りの窓口の既定とずれていないか。"""
    rules = watch_rules_on(whole.until.date())
    told = whole.parameters.raw
    assert {tier: rules.interval_days[WatchTier(tier)] for tier in told["history"]["watch_days"]} == told["history"]["watch_days"]
    assert f"{rules.due_time:%H:%M}" == told["truth"]["due_time"]
