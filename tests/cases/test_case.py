"""ケース: 段階は表のとおりに進み、拒否や不通だけでは閉じない (domain.md §3.1、§5.5)。"""

from datetime import timedelta
from itertools import pairwise, product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.casework import case as cases
from services.cases.casework.case import (
    PATH,
    TRANSITIONS,
    AnotherCaseIsOpen,
    CaseIsClosed,
    CaseMovedOn,
    ReasonMissing,
    StateNotReachable,
    WatchDateMissing,
)
from services.cases.casework.closing import EvaluationComesFirst, RepliesOutstanding, close
from shared.contracts import consent_said
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import CaseId, LegalBasis
from tests.cases.builders import ITO, MOTHER, SATO, SON, TODAY, a_case, a_referral, rules

S = CaseState
RULES = rules()
STEPS = [(a, b) for a, b in product(S, S) if b not in (S.SUSPENDED, S.CLOSED)]


@pytest.mark.parametrize(("before", "after"), STEPS, ids=lambda state: state.value)
def test_a_case_moves_only_as_the_table_allows(before: CaseState, after: CaseState) -> None:
    case = a_case(before)
    if after in TRANSITIONS[before]:
        outcome = cases.change_state(case, after, seen=1, on=TODAY, rules=RULES)
        assert outcome.state.state is after
        assert outcome.state.next_due == TODAY + timedelta(days=RULES.next_due_days[after])
        assert [type(event) for event in outcome.events] == [CaseStateChanged]
    else:
        with pytest.raises(StateNotReachable):
            cases.change_state(case, after, seen=1, on=TODAY, rules=RULES)


def test_the_main_path_leads_from_reception_to_closing() -> None:
    assert all(after in TRANSITIONS[before] for before, after in pairwise(PATH))


@given(st.lists(st.sampled_from(list(S)), max_size=30))
def test_no_sequence_of_steps_reaches_active_without_a_decision(wanted: list[CaseState]) -> None:
    case, decided = a_case(), False
    for to in wanted:
        try:
            case = cases.change_state(case, to, seen=case.version, on=TODAY, rules=RULES).state
        except (StateNotReachable, ReasonMissing):
            continue
        decided = decided or case.state is S.DECIDED
        assert case.state is not S.ACTIVE or decided


def test_opening_takes_the_first_contact_from_the_urgency_and_publishes_ids_only() -> None:
    referral = a_referral(urgency=Urgency.A, consent=ConsentState.GIVEN, legal_basis=LegalBasis.CONSENT)
    agreed = {MOTHER: ConsentState.GIVEN}
    opened = cases.open_case(referral, case_id=CaseId(uuid4()), by=SATO, on=TODAY, rules=RULES, consents=agreed, otherwise=LegalBasis.INTERNAL_69_2_2)
    assert (opened.state.legal_basis, opened.events[0].legal_basis) == (LegalBasis.CONSENT, LegalBasis.CONSENT)
    assert opened.state.next_due == TODAY
    (event,) = opened.events
    assert isinstance(event, CaseOpened)
    assert event.member_ids == (MOTHER,)


def test_a_second_referral_joins_the_open_case_and_the_more_urgent_one_counts() -> None:
    second = a_referral(member_ids=(SON,), topics=("07", "12"), urgency=Urgency.B)
    joined = cases.join(a_case(), second, on=TODAY, rules=RULES)
    assert joined.state.member_ids == (MOTHER, SON)
    assert joined.state.topics == ("12", "13", "07")
    assert (joined.state.urgency, joined.state.next_due) == (Urgency.B, TODAY + timedelta(days=3))
    assert joined.events == ()


def test_suspending_needs_a_reason_and_a_day_to_look_again() -> None:
    case = a_case(S.RELATION_BUILDING)
    with pytest.raises(ReasonMissing):
        cases.change_state(case, S.SUSPENDED, seen=1, on=TODAY, rules=RULES, watch_on=TODAY + timedelta(days=30))
    with pytest.raises(WatchDateMissing):
        cases.change_state(case, S.SUSPENDED, seen=1, on=TODAY, rules=RULES, reason="S1", watch_on=TODAY)
    suspended = cases.change_state(case, S.SUSPENDED, seen=1, on=TODAY, rules=RULES, reason="S1", watch_on=TODAY + timedelta(days=30)).state
    assert suspended.next_due == TODAY + timedelta(days=30)


@pytest.mark.parametrize("reason", sorted(RULES.closing))
def test_before_the_evaluation_only_some_reasons_close_a_case(reason: str) -> None:
    case = a_case(S.ACTIVE)
    if reason in ("3", "5", "6", "7", "8"):
        (event,) = close(case, reason, seen=1, on=TODAY, rules=RULES, waiting=0).events
        assert isinstance(event, CaseClosed)
    else:
        with pytest.raises(EvaluationComesFirst):
            close(case, reason, seen=1, on=TODAY, rules=RULES, waiting=0)


