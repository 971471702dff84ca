"""What was told in one forum does not flow into another through an alert: which rules hear it, and on whose consent."""

import random
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from services.notify.alert import AlertState
from services.notify.grounds import Agreement, agreed_with, eyes_of, eyes_of_unit
from services.notify.household import HouseholdFacts
from services.notify.notice import seen
from services.notify.parameters import Parameters
from services.notify.rules import evaluate
from shared.contracts.alert import AlertDone, AlertRaised
from shared.contracts.case import CaseOpened, FactRetracted
from shared.contracts.consent import ConsentForm, ConsentGiven, Purpose
from shared.contracts.event import Lane, LegalBasis
from shared.contracts.household import MemberRole
from shared.contracts.visit import WatchTier
from shared.runtime.policies import sight
from shared.runtime.rights import reader_of
from shared.runtime.unit import bases_of
from tests.notify.town import NOON, TODAY, Household, Inbox, fold, mother_and_son, numbered, parameters
from tests.rights.alert_town import (
    CENTER,
    CHILDREN,
    COORDINATOR,
    ELDERLY,
    POVERTY,
    VISITS,
    agrees,
    takes_back,
    withdrawn_son,
)

# ── あて先が知ってよいことからだけ、気づきが出る


def test_what_the_poverty_conference_was_told_makes_no_alert_of_the_center() -> None:
    inbox = Inbox()
    home, son, _ = withdrawn_son(POVERTY, LegalBasis.KONKYU_9)
    assert inbox.hears(home) == ()
    home.fact("cases-disability", son, "service_use", "none")
    inbox.hears(home)
    alert = inbox.latest["R-502"]
    assert [one.code for one in alert.evidence] == ["parent_and_child", "service_use.none"]
    assert POVERTY not in repr(inbox.published)


def test_a_desk_that_came_in_through_another_forum_is_not_counted_among_the_domains() -> None:
    inbox, home = Inbox(), mother_and_son()[0]
    home.case(ELDERLY)
    home.say(POVERTY, CaseOpened, legal_basis=LegalBasis.KONKYU_9, case_id=uuid4(), state="RECEIVED", opened_on=TODAY)
    assert inbox.hears(home) == (), "R-907 needs two desks, and the center knows of one"
    home.case("cases-disability")
    inbox.hears(home)
    assert inbox.latest["R-907"].domains == ("cases-disability", ELDERLY)


@pytest.mark.parametrize("consent", [False, True])
def test_a_report_of_child_abuse_goes_to_whom_it_is_for_and_to_nobody_else_and_needs_no_consent(consent: bool) -> None:
    """T-08: not blocked by a missing consent, and no trace at the center: not even on the bus, where the center listens."""
    inbox = Inbox()
    home, son, _ = withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)
    home.fact(CHILDREN, son, "consent", "given" if consent else "refused")
    inbox.hears(home)
    assert [*inbox.latest] == ["R-502@cases-children"]
    alert = inbox.latest["R-502@cases-children"]
    assert (alert.to, alert.lane, alert.rule_id) == (CHILDREN, Lane.MANDATORY_REPORT, "R-502")
    assert inbox.published == []
    home.fact("cases-disability", son, "service_use", "none")
    inbox.hears(home)
    assert [one.code for one in inbox.latest["R-502"].evidence] == ["parent_and_child", "service_use.none"]
    assert [(one.to, one.legal_basis) for one in inbox.published if isinstance(one, AlertRaised)] == [(CENTER, LegalBasis.ART106_6)]


def test_danger_to_life_is_for_the_center_as_well_and_the_event_says_on_which_ground() -> None:
    inbox = Inbox()
    inbox.hears(withdrawn_son("outreach", LegalBasis.LIFE_EMERGENCY)[0])
    (raised,) = inbox.published
    assert isinstance(raised, AlertRaised)
    assert (raised.to, raised.lane, raised.legal_basis) == (CENTER, Lane.MANDATORY_REPORT, LegalBasis.LIFE_EMERGENCY)
    assert [*inbox.latest] == ["R-502"], "one alert: the desks that may know of it are not each told beside the center"


