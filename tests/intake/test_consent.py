"""同意の決まり: 一人ずつ、相手と期間を限り、いちばん新しい言葉が勝つ。"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.intake import consent
from services.intake.consent import ConsentIncomplete, Consents, GivenBy, NothingToWithdraw, Source, Subject, Why, Wish, WithdrawReason
from shared.contracts.consent import ConsentForm, ConsentGiven, ConsentWithdrawn, Purpose
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId

HOME, MOTHER, SON = HouseholdId(uuid4()), MemberId(uuid4()), MemberId(uuid4())
DAY = date(2026, 11, 26)
NOON = datetime(2026, 11, 26, 3, tzinfo=UTC)
ELDERLY, POVERTY = "cases-elderly", "cases-poverty"


def said(member: MemberId = MOTHER, *units: str, on: date = DAY, at: datetime = NOON, **more: Any) -> consent.Consent:
    made = consent.Consent(
        uuid4(), HOME, member, frozenset({Purpose.CONSULTATION}), frozenset(units or (ELDERLY,)), frozenset(), ConsentForm.WRITTEN, GivenBy.SELF,
        on, on, consent.last_day(on, 365), at, Source.FORM, "説明 した人",
    )  # fmt: skip
    return replace(made, **more)


def wish(member: MemberId = MOTHER, *units: str, on: date = DAY, at: datetime = NOON) -> Wish:
    some = frozenset(units) if units else None
    return Wish(uuid4(), HOME, member, some, WithdrawReason.PERSON_ASKED, on, at, Source.FORM)


def given(one: consent.Consent, **subject: Any) -> consent.Consent:
    return consent.give(one, subject=Subject(MOTHER, **subject), targets={ELDERLY, POVERTY}, today=DAY, longest_days=365).state


def test_a_consent_is_said_with_its_scope_and_its_last_day() -> None:
    outcome = consent.give(said(), subject=Subject(MOTHER), targets={ELDERLY}, today=DAY, longest_days=365)
    (event,) = outcome.events
    assert isinstance(event, ConsentGiven)
    assert (event.legal_basis, event.recipients, event.valid_to) == (LegalBasis.CONSENT, (ELDERLY,), date(2027, 11, 25))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"purposes": frozenset()}, "purposes"),
        ({"recipients": frozenset()}, "recipients"),
        ({"recipients": frozenset({"cases-nowhere"})}, "recipients"),
        ({"explained_by": ""}, "explained_by"),
        ({"obtained_on": DAY + timedelta(days=1)}, "obtained_on"),
        ({"valid_to": DAY - timedelta(days=1)}, "valid_to"),
        ({"valid_to": DAY + timedelta(days=365)}, "valid_to"),
    ],
)
def test_what_is_missing_is_said_at_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(ConsentIncomplete) as refusal:
        given(said(**wrong))
    assert list(refusal.value.fields) == [field]


def test_a_parent_does_not_consent_for_an_adult_and_for_a_child_only_until_the_day_before_18() -> None:
    by_parent = said(given_by=GivenBy.PARENT)
    with pytest.raises(ConsentIncomplete):
        given(by_parent, adult_on=DAY, age=18)
    assert given(by_parent, adult_on=date(2027, 4, 1), age=17).valid_to == date(2027, 3, 31)
    assert given(said(), adult_on=date(2027, 4, 1), age=17).valid_to == date(2027, 11, 25)


def test_somebody_born_on_a_leap_day_is_18_on_the_first_of_march() -> None:
    assert consent.adult_on(date(2008, 2, 29)) == date(2026, 3, 1)


def test_one_members_consent_covers_nobody_else_and_no_other_desk() -> None:
    known = Consents((said(),))
    assert known.standing(MOTHER, ELDERLY, DAY)
    assert not known.standing(SON, ELDERLY, DAY)
    assert not known.standing(MOTHER, POVERTY, DAY)
    assert not known.standing(MOTHER, ELDERLY, DAY, {Purpose.OUTREACH})


def test_the_last_day_counts_and_the_day_after_does_not_and_an_older_longer_consent_does_not_come_back() -> None:
    older, newer = said(on=DAY - timedelta(days=5)), said(valid_to=DAY + timedelta(days=10), at=NOON + timedelta(hours=1))
    known = Consents((older, newer))
    assert known.standing(MOTHER, ELDERLY, DAY + timedelta(days=10)) == newer
    assert known.standing(MOTHER, ELDERLY, DAY + timedelta(days=11)) is None


def test_a_withdrawal_ends_what_was_said_before_it_and_not_what_is_said_after() -> None:
    first = said()
    outcome = consent.withdraw(Consents((first,)), wish(at=NOON + timedelta(hours=1)), holders={POVERTY})
    known = Consents((first,), (outcome.state,))
    assert not known.standing(MOTHER, ELDERLY, DAY)
    again = said(at=NOON + timedelta(hours=2))
    assert replace(known, given=(first, again)).standing(MOTHER, ELDERLY, DAY) == again
    late = said(MOTHER, POVERTY, on=DAY - timedelta(days=1))
    assert not replace(known, given=(first, late)).standing(MOTHER, POVERTY, DAY)  # said before, heard after


def test_a_withdrawal_names_the_recipients_and_whoever_holds_a_copy_and_does_not_rest_on_consent() -> None:
    (event,) = consent.withdraw(Consents((said(),)), wish(), holders={POVERTY}).events
    assert isinstance(event, ConsentWithdrawn)
    assert (event.recipients, event.legal_basis) == ((ELDERLY, POVERTY), LegalBasis.INTERNAL_69_2_2)


def test_one_recipient_can_be_taken_away_and_the_other_stays() -> None:
    both = said(MOTHER, ELDERLY, POVERTY)
    outcome = consent.withdraw(Consents((both,)), wish(MOTHER, POVERTY, at=NOON + timedelta(hours=1)), holders={ELDERLY, POVERTY})
    known = Consents((both,), (outcome.state,))
    assert outcome.state.recipients == {POVERTY}
    assert known.standing(MOTHER, ELDERLY, DAY)
    assert not known.standing(MOTHER, POVERTY, DAY)


@pytest.mark.parametrize("asked", [wish(SON), wish(MOTHER, POVERTY), wish(MOTHER, on=DAY - timedelta(days=1))])
def test_what_was_not_given_cannot_be_taken_back(asked: Wish) -> None:
    with pytest.raises(NothingToWithdraw):
        consent.withdraw(Consents((said(),)), asked, holders={ELDERLY})


def test_a_new_referral_follows_the_newest_word_about_that_desk() -> None:
    spoken = said(source=Source.CONSULTATION)
    assert Consents((spoken,)).state_for(MOTHER, POVERTY, DAY) is None  # as it was said at reception
    assert Consents((said(),)).state_for(MOTHER, POVERTY, DAY) is ConsentState.NOT_ASKED
    gone = consent.withdraw(Consents((spoken,)), wish(at=NOON + timedelta(hours=1)), holders=()).state
    assert Consents((spoken,), (gone,)).state_for(MOTHER, POVERTY, DAY) is ConsentState.REFUSED


def whys(known: Consents, on: date, *, adult: date | None = None, referred: tuple[str, ...] = (ELDERLY,)) -> list[Why]:
    return [one.why for one in consent.retakes(known, {MOTHER: adult}, referred, on, 30)]


def test_a_consent_is_to_be_taken_again_thirty_days_before_it_ends_and_after() -> None:
    known, end = Consents((said(),)), consent.last_day(DAY, 365)
    assert whys(known, end - timedelta(days=31)) == []
    assert whys(known, end - timedelta(days=30)) == [Why.EXPIRES]
    assert whys(known, end + timedelta(days=1)) == [Why.EXPIRED]


def test_a_new_recipient_and_an_18th_birthday_ask_for_it_again() -> None:
    assert whys(Consents((said(),)), DAY, referred=(ELDERLY, POVERTY)) == [Why.NEW_RECIPIENT]
    child = given(said(given_by=GivenBy.PARENT), adult_on=DAY + timedelta(days=20), age=17)
    assert whys(Consents((child,)), DAY, adult=DAY + timedelta(days=20)) == [Why.ADULT]


def test_nobody_is_asked_again_for_what_was_taken_back_or_who_never_agreed() -> None:
    first = said()
    gone = consent.withdraw(Consents((first,)), wish(at=NOON + timedelta(hours=1)), holders=()).state
    assert whys(Consents((first,), (gone,)), consent.last_day(DAY, 365)) == []
    assert whys(Consents(), DAY) == []
