"""招集: 会議の根拠は一つ、同意のない案件は支援会議だけ、出席者の期間には終わりがある (domain.md §1.2)。"""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.cases.casework.household import Household, Member
from services.cases.center.conference import Convening, Draft, DraftState, drop, propose
from services.cases.center.convening import (
    AnotherConferenceIsOpen,
    ConferenceIsOver,
    ConsentNotComplete,
    ForumIsFixed,
    MembersMissing,
    PeriodUnfit,
    break_off,
    close,
    convene,
    whose_consent,
    without_consent,
)
from services.cases.center.parameters import of_age_on, terms_on
from shared.contracts.conference import ConferenceClosed, ConferenceConvened, Forum
from shared.contracts.consultation import ConsentState
from shared.contracts.event import Lane, LegalBasis, MemberId
from shared.contracts.household import LeavingReason, MemberRole
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY
from tests.cases.test_conference import NOW, PROPOSES, an_alert, drafted

TERMS = terms_on(TODAY, None)
DAY = NOW.date()


def wish(forum: Forum = Forum.CONFIDENTIAL, **changes: Any) -> Convening:
    return replace(Convening(forum, ("cases-elderly",), ("mori",), DAY, DAY + timedelta(days=14)), **changes)


def convened(draft: Draft, **changes: Any) -> Draft:
    forum = draft.forum
    return convene(draft, wish(forum, **changes), without="", another=False, terms=TERMS).state


def test_a_confidential_conference_takes_an_item_without_consent_and_says_who_attends_until_when() -> None:
    outcome = convene(drafted(an_alert()), wish(), without="子", another=False, terms=TERMS)
    (event,) = outcome.events
    assert isinstance(event, ConferenceConvened)
    assert (event.legal_basis, event.forum, event.units, event.staff) == (LegalBasis.ART106_6, Forum.CONFIDENTIAL, ("cases-elderly",), ("mori",))
    assert (event.convened_on, event.readable_until) == (DAY, DAY + timedelta(days=14 + TERMS.after))
    assert outcome.state.state is DraftState.CONVENED


def test_a_consented_conference_refuses_an_item_without_consent_and_proposes_the_other_one() -> None:
    with pytest.raises(ConsentNotComplete, match="consent_not_complete") as refused:
        convene(drafted(an_alert()), wish(Forum.CONSENTED), without="", another=False, terms=TERMS)
    assert "支援会議（社会福祉法106条の6）を選んでください" in refused.value.fields["forum"]
    with pytest.raises(ConsentNotComplete):  # every reason was agreed to, but somebody has taken it back since
        convene(drafted(an_alert(lane=Lane.CONSENT)), wish(Forum.CONSENTED), without="子", another=False, terms=TERMS)
    (event,) = convene(drafted(an_alert(lane=Lane.CONSENT)), wish(Forum.CONSENTED), without="", another=False, terms=TERMS).events
    assert event.legal_basis is LegalBasis.CONSENT


def test_every_adult_at_home_has_to_agree_and_silence_is_no_consent() -> None:
    child, gone, unknown = (MemberId(uuid4()) for _ in range(3))
    on = date(2026, 4, 1)
    household = Household(
        HOUSEHOLD,
        members=(
            Member(MOTHER, MemberRole.HEAD, "1944-04"),
            Member(SON, MemberRole.CHILD, "1973-06"),
            Member(child, MemberRole.OTHER, "2008-05"),
            Member(gone, MemberRole.SPOUSE, "1940-01", LeavingReason.DIED, on),
            Member(unknown, MemberRole.OTHER, None),
        ),
    )
    whose = whose_consent(household, on, of_age_on(on, None))
    assert {one.member_id for one in whose} == {MOTHER, SON, unknown}, "seventeen until the month of the birthday; the dead are not asked"
    assert child in {one.member_id for one in whose_consent(household, date(2026, 5, 1), of_age_on(on, None))}
    assert child not in {one.member_id for one in whose_consent(household, date(2026, 5, 1), of_age_on(date(2022, 3, 31), None))}, (
        "of age at twenty then"
    )
    given = {one.member_id: ConsentState.GIVEN for one in whose}
    assert without_consent(whose, given) == ""
    for said in (
        given | {SON: ConsentState.REFUSED},
        given | {SON: ConsentState.NOT_ASKED},
        {MOTHER: ConsentState.GIVEN, unknown: ConsentState.GIVEN},
    ):
        assert without_consent(whose, said) == MemberRole.CHILD.label
    assert without_consent((), {}), "nobody is known there yet"