def test_the_lane_is_that_of_the_evidence_that_is_really_needed() -> None:
    """R-101 is declared internal: a facility told on a report of elder abuse makes it one, another desk's own word makes it internal again."""
    inbox, home = Inbox(), Household().registered()
    husband, _ = home.member(MemberRole.HEAD, 84), home.member(MemberRole.SPOUSE, 82)
    home.fact(ELDERLY, husband, "whereabouts", "facility", legal_basis=LegalBasis.ABUSE_ELDER)
    inbox.hears(home)
    strict = inbox.latest["R-101"]
    assert (strict.lane, strict.quiet, inbox.published) == (Lane.MANDATORY_REPORT, True, [])
    home.fact("cases-disability", husband, "whereabouts", "facility")
    inbox.hears(home)
    assert (inbox.latest["R-101"].lane, inbox.latest["R-101"].quiet) == (Lane.INTERNAL, False)
    assert {one.basis for one in inbox.latest["R-101"].needed} == {LegalBasis.INTERNAL_69_2_2}


def test_what_a_desk_told_on_69_2_4_is_heard_like_internal_use_and_said_on_that_ground() -> None:
    """Its supervisor approved it (decisions/0012); notify's manifest must let the alert carry the ground, or the household would be held."""
    inbox, home = Inbox(), Household().registered()
    husband, _ = home.member(MemberRole.HEAD, 84), home.member(MemberRole.SPOUSE, 82)
    home.fact(ELDERLY, husband, "whereabouts", "facility", legal_basis=LegalBasis.BENEFIT_69_2_4)
    inbox.hears(home)
    (raised,) = [one for one in inbox.published if isinstance(one, AlertRaised)]
    assert (raised.rule_id, raised.lane, raised.legal_basis) == ("R-101", Lane.INTERNAL, LegalBasis.BENEFIT_69_2_4)
    allowed = bases_of("notify")
    assert allowed
    assert raised.legal_basis in allowed


def test_a_watch_on_a_report_is_still_missed_by_who_keeps_it() -> None:
    inbox, home = Inbox(), Household().registered()
    home.watch(WatchTier.B, NOON, home.member(MemberRole.HEAD, 84))
    home.told[-1] = ("outreach", home.told[-1][1].model_copy(update={"legal_basis": LegalBasis.ABUSE_ELDER}))
    inbox.hears(home, NOON + timedelta(hours=1))
    assert [*inbox.latest] == ["R-105"]
    assert not seen(home.known(), inbox.latest["R-105"], eyes_of(reader_of(COORDINATOR), TODAY))
    assert seen(home.known(), inbox.latest["R-105"], eyes_of(reader_of(VISITS), TODAY))


def test_the_open_grounds_are_asked_once_a_recipient_and_not_once_a_fact() -> None:
    eyes_of_unit.cache_clear()
    sight.cache_clear()
    home, son, _ = withdrawn_son(ELDERLY, LegalBasis.INTERNAL_69_2_2)
    for value in ("37", "09", "10", "15", "04") * 4:
        home.fact(POVERTY, son, "issue", value)
    evaluate(home.known(), NOON, parameters())
    assert sight.cache_info().misses == 2 * 3, "own and others', for the center, the elderly desk and outreach"


# ── 同意とその撤回


def test_a_consented_fact_reaches_the_center_only_while_the_consent_names_it() -> None:
    inbox = Inbox()
    home, son, _ = withdrawn_son(POVERTY, LegalBasis.CONSENT)
    agrees(home, son, POVERTY, ELDERLY)
    assert inbox.hears(home) == ()
    given = agrees(home, son, CENTER)
    inbox.hears(home)
    assert inbox.raised() == ["R-502"]
    takes_back(home, given, CENTER)
    (outcome,) = inbox.hears(home, NOON + timedelta(hours=1))
    assert (outcome.alert.state, outcome.alert.reason, outcome.announce) == (AlertState.DONE, "unseen", False)
    assert [type(one) for one in outcome.events] == [AlertDone]
    assert LegalBasis.CONSENT not in {one.legal_basis for one in outcome.events}
    assert inbox.hears(home, NOON + timedelta(days=200)) == ()


