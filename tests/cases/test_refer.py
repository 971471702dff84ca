"""つなぐ: 受ける窓口へ、理由の区分を添えて、根拠のあるときだけ。"""

from datetime import timedelta
from typing import Any

import pytest

from services.cases.casework.basis import ConsentIsMissing
from services.cases.casework.case import Case, CaseIsClosed
from services.cases.casework.refer import AlreadyReferred, TargetUnknown, TopicsMissing, refer
from services.cases.casework.referral import Referral, ReferralState
from services.cases.elderly import PROFILE
from shared.contracts.case import CaseState
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import LegalBasis
from shared.contracts.referral import ReferralMade
from tests.cases.builders import MOTHER, TODAY, a_case, an_offer, rules


def make(case: Case | None = None, **changes: Any) -> Outcome[Referral]:
    values: dict[str, Any] = {"targets": {"cases-poverty", "cases-elderly"}, "waiting_at": (), "consent": ConsentState.NOT_ASKED, "on": TODAY}
    about = {name: changes.pop(name) for name in ("to", "topics", "legal_basis") if name in changes}
    return refer(case or a_case(), an_offer(**about), **values | changes, profile=PROFILE, rules=rules())


def test_a_referral_says_to_whom_why_and_until_when() -> None:
    outcome = make()
    (event,) = outcome.events
    assert isinstance(event, ReferralMade)
    assert (event.to, event.topics, event.member_ids) == ("cases-poverty", ("07",), (MOTHER,))
    assert event.reply_due == TODAY + timedelta(days=3)
    assert outcome.state.state is ReferralState.RECEIVED


@pytest.mark.parametrize("to", ["", "cases-nowhere", "cases-elderly"])
def test_only_a_desk_that_takes_referrals_and_not_oneself(to: str) -> None:
    with pytest.raises(TargetUnknown):
        make(to=to)


def test_not_twice_while_the_answer_is_awaited() -> None:
    with pytest.raises(AlreadyReferred):
        make(waiting_at=["cases-poverty"])


@pytest.mark.parametrize("topics", [(), ("77",)])
def test_a_topic_of_the_list_is_needed(topics: tuple[str, ...]) -> None:
    with pytest.raises(TopicsMissing):
        make(topics=topics)


def test_consent_as_the_ground_needs_consent() -> None:
    with pytest.raises(ConsentIsMissing):
        make(legal_basis=LegalBasis.CONSENT)
    assert make(legal_basis=LegalBasis.CONSENT, consent=ConsentState.GIVEN).events


def test_nobody_is_referred_from_a_closed_case() -> None:
    with pytest.raises(CaseIsClosed):
        make(a_case(CaseState.CLOSED))
