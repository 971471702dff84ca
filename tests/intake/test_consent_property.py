"""どんな順に同意し、撤回し、期間が過ぎ、取り直しても: 開示の答えに、根拠のない人も、除かれた項目もない。"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake import consent, disclosure
from services.intake.consent import Consent, Consents, GivenBy, NothingToWithdraw, Source, Wish, WithdrawReason
from services.intake.consultation import Consultation, Content, StaffRef
from services.intake.consultation import WithdrawReason as Cancelled
from services.intake.disclosure import Ground
from services.intake.household import Birth, Household, Member, Person
from services.intake.sheet import Visitor
from shared.contracts import consent_uses
from shared.contracts.consent import ConsentForm, ConsentItem, Purpose
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.disclosure import Disclosure, DisclosureRequest
from shared.contracts.event import ConsultationId, HouseholdId, Lane, LegalBasis, MemberId
from shared.contracts.household import LeavingReason

START = date(2026, 4, 1)
UNITS = ("cases-elderly", "cases-poverty", "outreach")
HOME = HouseholdId(UUID(int=1))
MEMBERS = tuple(MemberId(UUID(int=n)) for n in (11, 12, 13))


@dataclass(frozen=True)
class Step:
    """One day's word: a consent or a withdrawal of one member about some desks."""

    yes: bool
    member: MemberId
    units: frozenset[str]
    days: int
    excluded: frozenset[ConsentItem]
    purposes: frozenset[Purpose]
    everyone: bool


steps = st.lists(
    st.builds(
        Step,
        yes=st.booleans(),
        member=st.sampled_from(MEMBERS),
        units=st.frozensets(st.sampled_from(UNITS), min_size=1),
        days=st.integers(1, 12),
        excluded=st.frozensets(st.sampled_from(ConsentItem)),
        purposes=st.frozensets(st.sampled_from(Purpose), min_size=1),
        everyone=st.booleans(),
    ),
    max_size=12,
)
grounds = st.lists(
    st.tuples(
        st.sampled_from(UNITS),
        st.sampled_from(["made", "accepted", "held", "declined"]),
        st.none() | st.sampled_from(MEMBERS),
        st.booleans(),
        st.sampled_from(["INTERNAL_69_2_2", "CONSENT", "BENEFIT_69_2_4"]),
    ),
    max_size=4,
)
requests = st.tuples(st.sampled_from(UNITS), st.sampled_from(["referral", "watch", "curiosity"]), st.sampled_from(LegalBasis))


def household(gone: MemberId | None) -> Household:
    people = [
        Member(member, Person(name=f"架空 {member.int}", kana="カクウ", birth=Birth(date(1950, 1, 2)), phone="0000-00-0000"), START)
        for member in MEMBERS
    ]
    return Household(
        HOME, town="架空町1", members=tuple(replace(m, left_on=START, left_reason=LeavingReason.DIED) if m.id == gone else m for m in people)
    )


def ground(to: str, status: str, subject: MemberId | None, withdrawn: bool, basis: str) -> Ground:
    if subject is None:
        return Ground(uuid4(), to, basis, status, None)
    content = Content("（架空）相談の内容", ("12",), None, Urgency.C, ConsentState.GIVEN)
    by = StaffRef("r1", "試験 受付")
    told = Consultation(
        ConsultationId(uuid4()), "R8-0001", HOME, subject, "3", Visitor(), content, datetime(2026, 4, 1, tzinfo=UTC), by, uuid4(), "",
    )  # fmt: skip
    return Ground(uuid4(), to, basis, status, replace(told, withdrawn=Cancelled.MISTAKE) if withdrawn else told)


def lived(history: list[Step]) -> Consents:
    """The words in the order they were said, one a day."""
    known = Consents()
    for number, step in enumerate(history):
        day, at = START + timedelta(days=number), datetime(2026, 4, 1, tzinfo=UTC) + timedelta(days=number)
        if step.yes:
            made = Consent(
                uuid4(), HOME, step.member, step.purposes, step.units, step.excluded, ConsentForm.ORAL, GivenBy.SELF, day, day,
                consent.last_day(day, step.days), at, Source.FORM,
            )  # fmt: skip
            known = replace(known, given=(*known.given, made))
            continue
        wish = Wish(uuid4(), HOME, step.member, None if step.everyone else step.units, WithdrawReason.PERSON_ASKED, day, at, Source.FORM)
        try:
            known = replace(known, withdrawn=(*known.withdrawn, consent.withdraw(known, wish, holders=()).state))
        except NothingToWithdraw:
            continue
    return known


