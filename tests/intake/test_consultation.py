"""相談の受付の決めごと (FM1)。データベースなしで。"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from services.intake import amendment
from services.intake.consultation import (
    AlreadyWithdrawn,
    Consultation,
    ConsultationIncomplete,
    Reception,
    StaffRef,
    WithdrawReason,
    check,
    receive,
    refer,
)
from services.intake.household import Birth, Household, Member, Person
from services.intake.parameters import parameters_on
from services.intake.sheet import Concern, Sheet, SheetPerson
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.codes import fact_kinds
from shared.contracts.consultation import ConsentState, ConsultationWithdrawn, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import Confidence, HouseholdId, LegalBasis, MemberId
from shared.contracts.household import MemberJoined, MemberRole
from shared.runtime.problems import ChangedMeanwhile

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
BY = StaffRef("r1", "試験 受付")
TARGETS = frozenset({"cases-elderly", "cases-poverty"})
MOTHER = Person(MemberRole.HEAD, "見本 文子", "ミホン フミコ", Birth(on=date(1943, 4, 1)))
SON = Person(MemberRole.CHILD, "見本 健一", "ミホン ケンイチ", Birth(age=53, asked_on=TODAY))


def sheet(**more: object) -> Sheet:
    whole = Sheet(form_key=uuid4(), route="3", persons=(SheetPerson(MOTHER),), text="相談したい。")
    return replace(whole, **more)  # type: ignore[arg-type]


def take(given: Sheet, known: Household | None = None, new_id: Callable[[], UUID] = uuid4) -> Outcome[Reception]:
    due = parameters_on(TODAY).reply_due
    return receive(given, known=known, receipt_no="R8-0001", by=BY, at=NOW, reply_due=due, targets=TARGETS, new_id=new_id)


def refused(given: Sheet) -> dict[str, str]:
    with pytest.raises(ConsultationIncomplete) as no:
        check(given, TARGETS)
    return no.value.fields


def test_four_fields_are_required_and_nothing_else() -> None:
    blank = Sheet(form_key=uuid4(), urgency=None)
    assert set(refused(blank)) == {"route", "name", "text", "urgency"}
    check(sheet(), TARGETS)


def test_every_refusal_says_what_to_do() -> None:
    for sentence in refused(Sheet(form_key=uuid4(), urgency=None, refer_to=("cases-none",), main_topic="12")).values():
        assert sentence.endswith("。")


def test_a_name_may_be_unknown_when_the_desk_says_so() -> None:
    nobody = sheet(persons=(SheetPerson(Person()),))
    assert "name" in refused(nobody)
    check(replace(nobody, name_unknown=True), TARGETS)


def test_urgency_a_needs_the_confirmation() -> None:
    assert set(refused(sheet(urgency=Urgency.A))) == {"urgency_confirmed"}
    check(sheet(urgency=Urgency.A, urgency_confirmed=True), TARGETS)


def test_a_referral_goes_only_to_a_desk_that_takes_them() -> None:
    assert "cases-none" in refused(sheet(refer_to=("cases-none",)))["refer_to"]


def test_what_could_not_be_read_is_said_together_with_what_is_missing() -> None:
    fields = refused(sheet(text="", problems={"birth": "読めません。"}))
    assert set(fields) == {"text", "birth"}


def test_an_age_alone_becomes_the_middle_month_of_the_possible_year() -> None:
    joined = [e for e in take(sheet(persons=(SheetPerson(MOTHER), SheetPerson(SON)))).events if isinstance(e, MemberJoined)]
    assert [event.birth_month for event in joined] == ["1943-04", "1973-05"]


def test_a_person_of_unknown_age_has_no_birth_month() -> None:
    joined = [e for e in take(sheet(persons=(SheetPerson(replace(MOTHER, birth=Birth())),))).events if isinstance(e, MemberJoined)]
    assert joined[0].birth_month is None


def test_what_was_heard_is_reported_and_of_today() -> None:
    given = sheet(persons=(SheetPerson(MOTHER), SheetPerson(SON, (Concern("withdrawn", "3"),))), household_concerns=(Concern("key_person", "lost"),))
    facts = take(given).state.facts
    assert {fact.confidence for fact in facts} == {Confidence.REPORTED}
    assert {fact.as_of for fact in facts} == {TODAY}
    assert [fact.member_id is None for fact in facts] == [False, True]


def test_the_day_of_receipt_is_the_day_in_japan() -> None:
    late = receive(
        sheet(), known=None, receipt_no="R8-0001", by=BY, at=datetime(2026, 11, 23, 15, 0, tzinfo=UTC),
        reply_due=parameters_on(TODAY).reply_due, targets=TARGETS, new_id=uuid4,
    )  # fmt: skip
    assert late.state.consultation.received_on == date(2026, 11, 24)


@pytest.mark.parametrize(
    ("urgency", "made", "due"),
    [
        (Urgency.A, date(2026, 11, 23), date(2026, 11, 23)),
        (Urgency.B, date(2026, 11, 20), date(2026, 11, 24)),  # Friday; Monday is 勤労感謝の日
        (Urgency.C, date(2026, 12, 25), date(2027, 1, 7)),  # over 12/29–1/3
        (Urgency.D, date(2026, 11, 20), date(2026, 11, 27)),
    ],
)
def test_the_reply_is_due_by_urgency_in_days_the_office_is_open(urgency: Urgency, made: date, due: date) -> None:
    assert parameters_on(made).reply_due(made, urgency) == due


def test_a_linked_household_gains_only_those_it_did_not_have() -> None:
    mother = Member(MemberId(uuid4()), replace(MOTHER, name="見本　文子"), TODAY)
    home = Household(HouseholdId(uuid4()), members=(mother,))
    outcome = take(sheet(persons=(SheetPerson(MOTHER), SheetPerson(SON))), known=home)
    assert [type(e) for e in outcome.events[:1]] == [MemberJoined]
    assert outcome.state.consultation.subject_id == mother.id
    assert [one.person for one in outcome.state.joined] == [SON]


def test_one_registered_member_is_not_two_typed_people() -> None:
    home = Household(HouseholdId(uuid4()), members=(Member(MemberId(uuid4()), MOTHER, TODAY),))
    outcome = take(sheet(persons=(SheetPerson(MOTHER), SheetPerson(MOTHER))), known=home)
    assert len(outcome.state.joined) == 1


def grounds(outcome: Outcome[Reception]) -> dict[tuple[str, str], LegalBasis]:
    """(who, what) → the legal basis of the fact."""
    subject = outcome.state.consultation.subject_id
    facts = outcome.state.facts
    return {("subject" if one.member_id == subject else "other" if one.member_id else "household", one.kind): one.legal_basis for one in facts}


def test_consent_is_the_consent_of_the_person_concerned_alone() -> None:
    mother, son = SheetPerson(MOTHER, (Concern("care_level", "care2"),)), SheetPerson(SON, (Concern("withdrawn", "3"),))
    both = sheet(persons=(mother, son), household_concerns=(Concern("key_person", "lost"),), consent=ConsentState.GIVEN, refer_to=("cases-elderly",))
    outcome = take(both)
    assert grounds(outcome) == {
        ("subject", "care_level"): LegalBasis.CONSENT,
        ("subject", "consent"): LegalBasis.CONSENT,
        ("other", "withdrawn"): LegalBasis.INTERNAL_69_2_2,
        ("household", "key_person"): LegalBasis.INTERNAL_69_2_2,
    }
    assert {event.legal_basis for event in outcome.events if isinstance(event, MemberJoined)} == {LegalBasis.INTERNAL_69_2_2}


@pytest.mark.parametrize(("with_son", "basis"), [(False, LegalBasis.CONSENT), (True, LegalBasis.INTERNAL_69_2_2)])
def test_a_referral_rests_on_consent_only_when_the_person_alone_is_referred(with_son: bool, basis: LegalBasis) -> None:
    son = SheetPerson(SON, (Concern("withdrawn", "3"),) if with_son else ())
    (made,) = take(sheet(persons=(SheetPerson(MOTHER), son), consent=ConsentState.GIVEN, refer_to=("cases-elderly",))).state.referrals
    assert (len(made.member_ids), made.legal_basis) == (1 + with_son, basis)


@pytest.mark.parametrize(("consent", "told"), [(ConsentState.GIVEN, ["given"]), (ConsentState.REFUSED, ["refused"]), (ConsentState.NOT_ASKED, [])])
def test_whose_consent_it_is_is_told_as_a_fact(consent: ConsentState, told: list[str]) -> None:
    outcome = take(sheet(persons=(SheetPerson(MOTHER), SheetPerson(SON)), consent=consent))
    said = [event for event in outcome.events if isinstance(event, FactRecorded)]
    assert [event.value for event in said] == told
    assert all((event.kind, event.member_id) == ("consent", outcome.state.consultation.subject_id) for event in said)
    assert all(fact_kinds()[event.kind].label_of(event.value) != event.value for event in said)


def test_the_same_sheet_has_the_same_hash_and_an_added_word_has_not() -> None:
    aged = sheet(persons=(SheetPerson(MOTHER), SheetPerson(SON)))
    next_day = SheetPerson(replace(SON, birth=Birth(age=53, asked_on=date(2026, 11, 24))))
    assert replace(aged, form_key=uuid4(), persons=(SheetPerson(MOTHER), next_day)).form_hash == aged.form_hash
    added = {"text": "相談したい。書き足し", "consent": ConsentState.GIVEN, "persons": (SheetPerson(MOTHER),), "problems": {"birth": "読めません。"}}
    assert len({aged.form_hash, *(replace(aged, **{name: value}).form_hash for name, value in added.items())}) == 5  # type: ignore[arg-type]


def taken(**more: object) -> Consultation:
    return take(sheet(**more)).state.consultation


def test_a_correction_of_an_older_version_is_compared_and_not_saved() -> None:
    one = taken()
    mine = replace(one.content, text="私の訂正")
    with pytest.raises(ChangedMeanwhile) as conflict:
        amendment.correct(replace(one, version=2), mine, seen_version=1, by=BY, at=NOW, new_id=uuid4)
    assert conflict.value.yours == {"相談内容": "私の訂正"}
    assert conflict.value.theirs == {"相談内容": "相談したい。"}


def test_saving_without_a_change_changes_nothing() -> None:
    one = taken()
    outcome = amendment.correct(one, one.content, seen_version=1, by=BY, at=NOW, new_id=uuid4)
    assert outcome == Outcome(one)


def test_a_corrected_consent_is_told_as_a_fact() -> None:
    one = taken()
    outcome = amendment.correct(one, replace(one.content, consent=ConsentState.GIVEN), seen_version=1, by=BY, at=NOW, new_id=uuid4)
    (event,) = outcome.events
    assert isinstance(event, FactRecorded)
    assert (event.kind, event.value, event.member_id, event.legal_basis) == ("consent", "given", one.subject_id, LegalBasis.CONSENT)


def test_withdrawing_takes_back_what_was_heard() -> None:
    fact = uuid4()
    outcome = amendment.withdraw(taken(), WithdrawReason.MISTAKE, "", facts=(fact,), by=BY, at=NOW)
    gone, retracted = outcome.events
    assert isinstance(gone, ConsultationWithdrawn)
    assert isinstance(retracted, FactRetracted)
    assert retracted.fact_id == fact


def test_a_withdrawn_consultation_cannot_be_changed_referred_or_withdrawn_again() -> None:
    gone = amendment.withdraw(taken(), WithdrawReason.MISTAKE, "", facts=(), by=BY, at=NOW).state
    due = parameters_on(TODAY).reply_due
    with pytest.raises(AlreadyWithdrawn):
        amendment.correct(gone, gone.content, seen_version=gone.version, by=BY, at=NOW, new_id=uuid4)
    with pytest.raises(AlreadyWithdrawn):
        amendment.withdraw(gone, WithdrawReason.OTHER, "", facts=(), by=BY, at=NOW)
    with pytest.raises(AlreadyWithdrawn):
        refer(gone, ("cases-elderly",), (), at=NOW, reply_due=due, targets=TARGETS, new_id=uuid4)