@pytest.mark.parametrize(
    ("purpose", "reaches"), [(Purpose.CONSULTATION, True), (Purpose.PLAN, True), (Purpose.OUTREACH, False), (Purpose.STATISTICS, False)]
)
def test_a_consent_for_something_else_is_none_for_an_alert_of_the_center(purpose: Purpose, reaches: bool) -> None:
    inbox = Inbox()
    home, son, _ = withdrawn_son(ELDERLY, LegalBasis.CONSENT)
    home.say(
        "intake", ConsentGiven, legal_basis=LegalBasis.CONSENT, consent_id=uuid4(), member_id=son, purposes=(purpose,),
        recipients=(CENTER,), form=ConsentForm.WRITTEN, valid_from=TODAY, valid_to=date(2100, 1, 1),
    )  # fmt: skip
    inbox.hears(home)
    assert ("R-502" in inbox.latest) is reaches


def test_what_stands_without_the_withdrawn_fact_stays_the_same_alert() -> None:
    inbox = Inbox()
    home, son, _ = withdrawn_son(POVERTY, LegalBasis.CONSENT)
    given = agrees(home, son, CENTER)
    home.fact("cases-disability", son, "service_use", "none")
    inbox.hears(home)
    first = inbox.latest["R-502"]
    assert len(first.evidence) == 3
    takes_back(home, given, CENTER)
    (outcome,) = inbox.hears(home)
    assert (outcome.alert.id, outcome.events, outcome.announce) == (first.id, (), False)
    assert "withdrawn.3" not in {one.code for one in outcome.alert.evidence}


def test_involvement_and_watching_stay_after_a_withdrawal_as_the_minimum_of_internal_use() -> None:
    inbox, (home, _, son) = Inbox(), mother_and_son()
    given = agrees(home, son, ELDERLY, POVERTY)
    for unit in (ELDERLY, POVERTY):
        home.say(unit, CaseOpened, legal_basis=LegalBasis.CONSENT, case_id=uuid4(), member_ids=(son,), state="RECEIVED", opened_on=TODAY)
    inbox.hears(home)
    takes_back(home, given, ELDERLY, POVERTY)
    assert inbox.hears(home) == ()
    assert inbox.raised() == ["R-907"]


def word(given: bool, day: int, *units: str, every: bool = False, until: date | None = None) -> Agreement:
    return Agreement(UUID(int=day), UUID(int=1), given, None if every else units, date(2026, 11, day), until, NOON + timedelta(minutes=day))


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ([], False),
        ([word(True, 1, CENTER)], True),
        ([word(True, 1, ELDERLY)], False),
        ([word(True, 1, CENTER), word(False, 2, CENTER)], False),
        ([word(True, 1, CENTER), word(False, 2, ELDERLY)], True),
        ([word(False, 1, CENTER), word(True, 2, CENTER)], True),
        ([word(True, 1, every=True)], True),
        ([word(True, 1, every=True), word(False, 2, ELDERLY)], False),
        ([word(True, 3, every=True), word(False, 2, ELDERLY)], True),
        ([word(True, 1, CENTER), word(False, 2, every=True)], False),
        ([word(True, 1, CENTER, until=date(2026, 11, 24))], True),
        ([word(True, 1, CENTER, until=date(2026, 11, 23))], False),
        ([word(True, 25, CENTER)], False),
    ],
)
def test_the_newest_word_to_that_desk_counts(said: list[Agreement], agreed: bool) -> None:
    dice = random.Random(7)
    assert agreed_with([UUID(int=1)], dice.sample(said, len(said)), frozenset({CENTER}), TODAY) is agreed
    assert not agreed_with([UUID(int=1), UUID(int=2)], said, frozenset({CENTER}), TODAY), "one person's consent covers nobody else"


def test_a_consent_that_was_a_mistake_never_was() -> None:
    home, son, _ = withdrawn_son(POVERTY, LegalBasis.CONSENT)
    said = agrees(home, son, CENTER)
    home.say("intake", FactRetracted, fact_id=said.consent_id)
    lines = numbered(home.told)
    assert fold(HouseholdFacts(home.id), lines).said == fold(HouseholdFacts(home.id), [lines[-1], *lines[:-1]]).said == ()


def test_the_city_may_send_a_rule_to_the_desk_it_is_for() -> None:
    """R-604-like: a rule whose declared recipient is competent stands on the report itself."""
    given: Parameters = parameters()
    rules = dict(given.rules) | {"R-502": given.rules["R-502"].model_copy(update={"to": CHILDREN})}
    found = evaluate(withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)[0].known(), NOON, given.model_copy(update={"rules": rules}))
    assert [(key, one.to, one.lane, one.reported) for key, one in found.items()] == [("R-502", CHILDREN, Lane.MANDATORY_REPORT, False)]
