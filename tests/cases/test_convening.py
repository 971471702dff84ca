"""招集: 会議の根拠は一つ、同意のない案件は支援会議だけ、出席者の期間には終わりがある (domain.md §1.2)。"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

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
)
from services.cases.center.parameters import terms_on
from shared.contracts.conference import ConferenceClosed, ConferenceConvened, Forum
from shared.contracts.event import Lane, LegalBasis
from tests.cases.builders import TODAY
from tests.cases.test_conference import NOW, PROPOSES, an_alert, drafted

TERMS = terms_on(TODAY, None)
DAY = NOW.date()


def wish(forum: Forum = Forum.CONFIDENTIAL, **changes: Any) -> Convening:
    return replace(Convening(forum, ("cases-elderly",), ("mori",), DAY, DAY + timedelta(days=14)), **changes)


def convened(draft: Draft, **changes: Any) -> Draft:
    forum = draft.forum
    return convene(draft, wish(forum, **changes), agreed=True, another=False, terms=TERMS).state


def test_a_confidential_conference_takes_an_item_without_consent_and_says_who_attends_until_when() -> None:
    outcome = convene(drafted(an_alert()), wish(), agreed=False, another=False, terms=TERMS)
    (event,) = outcome.events
    assert isinstance(event, ConferenceConvened)
    assert (event.legal_basis, event.forum, event.units, event.staff) == (LegalBasis.ART106_6, Forum.CONFIDENTIAL, ("cases-elderly",), ("mori",))
    assert (event.convened_on, event.readable_until) == (DAY, DAY + timedelta(days=14 + TERMS.after))
    assert outcome.state.state is DraftState.CONVENED


def test_a_consented_conference_refuses_an_item_without_consent_and_proposes_the_other_one() -> None:
    with pytest.raises(ConsentNotComplete, match="consent_not_complete") as refused:
        convene(drafted(an_alert()), wish(Forum.CONSENTED), agreed=True, another=False, terms=TERMS)
    assert "支援会議（社会福祉法106条の6）を選んでください" in refused.value.fields["forum"]
    with pytest.raises(ConsentNotComplete):  # every reason was agreed to, but somebody has taken it back since
        convene(drafted(an_alert(lane=Lane.CONSENT)), wish(Forum.CONSENTED), agreed=False, another=False, terms=TERMS)
    (event,) = convene(drafted(an_alert(lane=Lane.CONSENT)), wish(Forum.CONSENTED), agreed=True, another=False, terms=TERMS).events
    assert event.legal_basis is LegalBasis.CONSENT


def test_what_was_agreed_to_may_still_be_spoken_of_in_the_confidential_conference() -> None:
    assert convene(drafted(an_alert(lane=Lane.CONSENT)), wish(), agreed=True, another=False, terms=TERMS).state.forum is Forum.CONFIDENTIAL


def test_the_center_convenes_no_forum_of_another_law_and_changes_none_that_is_convened() -> None:
    draft = drafted(an_alert(lane=Lane.CONSENT))
    for forum in (Forum.KONKYU, Forum.YOTAIKYO):
        with pytest.raises(ForumIsFixed):
            convene(draft, wish(forum), agreed=True, another=False, terms=TERMS)
    with pytest.raises(ForumIsFixed):
        convene(convened(draft), wish(Forum.CONFIDENTIAL), agreed=True, another=False, terms=TERMS)


def test_a_conference_has_members_and_an_end() -> None:
    draft = drafted(an_alert())
    for changes, refusal in (
        ({"units": (), "staff": ()}, MembersMissing),
        ({"ends_on": DAY - timedelta(days=1)}, PeriodUnfit),
        ({"ends_on": DAY + timedelta(days=TERMS.longest + 1)}, PeriodUnfit),
    ):
        with pytest.raises(refusal):
            convene(draft, wish(**changes), agreed=True, another=False, terms=TERMS)
    with pytest.raises(AnotherConferenceIsOpen):
        convene(draft, wish(), agreed=True, another=True, terms=TERMS)


def test_closing_ends_the_sight_with_that_day_and_never_prolongs_it() -> None:
    draft = convened(drafted(an_alert()))
    for on, last in ((DAY + timedelta(days=3), DAY + timedelta(days=3)), (DAY + timedelta(days=40), DAY + timedelta(days=14))):
        (event,) = close(draft, on=on, terms=TERMS).events
        assert isinstance(event, ConferenceClosed)
        assert event.readable_until == last + timedelta(days=TERMS.after)
    over = close(draft, on=DAY, terms=TERMS).state
    for late in (lambda: close(over, on=DAY, terms=TERMS), lambda: convene(over, wish(), agreed=True, another=False, terms=TERMS)):
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
