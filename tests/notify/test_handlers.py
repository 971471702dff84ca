"""What is heard becomes knowledge, alerts, events and clocks in one commit; hearing it again changes nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.notify import store
from services.notify.alert import dismiss, finish
from services.notify.parameters import parameters_on
from shared.contracts.alert import DismissReason
from shared.contracts.household import LeavingReason, MemberRole
from shared.contracts.visit import CheckInOutcome, WatchTier
from tests.notify.heard import Ears, fire_due, published, rows
from tests.notify.town import Household, mother_and_son

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
async def ears(databases: Any) -> Ears:
    return Ears(await databases("notify"))


def withdrawn_son() -> Household:
    home, _, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
    return home


async def test_an_alert_its_event_and_its_clock_commit_together(ears: Ears) -> None:
    home = withdrawn_son()
    await ears.hears(home)
    [alert] = await rows(ears.db, "select * from alert")
    assert (alert.rule_id, alert.severity, alert.is_open, alert.household_id) == ("R-502", "S3", True, home.id)
    assert None not in (alert.traceparent, alert.correlation_id)
    assert await published(ears.db) == ["alert.raised.v1"]
    assert [row.kind for row in await rows(ears.db, "select kind from timer")] == ["alert_ack"]


async def test_events_heard_again_raise_nothing(ears: Ears) -> None:
    await ears.hears(withdrawn_son())
    before = await rows(ears.db, "select * from alert")
    await ears.receive(ears.envelopes)
    await ears.receive(ears.envelopes[2:])
    assert await rows(ears.db, "select * from alert") == before
    assert await published(ears.db) == ["alert.raised.v1"]


async def test_t01_and_t02_on_the_database(ears: Ears) -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-elderly", None, "child_concern", "yes", as_of=TODAY)
    await ears.hears(home)
    home.fact("cases-poverty", son, "employment", "not_seeking", since="2011-04", as_of=TODAY)
    await ears.hears(home)
    home.left(mother, LeavingReason.DIED, TODAY)
    await ears.hears(home)
    found = [(row.rule_id, row.severity) for row in await rows(ears.db, "select rule_id, severity from alert order by rule_id")]
    assert found == [("R-502", "S3"), ("R-503", "S3"), ("R-504", "S1")]


async def test_two_open_alerts_of_one_rule_are_refused_by_the_database(ears: Ears) -> None:
    await ears.hears(withdrawn_son())
    again = """
        insert into alert (id, household_id, rule_id, version, state, is_open, severity, to_unit, raised_at, due, body)
        select gen_random_uuid(), household_id, rule_id, version + 1, state, is_open, severity, to_unit, raised_at, due, body from alert
    """
    async with ears.db.transaction() as tx:
        with pytest.raises(IntegrityError, match="alert_once"):
            await tx.execute(text(again))
        await tx.connection.rollback()


async def test_a_rebuilt_projection_raises_nothing_anew(ears: Ears) -> None:
    """The knowledge is thrown away and every old event is heard again; what a person dismissed stays dismissed."""
    await ears.hears(withdrawn_son())
    async with ears.db.transaction() as tx:
        [seen] = (await store.latest_alerts(tx, ears.envelopes[0][0].household_id)).values()
        await store.save(tx, [dismiss(seen, DismissReason.NOT_TRUE, revision=0, at=tx.now)], parameters_on(TODAY))
        await tx.connection.exec_driver_sql("delete from household")
    old = [(event, replace(envelope, time=NOW - timedelta(days=200))) for event, envelope in ears.envelopes]
    await ears.receive(old)
    assert await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=1)) == ["settle"]
    assert [row.state for row in await rows(ears.db, "select state from alert")] == ["dismissed"]
    assert await published(ears.db) == ["alert.raised.v1", "alert.dismissed.v1"]


async def test_old_events_are_judged_once_when_all_have_arrived(ears: Ears) -> None:
    """Ten years played at load: two desks were involved in 2018, today nobody is."""
    home = Household().registered()
    home.member(MemberRole.HEAD, 50)
    first, second = home.case("cases-elderly", date(2018, 4, 1)), home.case("cases-poverty", date(2018, 4, 1))
    await ears.hears(home, NOW - timedelta(days=3000))
    home.closes("cases-elderly", first)
    home.closes("cases-poverty", second)
    await ears.hears(home, NOW - timedelta(days=2900))
    await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=1))
    assert await rows(ears.db, "select * from alert") == []
    assert await rows(ears.db, "select * from household where late_at is not null") == []


async def test_settling_waits_while_old_events_still_arrive(ears: Ears) -> None:
    home = withdrawn_son()
    await ears.hears(home, NOW - timedelta(days=100))
    await fire_due(ears.db)
    assert await rows(ears.db, "select * from alert") == []
    await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=1))
    assert [row.rule_id for row in await rows(ears.db, "select rule_id from alert")] == ["R-502"]


async def test_a_watch_nobody_speaks_of_any_more_is_missed_by_the_clock(ears: Ears) -> None:
    home = Household().registered()
    due = NOW + timedelta(hours=1)
    home.watch(WatchTier.B, due)
    await ears.hears(home)
    assert await fire_due(ears.db, due - timedelta(minutes=1)) == []
    assert await fire_due(ears.db, due) == ["watch_due"]
    assert await fire_due(ears.db, due + timedelta(hours=24)) == ["watch_due"]
    [alert] = await rows(ears.db, "select body from alert")
    assert (alert.body["step"], alert.body["severity"]) == ("neighbour", "S2")
    assert await published(ears.db) == ["alert.raised.v1", "alert.raised.v1"]
    assert await fire_due(ears.db, due + timedelta(hours=48)) != []
    assert [row.severity for row in await rows(ears.db, "select severity from alert")] == ["S1"]


async def test_a_check_in_moves_the_clock_and_closes_the_alert_with_its_reason(ears: Ears) -> None:
    home = Household().registered()
    due = NOW + timedelta(minutes=1)
    plan = home.watch(WatchTier.B, due)
    await ears.hears(home)
    await fire_due(ears.db, due)
    home.check_in(plan, CheckInOutcome.KNOWN_AWAY, NOW, NOW + timedelta(days=5))
    await ears.hears(home)
    [alert] = await rows(ears.db, "select state, body from alert")
    assert (alert.state, alert.body["reason"]) == ("done", "known_away")
    [clock] = await rows(ears.db, "select due_at from timer where kind = 'watch_due'")
    assert clock.due_at == NOW + timedelta(days=5)
    assert await fire_due(ears.db, NOW + timedelta(days=4)) == []


async def test_an_urgent_alert_nobody_looks_at_climbs_after_half_an_hour(ears: Ears) -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
    home.left(mother, LeavingReason.DIED, TODAY)
    await ears.hears(home)
    urgent = (await rows(ears.db, "select id from alert where rule_id = 'R-504'"))[0].id
    assert await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=29)) == []
    await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=31))
    await fire_due(ears.db, datetime.now(UTC) + timedelta(minutes=62))
    [alert] = await rows(ears.db, "select body from alert where id = :id", id=urgent)
    assert alert.body["escalated"] == 2
    assert await rows(ears.db, "select * from timer where key = :id", id=str(urgent)) == []


async def test_a_closed_alert_has_no_clock(ears: Ears) -> None:
    home = withdrawn_son()
    await ears.hears(home)
    async with ears.db.transaction() as tx:
        [seen] = (await store.latest_alerts(tx, home.id)).values()
        await store.save(tx, [finish(seen, revision=0, at=tx.now)], parameters_on(TODAY))
    assert await rows(ears.db, "select * from timer") == []
    await ears.hears(home)
    assert len(await rows(ears.db, "select * from alert")) == 1
