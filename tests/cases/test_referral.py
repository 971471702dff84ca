"""つなぎ: 受理・不受理・保留は一度だけ、先に返事をした人の名前が言える。"""

from collections.abc import Callable
from functools import partial

import pytest

from services.cases.casework import referral
from services.cases.casework.referral import ReasonMissing, Referral, ReferralAlreadyAnswered, ReferralState, ReferralWithdrawn
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined, ReferralHeld
from tests.cases.builders import ITO, SATO, TODAY, a_referral

Answer = Callable[..., object]
ANSWERS = [referral.accept, partial(referral.decline, reason=DeclineReason.NOT_OURS), referral.hold]


def test_accepting_says_so_once_and_names_the_one_who_did() -> None:
    arrived = a_referral()
    outcome = referral.accept(arrived, seen=1, by=SATO, on=TODAY)
    assert outcome.state.state is ReferralState.ACCEPTED
    assert outcome.state.answered_by == SATO
    (event,) = outcome.events
    assert isinstance(event, ReferralAccepted)
    assert event.referral_id == arrived.referral_id


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_second_caseworker_is_told_who_was_first(answer: Answer) -> None:
    accepted = referral.accept(a_referral(), seen=1, by=SATO, on=TODAY).state
    with pytest.raises(ReferralAlreadyAnswered) as refused:
        answer(accepted, seen=1, by=ITO, on=TODAY)
    assert refused.value.sentence.startswith("佐藤 花子さんが先に受理しました")


def test_pressing_twice_is_the_same_answer() -> None:
    accepted = referral.accept(a_referral(), seen=1, by=SATO, on=TODAY).state
    assert referral.accept(accepted, seen=1, by=SATO, on=TODAY).events == ()


def test_declining_needs_a_reason() -> None:
    with pytest.raises(ReasonMissing):
        referral.decline(a_referral(), None, seen=1, by=SATO, on=TODAY)
    (event,) = referral.decline(a_referral(), DeclineReason.NO_CAPACITY, seen=1, by=SATO, on=TODAY).events
    assert isinstance(event, ReferralDeclined)
    assert event.reason is DeclineReason.NO_CAPACITY


def test_a_held_referral_can_still_be_accepted_by_another_who_has_seen_that_it_is_held() -> None:
    held = referral.hold(a_referral(), seen=1, by=SATO, on=TODAY)
    assert isinstance(held.events[0], ReferralHeld)
    assert held.state.reply_due == a_referral().reply_due
    assert referral.accept(held.state, seen=2, by=ITO, on=TODAY).state.state is ReferralState.ACCEPTED
    with pytest.raises(ReferralAlreadyAnswered) as refused:
        referral.accept(held.state, seen=1, by=ITO, on=TODAY)
    assert "佐藤 花子さんが先に保留にしました" in refused.value.sentence


def test_a_withdrawn_consultation_takes_the_waiting_referral_back_but_not_the_answered_one() -> None:
    withdrawn = referral.withdraw(a_referral()).state
    with pytest.raises(ReferralWithdrawn):
        referral.accept(withdrawn, seen=2, by=SATO, on=TODAY)
    accepted = referral.accept(a_referral(), seen=1, by=SATO, on=TODAY).state
    assert referral.withdraw(accepted).state == accepted


def test_the_answer_of_the_other_desk_is_heard() -> None:
    ours: Referral = a_referral(to="cases-poverty")
    (event,) = referral.decline(ours, DeclineReason.ALREADY_INVOLVED, seen=1, by=ITO, on=TODAY).events
    assert isinstance(event, ReferralDeclined)
    heard = referral.hear(ours, event)
    assert (heard.state, heard.decline_reason) == (ReferralState.DECLINED, DeclineReason.ALREADY_INVOLVED)
    assert heard.answered_by is None