@dataclass(frozen=True)
class Model:
    """The last word about (member, desk), kept the simplest way there is."""

    until: date
    excluded: frozenset[ConsentItem]
    purposes: frozenset[Purpose]


def last_words(history: list[Step]) -> dict[tuple[MemberId, str], Model]:
    words: dict[tuple[MemberId, str], Model] = {}
    for number, step in enumerate(history):
        day = START + timedelta(days=number)
        for unit in UNITS if step.everyone and not step.yes else step.units:
            words.pop((step.member, unit), None)
            if step.yes:
                words[step.member, unit] = Model(day + timedelta(days=step.days - 1), step.excluded, step.purposes)
    return words


def purposes_for(asker: str, on: date) -> frozenset[Purpose]:
    return consent_uses.wanted(consent_uses.use_of(asker, on), on).purposes


def check(answer: Disclosure, asked: DisclosureRequest, words: dict[tuple[MemberId, str], Model], on: date) -> None:
    needed = purposes_for(asked.asker, on)
    agreed = {
        person.member_id: word
        for person in answer.members
        if (word := words.get((person.member_id, asked.asker))) and word.until >= on and word.purposes & needed
    }
    if asked.legal_basis is LegalBasis.CONSENT:
        assert set(agreed) == {person.member_id for person in answer.members}
    if asked.legal_basis.lane is Lane.MANDATORY_REPORT:
        return
    for person in answer.members:
        hidden = agreed[person.member_id].excluded if person.member_id in agreed else frozenset()
        assert not (ConsentItem.PHONE in hidden and person.phone)
        assert not (ConsentItem.BIRTH in hidden and person.birth)
        assert not (ConsentItem.ADDRESS in hidden and answer.address)


@settings(max_examples=400, deadline=None)
@given(steps, grounds, requests, st.integers(0, 20), st.none() | st.sampled_from(MEMBERS))
def test_no_answer_names_anybody_without_ground_or_holds_what_was_excluded(
    history: list[Step],
    made: list[tuple[str, str, MemberId | None, bool, str]],
    wanted: tuple[str, str, LegalBasis],
    later: int,
    gone: MemberId | None,
) -> None:
    on, home = START + timedelta(days=len(history) + later), household(gone)
    asker, purpose, basis = wanted
    asked = DisclosureRequest(asker=asker, household_id=HOME, purpose=purpose, legal_basis=basis)
    named = [ground(*one) for one in made]
    known = lived(history)
    decided = disclosure.decide(asked, named, [member.id for member in home.present], known, on)
    if decided.refused:
        assert decided.told == {}
        return
    assert purpose in disclosure.ASKED_FOR
    assert basis not in disclosure.UNLAWFUL
    assert basis not in disclosure.APPROVED or any((one.to_unit, one.legal_basis) == (asker, basis) for one in named if one.status != "declined")
    assert decided.ground in [one for one in named if one.to_unit == asker and one.status != "declined"]
    answer = disclosure.disclose(uuid4(), home, decided)
    assert gone not in {person.member_id for person in answer.members}
    check(answer, asked, last_words(history), on)
    if answer.consultation_text:
        assert decided.ground
        assert decided.ground.consultation
        subject = decided.ground.consultation.subject_id
        assert subject in {person.member_id for person in answer.members}
        word = known.standing(subject, asker, on, purposes_for(asker, on))
        assert basis.lane is Lane.MANDATORY_REPORT or not (word and ConsentItem.CONSULTATION_TEXT in word.excluded)


@settings(max_examples=300, deadline=None)
@given(steps, st.integers(0, 20))
def test_whoever_is_said_to_agree_does_so_by_the_last_word(history: list[Step], later: int) -> None:
    on, known, words = START + timedelta(days=len(history) + later), lived(history), last_words(history)
    for member in MEMBERS:
        for unit in UNITS:
            word = words.get((member, unit))
            assert bool(known.standing(member, unit, on)) == bool(word and word.until >= on)
