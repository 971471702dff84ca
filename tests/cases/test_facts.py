"""事実: 語彙にあるものだけ、その人のことだけ、同意は一人ずつ。"""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.casework import facts
from services.cases.casework.basis import BasisNotOurs, ConsentIsMissing
from services.cases.casework.case import Case, CaseIsClosed
from services.cases.casework.facts import Entry, Fact, FactGone, FactUnreadable
from services.cases.elderly import PROFILE as ELDERLY
from services.cases.poverty import PROFILE as POVERTY
from shared.contracts.case import CaseState, FactRecorded, FactRetracted
from shared.contracts.consent_said import Consents
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import LegalBasis, MemberId
from tests.cases.builders import FAMILY, MOTHER, SATO, SON, TODAY, a_case, an_entry, rules

RULES = rules()


def record(entry: Entry, *known: Fact, case: Case | None = None, consents: Consents | None = None) -> Outcome[Fact]:
    return facts.record(
        case or a_case(), entry, household=FAMILY, known=known, consents=consents or {}, by=SATO, on=TODAY, profile=ELDERLY, rules=RULES
    )


def refused_fields(entry: Entry) -> set[str]:
    with pytest.raises(FactUnreadable) as refused:
        record(entry)
    return set(refused.value.fields)


def test_a_fact_is_said_with_its_kind_value_time_and_confidence_and_nothing_else() -> None:
    (event,) = record(an_entry(evidence="被保険者証で確認")).events
    assert isinstance(event, FactRecorded)
    assert (event.kind, event.value, event.since, event.member_id) == ("care_level", "care2", "2024-08", MOTHER)
    assert "被保険者証" not in event.model_dump_json()


@given(kind=st.sampled_from(sorted(RULES.vocabulary)), value=st.one_of(st.sampled_from(["yes", "none", "care2", "4", "lost"]), st.text(max_size=12)))
def test_nothing_outside_the_vocabulary_is_ever_recorded(kind: str, value: str) -> None:
    known = RULES.vocabulary[kind]
    member = None if known.scope == "household" else MOTHER
    entry = an_entry(kind=kind, value=value, member_id=member, since=None)
    try:
        outcome = record(entry)
    except FactUnreadable:
        assert not RULES.asks(kind) or value not in known.values
    else:
        assert RULES.asks(kind)
        assert outcome.state.value in known.values


def test_a_desk_records_only_what_it_asks() -> None:
    assert refused_fields(an_entry(kind="employment", value="not_seeking", member_id=SON)) == {"kind"}
    outcome = facts.record(
        a_case(), an_entry(kind="employment", value="not_seeking", member_id=SON, since="2011-04"), household=FAMILY, known=(), consents={},
        by=SATO, on=TODAY, profile=POVERTY, rules=rules(POVERTY),
    )  # fmt: skip
    assert outcome.state.since == "2011-04"


def test_who_it_is_about_fits_the_kind() -> None:
    assert refused_fields(an_entry(member_id=None)) == {"member_id"}
    assert refused_fields(an_entry(kind="child_concern", value="yes", since=None)) == {"member_id"}
    assert refused_fields(an_entry(member_id=MemberId(uuid4()))) == {"member_id"}
    assert record(an_entry(kind="child_concern", value="yes", member_id=None)).state.member_id is None


def test_time_does_not_run_ahead_or_before_birth() -> None:
    assert refused_fields(an_entry(since="2026-12")) == {"since"}
    assert refused_fields(an_entry(since="1944-03")) == {"since"}
    assert refused_fields(an_entry(as_of=TODAY.replace(day=24))) == {"as_of"}


def test_a_new_value_takes_the_place_of_the_old_one_of_the_same_person() -> None:
    before = record(an_entry()).state
    of_son = replace(before, fact_id=uuid4(), member_id=SON)
    outcome = record(an_entry(value="care3"), of_son, before)
    assert outcome.state.supersedes == before.fact_id
    (event,) = outcome.events
    assert isinstance(event, FactRecorded)
    assert event.supersedes == before.fact_id


def test_issues_stand_beside_each_other_and_only_the_same_one_is_replaced() -> None:
    first = record(an_entry(kind="issue", value="10", since=None)).state
    assert record(an_entry(kind="issue", value="15", since=None), first).state.supersedes is None
    assert record(an_entry(kind="issue", value="10", since=None), first).state.supersedes == first.fact_id


def test_a_retracted_or_superseded_fact_supersedes_nothing_and_is_not_retracted_again() -> None:
    recorded = record(an_entry()).state
    outcome = facts.retract(recorded, on=TODAY)
    assert isinstance(outcome.events[0], FactRetracted)
    with pytest.raises(FactGone):
        facts.retract(outcome.state, on=TODAY)
    assert record(an_entry(), outcome.state).state.supersedes is None


def test_the_consent_of_one_member_does_not_cover_another() -> None:
    both = a_case(consent=ConsentState.GIVEN, member_ids=(MOTHER, SON))
    mother_agreed = {MOTHER: ConsentState.GIVEN}
    by_consent = an_entry(kind="dementia", value="suspected", legal_basis=LegalBasis.CONSENT, since=None)
    assert record(by_consent, case=both, consents=mother_agreed).events
    with pytest.raises(ConsentIsMissing):
        record(replace(by_consent, member_id=SON), case=both, consents=mother_agreed)
    assert record(replace(by_consent, member_id=SON), case=both, consents=mother_agreed | {SON: ConsentState.GIVEN}).events


def test_a_fact_of_the_whole_household_needs_the_consent_of_all_it_supports() -> None:
    of_all = an_entry(kind="child_concern", value="yes", member_id=None, since=None, legal_basis=LegalBasis.CONSENT)
    both = a_case(consent=ConsentState.GIVEN, member_ids=(MOTHER, SON))
    with pytest.raises(ConsentIsMissing):
        record(of_all, case=both, consents={MOTHER: ConsentState.GIVEN})
    assert record(of_all, case=both, consents={MOTHER: ConsentState.GIVEN, SON: ConsentState.GIVEN}).events


def test_refused_consent_is_no_consent() -> None:
    with pytest.raises(ConsentIsMissing):
        record(an_entry(legal_basis=LegalBasis.CONSENT), case=a_case(consent=ConsentState.GIVEN), consents={MOTHER: ConsentState.REFUSED})


def test_a_desk_uses_only_its_own_grounds() -> None:
    with pytest.raises(BasisNotOurs):
        record(an_entry(legal_basis=LegalBasis.ABUSE_CHILD))


def test_nothing_is_recorded_in_a_closed_case() -> None:
    with pytest.raises(CaseIsClosed):
        record(an_entry(), case=a_case(CaseState.CLOSED))
