"""R-916: a desk that does not answer a withdrawn consent is told to the center once, and the alert goes when all have answered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notify.alert import AlertState, dismiss
from services.notify.household import HouseholdFacts
from services.notify.words import closing_words, evidence_words
from shared.contracts.alert import AlertDone, AlertRaised, DismissReason, Severity
from shared.contracts.event import Lane, MemberId
from shared.contracts.household import MemberRole
from tests.notify.heard import Ears, fire_due, published, rows
from tests.notify.test_pages import SATO, Desk, desk
from tests.notify.town import NOON, Household, Inbox, fold, numbered

__all__ = ["desk"]
ELDERLY, POVERTY = "cases-elderly", "cases-poverty"


@pytest.fixture
async def ears(databases: Any) -> Ears:
    return Ears(await databases("notify"))


def taken_back(*units: str) -> tuple[Household, MemberId, UUID]:
    """A mother of 82 took her consent back, and the units did not answer in time."""
    home = Household().registered()
    mother = home.member(MemberRole.HEAD, 82)
    return home, mother, home.receipts_missed(mother, *units)


def told(*units: str) -> tuple[Inbox, Household, MemberId, UUID]:
    home, mother, gone = taken_back(*units)
    inbox = Inbox()
    inbox.hears(home)
    return inbox, home, mother, gone


def test_the_center_is_told_which_desks_to_ask_within_three_working_days() -> None:
    inbox, _, _, gone = told(POVERTY, ELDERLY)
    alert = inbox.latest["R-916"]
    assert (alert.severity, alert.to, alert.lane, [(one.source, one.ref) for one in alert.evidence]) == (
        Severity.S2,
        "cases-center",
        Lane.INTERNAL,
        [(ELDERLY, gone), (POVERTY, gone)],
    )
    assert evidence_words(alert.evidence[0]) == "80代の世帯主　同意の撤回（11月21日 12:00）への受領が届いていない"


def test_a_desk_that_answers_leaves_the_same_alert_with_the_others() -> None:
    inbox, home, mother, gone = told(ELDERLY, POVERTY)
    home.receipts_missed(mother, POVERTY, withdrawal=gone)
    (outcome,) = inbox.hears(home)
    assert ([one.source for one in outcome.alert.evidence], outcome.events, outcome.announce) == ([POVERTY], (), False)
    assert [type(event) for event in inbox.published] == [AlertRaised]


def test_the_last_receipt_closes_it_and_it_says_why() -> None:
    inbox, home, mother, gone = told(ELDERLY)
    home.receipts_missed(mother, withdrawal=gone)
    inbox.hears(home)
    alert = inbox.latest["R-916"]
    assert (alert.state, closing_words(alert.reason)) == (AlertState.DONE, "受領がすべて届いた")
    assert [type(event) for event in inbox.published] == [AlertRaised, AlertDone]
    assert inbox.hears(home, NOON + timedelta(days=100)) == ()


def test_the_end_heard_before_the_beginning_raises_nothing() -> None:
    home, mother, gone = taken_back(ELDERLY)
    home.receipts_missed(mother, withdrawal=gone)
    known = fold(HouseholdFacts(home.id), reversed(numbered(home.told)))
    assert [one.units for one in known.withdrawals] == [()]


def test_two_withdrawals_of_a_household_stand_in_one_alert_until_both_are_answered() -> None:
    inbox, home, mother, first = told(ELDERLY)
    second = home.receipts_missed(home.member(MemberRole.CHILD, 53), ELDERLY)
    inbox.hears(home)
    home.receipts_missed(mother, withdrawal=first)
    inbox.hears(home)
    assert (inbox.raised(), [one.ref for one in inbox.latest["R-916"].evidence]) == (["R-916"], [second])


def test_what_was_dismissed_stays_so_and_the_next_withdrawal_is_told() -> None:
    inbox, home, mother, gone = told(ELDERLY)
    inbox.keep(dismiss(inbox.latest["R-916"], DismissReason.ALREADY_HANDLED, revision=0, at=NOON))
    assert inbox.hears(home, NOON + timedelta(days=1)) == ()
    home.receipts_missed(mother, withdrawal=gone)
    assert inbox.hears(home, NOON + timedelta(days=1)) == ()
    home.receipts_missed(mother, ELDERLY)
    inbox.hears(home, NOON + timedelta(days=1))
    assert (inbox.raised(), inbox.latest["R-916"].version) == (["R-916"], 2)


def test_a_desk_that_never_answers_is_told_again_in_a_later_quarter() -> None:
    inbox, home, _, _ = told(ELDERLY)
    inbox.keep(dismiss(inbox.latest["R-916"], DismissReason.NOT_NOW, revision=0, at=NOON))
    inbox.hears(home, NOON + timedelta(days=95))
    assert inbox.raised() == ["R-916"]


async def test_heard_again_and_rebuilt_it_is_one_alert_and_it_still_closes(ears: Ears) -> None:
    home, mother, gone = taken_back(ELDERLY)
    await ears.hears(home)
    await ears.receive(ears.envelopes)
    async with ears.db.transaction() as tx:
        await tx.connection.exec_driver_sql("delete from household")
    await ears.receive([(event, replace(envelope, time=envelope.time - timedelta(days=200))) for event, envelope in ears.envelopes])
    await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=1))
    assert await published(ears.db) == ["alert.raised.v1"]
    home.receipts_missed(mother, withdrawal=gone)
    await ears.hears(home)
    assert [row.state for row in await rows(ears.db, "select state from alert")] == ["done"]
    assert await published(ears.db) == ["alert.raised.v1", "alert.done.v1"]


async def test_the_card_and_the_call_list_say_whom_to_ask_and_where_to_look(desk: Desk) -> None:
    home, _, _ = taken_back(ELDERLY)
    await desk.ears.hears(home)
    (alert,) = await desk.ears.alerts()
    shown = (await desk.get(SATO, f"/inbox/alerts/{alert}")).text
    assert "同意の撤回への受領が届いていません" in shown
    assert "「同意の取り直し」の画面の受領待ち" in shown
    calls = (await desk.get(SATO, f"/inbox/alerts/{alert}/calls")).text
    assert "高齢の窓口</th><td>受領なし" in calls