def test_what_was_agreed_to_may_still_be_spoken_of_in_the_confidential_conference() -> None:
    assert convene(drafted(an_alert(lane=Lane.CONSENT)), wish(), without="", another=False, terms=TERMS).state.forum is Forum.CONFIDENTIAL


def test_the_center_convenes_no_forum_of_another_law_and_changes_none_that_is_convened() -> None:
    draft = drafted(an_alert(lane=Lane.CONSENT))
    for forum in (Forum.KONKYU, Forum.YOTAIKYO):
        with pytest.raises(ForumIsFixed):
            convene(draft, wish(forum), without="", another=False, terms=TERMS)
    with pytest.raises(ForumIsFixed):
        convene(convened(draft), wish(Forum.CONFIDENTIAL), without="", another=False, terms=TERMS)


def test_a_conference_has_members_and_an_end() -> None:
    draft = drafted(an_alert())
    for changes, refusal in (
        ({"units": (), "staff": ()}, MembersMissing),
        ({"ends_on": DAY - timedelta(days=1)}, PeriodUnfit),
        ({"ends_on": DAY + timedelta(days=TERMS.longest + 1)}, PeriodUnfit),
    ):
        with pytest.raises(refusal):
            convene(draft, wish(**changes), without="", another=False, terms=TERMS)
    with pytest.raises(AnotherConferenceIsOpen):
        convene(draft, wish(), without="", another=True, terms=TERMS)


def test_closing_ends_the_sight_with_that_day_and_never_prolongs_it() -> None:
    draft = convened(drafted(an_alert()))
    for on, last in ((DAY + timedelta(days=3), DAY + timedelta(days=3)), (DAY + timedelta(days=40), DAY + timedelta(days=14))):
        (event,) = close(draft, on=on, terms=TERMS).events
        assert isinstance(event, ConferenceClosed)
        assert event.readable_until == last + timedelta(days=TERMS.after)
    over = close(draft, on=DAY, terms=TERMS).state
    for late in (lambda: close(over, on=DAY, terms=TERMS), lambda: convene(over, wish(), without="", another=False, terms=TERMS)):
        with pytest.raises(ConferenceIsOver):
            late()


def test_a_consent_taken_back_ends_the_sight_at_once() -> None:
    (event,) = break_off(convened(drafted(an_alert(lane=Lane.CONSENT))), on=DAY).events
    assert isinstance(event, ConferenceClosed)
    assert event.readable_until < DAY


def test_a_new_reason_joins_a_conference_only_if_its_ground_bears_it() -> None:
    consented, confidential = convened(drafted(an_alert(lane=Lane.CONSENT))), convened(drafted(an_alert()))
    new = an_alert("R-503")
    joined = propose(new, confidential, proposes=PROPOSES, conference_id=new.alert_id)
    apart = propose(new, consented, proposes=PROPOSES, conference_id=new.alert_id)
    assert joined is not None
    assert apart is not None
    assert (joined.conference_id, len(joined.reasons)) == (confidential.conference_id, 2)
    assert (apart.conference_id, apart.state) == (new.alert_id, DraftState.DRAFT)


def test_a_dismissed_alert_does_not_end_a_conference_that_people_convened() -> None:
    draft = convened(drafted(an_alert()))
    assert drop(draft, draft.reasons[0].alert_id).state is DraftState.CONVENED