def test_nobody_is_closed_for_being_out_of_reach_without_a_watch_date_first() -> None:
    with pytest.raises(EvaluationComesFirst):
        close(a_case(S.RELATION_BUILDING), "9", seen=1, on=TODAY, rules=RULES, waiting=0)
    assert close(a_case(S.SUSPENDED), "9", seen=1, on=TODAY, rules=RULES, waiting=0).state.closed


def test_a_referral_without_an_answer_holds_the_case_open_except_at_death_or_moving_out() -> None:
    with pytest.raises(RepliesOutstanding) as refused:
        close(a_case(S.EVALUATING), "1", seen=1, on=TODAY, rules=RULES, waiting=2)
    assert "2 件" in refused.value.sentence
    assert close(a_case(S.EVALUATING), "8", seen=1, on=TODAY, rules=RULES, waiting=2).state.closed


@pytest.mark.parametrize("reason", ["", "S1", "99"])
def test_closing_takes_a_reason_of_the_list(reason: str) -> None:
    with pytest.raises(ReasonMissing):
        close(a_case(S.EVALUATING), reason, seen=1, on=TODAY, rules=RULES, waiting=0)


def test_a_closed_case_has_no_due_day_and_cannot_be_closed_or_taken_again() -> None:
    closed = close(a_case(S.EVALUATING), "1", seen=1, on=TODAY, rules=RULES, waiting=0).state
    assert (closed.next_due, closed.closed_on) == (None, TODAY)
    with pytest.raises(CaseIsClosed):
        close(closed, "1", seen=closed.version, on=TODAY, rules=RULES, waiting=0)
    with pytest.raises(CaseIsClosed):
        cases.take(closed, seen=closed.version, by=ITO)


def test_a_closed_case_opens_again_unless_another_one_is_open() -> None:
    closed = close(a_case(S.EVALUATING), "1", seen=1, on=TODAY, rules=RULES, waiting=0).state
    again = cases.change_state(closed, S.ASSESSING, seen=closed.version, on=TODAY, rules=RULES)
    assert (again.state.close_reason, again.state.closed_on) == (None, None)
    with pytest.raises(AnotherCaseIsOpen):
        cases.change_state(closed, S.ASSESSING, seen=closed.version, on=TODAY, rules=RULES, another_is_open=True)


def test_an_old_page_changes_nothing() -> None:
    with pytest.raises(CaseMovedOn) as refused:
        cases.take(a_case(version=3), seen=2, by=ITO)
    assert "佐藤 花子" in refused.value.sentence


@pytest.mark.parametrize(
    ("said", "basis"), [("given", LegalBasis.CONSENT), ("refused", LegalBasis.INTERNAL_69_2_2), ("withdrawn", LegalBasis.INTERNAL_69_2_2)]
)
def test_consent_heard_anew_changes_the_ground_of_what_is_said_from_now_on(said: str, basis: LegalBasis) -> None:
    before = a_case(legal_basis=LegalBasis.CONSENT, consent=ConsentState.GIVEN)
    case = cases.agreed(before, {MOTHER: consent_said.state_of(said)}, otherwise=LegalBasis.INTERNAL_69_2_2)
    assert case.legal_basis is basis


def test_the_ground_of_a_case_is_consent_only_when_everybody_it_supports_agreed() -> None:
    both = a_case(member_ids=(MOTHER, SON))
    one = cases.agreed(both, {MOTHER: ConsentState.GIVEN}, otherwise=LegalBasis.INTERNAL_69_2_2)
    assert (one.consent, one.legal_basis) == (ConsentState.NOT_ASKED, LegalBasis.INTERNAL_69_2_2)
    all_of_them = cases.agreed(both, {MOTHER: ConsentState.GIVEN, SON: ConsentState.GIVEN}, otherwise=LegalBasis.INTERNAL_69_2_2)
    assert (all_of_them.consent, all_of_them.legal_basis) == (ConsentState.GIVEN, LegalBasis.CONSENT)
    assert cases.agreed(a_case(member_ids=()), {MOTHER: ConsentState.GIVEN}, otherwise=LegalBasis.INTERNAL_69_2_2).consent is ConsentState.NOT_ASKED


def test_a_report_of_abuse_does_not_become_a_matter_of_consent() -> None:
    reported = a_case(legal_basis=LegalBasis.ABUSE_ELDER)
    for state in ConsentState:
        assert cases.agreed(reported, {MOTHER: state}, otherwise=LegalBasis.INTERNAL_69_2_2).legal_basis is LegalBasis.ABUSE_ELDER
