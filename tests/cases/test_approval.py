"""承認: 「明らかに本人の利益」で知らせるのは、求めた人とは別の人が決めたときだけ。"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.cases.casework import approval, facts, refer
from services.cases.casework.approval import AlreadySettled, NotApproved, NotYours, OwnRequest, ReasonMissing, Request, RequestState, WhyMissing
from services.cases.casework.basis import HarmNotChecked
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import FactUnreadable
from services.cases.elderly import PROFILE
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import LegalBasis
from tests.cases.builders import FAMILY, ITO, SATO, TODAY, a_case, an_entry, an_offer, rules

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
CHIEF, OTHER = Caseworker("kacho", "課長 一郎"), Caseworker("bucho", "部長 二郎")
CHECKED: dict[str, Any] = {"legal_basis": LegalBasis.BENEFIT_69_2_4, "harm_checked": True, "harm_note": "伝えるのは区分だけ"}


def record(approved: bool = False, **changes: Any) -> Outcome[facts.Fact]:
    entry = an_entry(**CHECKED | changes)
    return facts.record(
        a_case(), entry, household=FAMILY, known=(), consents={}, by=SATO, on=TODAY, profile=PROFILE, rules=rules(), approved=approved
    )


def make(approved: bool = False, **changes: Any) -> Outcome[Any]:
    return refer.refer(
        a_case(), an_offer(**CHECKED | changes), targets={"cases-poverty"}, waiting_at=(), consent=ConsentState.NOT_ASKED, on=TODAY,
        profile=PROFILE, rules=rules(), approved=approved,
    )  # fmt: skip


def asked() -> Request:
    return approval.ask(a_case(), an_entry(**CHECKED), "意識がない", by=SATO, at=NOW).state


@pytest.mark.parametrize("decide", [record, make])
def test_without_an_approval_nothing_is_said_on_this_ground(decide: Any) -> None:
    assert decide().events == ()
    (event,) = decide(approved=True).events
    assert event.legal_basis is LegalBasis.BENEFIT_69_2_4
    assert decide(legal_basis=LegalBasis.INTERNAL_69_2_2).events


@pytest.mark.parametrize("decide", [record, make])
@pytest.mark.parametrize("approved", [False, True])
def test_a_supervisor_does_not_take_the_place_of_looking_whether_it_harms(decide: Any, approved: bool) -> None:
    for missing in ({"harm_checked": False}, {"harm_note": ""}):
        with pytest.raises(HarmNotChecked):
            decide(approved, **missing)


def test_consent_is_not_recorded_for_somebody_who_could_not_be_asked() -> None:
    with pytest.raises(FactUnreadable):
        record(kind="consent", value="given", since=None)


def test_why_the_person_is_not_asked_is_said() -> None:
    with pytest.raises(WhyMissing):
        approval.ask(a_case(), an_offer(**CHECKED), "", by=SATO, at=NOW)
    offer = an_offer(**CHECKED)
    assert approval.ask(a_case(), offer, "意識がない", by=SATO, at=NOW).state.request_id == offer.referral_id


def test_four_eyes() -> None:
    for decide in (approval.approve, lambda one, by, at: approval.decline(one, NotApproved.TELL_LESS, "", by=by, at=at)):
        with pytest.raises(OwnRequest):
            decide(asked(), by=SATO, at=NOW)
    with pytest.raises(OwnRequest):
        approval.approve(asked(), by=replace(SATO, name="佐藤（改姓）"), at=NOW)
    assert approval.approve(asked(), by=CHIEF, at=NOW).state.state is RequestState.APPROVED


def test_only_the_one_who_asked_takes_it_back() -> None:
    for other in (ITO, CHIEF):
        with pytest.raises(NotYours):
            approval.withdraw(asked(), by=other, at=NOW)
    assert approval.withdraw(asked(), by=SATO, at=NOW).state.state is RequestState.WITHDRAWN


def test_a_no_says_why() -> None:
    with pytest.raises(ReasonMissing):
        approval.decline(asked(), None, "", by=CHIEF, at=NOW)
    with pytest.raises(ReasonMissing):
        approval.decline(asked(), NotApproved.OTHER, "", by=CHIEF, at=NOW)
    no = approval.decline(asked(), NotApproved.ASK_THE_PERSON, "明日、病室で", by=CHIEF, at=NOW).state
    assert (no.state, no.reason, no.words, no.settled_by) == (RequestState.DECLINED, NotApproved.ASK_THE_PERSON, "明日、病室で", CHIEF)


def test_who_is_second_is_told_who_was_first_and_the_same_press_again_changes_nothing() -> None:
    done = approval.approve(asked(), by=CHIEF, at=NOW).state
    assert approval.approve(done, by=CHIEF, at=NOW + timedelta(minutes=1)).state is done
    with pytest.raises(AlreadySettled) as told:
        approval.approve(done, by=OTHER, at=NOW)
    assert told.value.sentence.startswith("課長 一郎さんが先に承認しました")
    for change in (lambda: approval.decline(done, NotApproved.MAY_HARM, "", by=CHIEF, at=NOW), lambda: approval.withdraw(done, by=SATO, at=NOW)):
        with pytest.raises(AlreadySettled):
            change()
    gone = approval.withdraw(asked(), by=SATO, at=NOW).state
    with pytest.raises(AlreadySettled) as told:
        approval.approve(gone, by=CHIEF, at=NOW)
    assert told.value.sentence.startswith("佐藤 花子さんが先に取り下げました")
