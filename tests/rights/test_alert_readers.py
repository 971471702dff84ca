"""Who reads which alert and which of its lines: the pages, the stream and the counts, against the policies, both ways."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.notify import lists, store
from services.notify.alert import Alert, AlertState, Outcome
from services.notify.grounds import Agreement, Ground, eyes_of
from services.notify.household import HouseholdFacts
from services.notify.lists import Filter
from services.notify.notice import seen
from services.notify.rules import Evidence, Kind
from services.notify.sight import eyes
from shared.contracts.access import BreakGlassOpened, BreakGlassReason
from shared.contracts.alert import Severity
from shared.contracts.event import HouseholdId, Lane, LegalBasis
from shared.runtime import rights
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.policies import Gate, Place, Reader, may_enter
from shared.runtime.rights import Rights, reader_of
from shared.runtime.testing import eventually
from tests.notify.heard import fire_due, published, rows
from tests.notify.test_pages import Desk, desk, listening
from tests.notify.town import NOON, TODAY, parameters
from tests.rights.alert_town import (
    CARE,
    CENTER,
    CHILDREN,
    COORDINATOR,
    ELDERLY,
    KODOMO,
    MANAGER,
    NOW,
    POVERTY,
    READERS,
    agrees,
    takes_back,
    withdrawn_son,
)

__all__ = ["desk"]

# ── 読む人ごとに: 一覧・一枚・数・流れ


async def everything(desk: Desk, staff: Staff, household: UUID) -> str:
    """Whatever notify shows this reader of the household."""
    pages = [await desk.get(staff, path) for path in ("/", "/inbox", "/inbox?closed=1")]
    pages.append(await desk.get(staff, f"/_part/household/{household}/alerts", **{"hx-request": "true"}))
    for alert in await desk.ears.alerts():
        pages += [await desk.get(staff, f"/inbox/alerts/{alert}"), await desk.get(staff, f"/inbox/alerts/{alert}/calls")]
    return "".join(page.text for page in pages if page.status_code == 200)


async def numbers_of(desk: Desk, staff: Staff) -> tuple[Any, ...]:
    async with desk.db.read() as rd:
        rd.rights = Rights(reader_of(staff), Place("notify"), today=TODAY)
        return await lists.counts(rd), await lists.count(rd, Filter()), await lists.last_number(rd), await lists.last_raised(rd)


async def numbered_now(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        await lists.number_changes(tx)


TITLE, FACT = "子が仕事や外出から離れています", "自室からは出るが家からは出ない"


async def test_a_report_leaves_no_trace_for_the_coordinator_and_the_desk_it_is_for_sees_it(desk: Desk) -> None:
    before = await numbers_of(desk, COORDINATOR)
    async with listening(desk) as stream:
        home = withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)[0]
        home.case(CHILDREN)
        await desk.ears.hears(home)
        await numbered_now(desk)
        await desk.raised()  # another household, of which the coordinator does hear
        await eventually(lambda: stream.messages())
        assert str(home.id) not in stream.body.decode()
        assert len(stream.messages()) == 1
    (alert,) = await rows(desk.db, "select id, to_unit from alert where household_id = :h", h=home.id)
    assert alert.to_unit == CHILDREN
    async with desk.db.transaction() as tx:
        await tx.execute(text("delete from inbox_change c using alert a where a.id = c.alert_id and a.household_id <> :h"), {"h": home.id})
        await tx.execute(text("delete from alert where household_id <> :h"), {"h": home.id})
    assert await numbers_of(desk, COORDINATOR) == before == await numbers_of(desk, MANAGER)
    assert TITLE not in await everything(desk, COORDINATOR, home.id)
    assert await published(desk.db) == ["alert.raised.v1"], "of the other household"
    for action in ("acknowledge", "take", "dismiss", "done"):
        assert (await desk.press(COORDINATOR, f"/inbox/alerts/{alert.id}/{action}", revision=0, reason="not_now")).status_code == 404
    async with desk.db.transaction() as tx:
        query = "insert into announced_unit values ('cases-children', '子どもの窓口', '/d/children', 'children', true, '[]', '1', now())"
        await tx.execute(text(query))
    assert TITLE in (await desk.get(KODOMO, "/")).text
    assert TITLE not in (await desk.get(CARE, "/")).text


async def test_each_reader_sees_the_lines_that_are_open_and_not_the_others(desk: Desk) -> None:
    home, son, _ = withdrawn_son("cases-disability", LegalBasis.INTERNAL_69_2_2)
    home.fact(CENTER, son, "service_use", "none", legal_basis=LegalBasis.ART106_6)
    await desk.ears.hears(home)
    mine, theirs = await everything(desk, COORDINATOR, home.id), await everything(desk, MANAGER, home.id)
    assert (FACT in mine, "サービス" in mine) == (True, True)
    assert (FACT in theirs, "サービス" in theirs) == (True, False)


async def test_of_an_alert_that_needs_what_is_not_open_not_even_the_title_is_there(desk: Desk) -> None:
    """The composition of the household is open to a manager, but the title alone would tell what the conference was told."""
    home, _, _ = withdrawn_son(CENTER, LegalBasis.ART106_6)
    await desk.ears.hears(home)
    assert TITLE in await everything(desk, COORDINATOR, home.id)
    assert TITLE not in await everything(desk, MANAGER, home.id)


async def test_a_withdrawal_takes_the_evidence_out_of_every_alert_and_off_the_open_page(desk: Desk) -> None:
    home, son, _ = withdrawn_son(POVERTY, LegalBasis.CONSENT)
    given = agrees(home, son, CENTER, "notify")
    await desk.ears.hears(home)
    (alert,) = await desk.ears.alerts()
    assert FACT in await everything(desk, COORDINATOR, home.id)
    await numbered_now(desk)
    number = (await rows(desk.db, "select max(number) as n from inbox_change"))[0].n
    async with listening(desk, after=number) as stream:
        takes_back(home, given, CENTER, "notify")
        await desk.ears.hears(home)
        await eventually(lambda: f'hx-target="#alert-{alert}" hx-swap="delete"' in stream.body.decode())
        assert FACT not in stream.body.decode()
    shown = await everything(desk, COORDINATOR, home.id)
    assert (FACT in shown, TITLE in shown, str(alert) in shown) == (False, False, False)
    assert (await numbers_of(desk, COORDINATOR))[:2] == ({}, 0)
    assert "withdrawn.3" not in repr(await rows(desk.db, "select body from alert"))
    said = await rows(desk.db, "select payload from outbox where type like '%receipt%'")
    assert len(said) == 1
    assert b'"removed":1' in bytes(said[0].payload).replace(b" ", b"")


async def test_a_consent_that_has_run_out_hides_by_itself_and_the_next_review_closes(desk: Desk) -> None:
    today = datetime.now(UTC).date()
    home, son, _ = withdrawn_son(POVERTY, LegalBasis.CONSENT)
    agrees(home, son, CENTER, until=today + timedelta(days=5), on=today - timedelta(days=9))
    await desk.ears.hears(home)
    (alert,) = await desk.ears.alerts()

    async def open_on(day: date) -> bool:
        async with desk.db.read() as rd:
            rd.rights = Rights(reader_of(COORDINATOR), Place("notify"), today=day)
            found = [one.alert.id for one in await lists.inbox(rd, Filter())]
            assert await lists.count(rd, Filter()) == len(found)
            return found == [alert]

    assert await open_on(today + timedelta(days=5))
    assert not await open_on(today + timedelta(days=6))
    async with desk.db.transaction() as tx:
        tx.schedule("review_day", "all", tx.now)
    await fire_due(desk.db, NOW + timedelta(days=7))
    assert [row.state for row in await rows(desk.db, "select state from alert")] == ["done"]


async def test_a_break_glass_opens_what_is_hidden(desk: Desk) -> None:
    home, _, _ = withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)
    await desk.ears.hears(home)
    assert TITLE not in await everything(desk, COORDINATOR, home.id)
    async with desk.db.transaction() as tx:
        opened = BreakGlassOpened(
            household_id=home.id, legal_basis=LegalBasis.INTERNAL_69_2_2, access_id=uuid4(), staff=COORDINATOR.sub,
            reason=BreakGlassReason.ABUSE, until=datetime(2100, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        await rights.keep(tx, opened)
    assert FACT in await everything(desk, COORDINATOR, home.id)


# ── データベースと決まりが、どちらの向きでも同じことを言う

BASES: tuple[LegalBasis | None, ...] = (*LegalBasis, None)
UNITS = ("intake", CENTER, CHILDREN, POVERTY, ELDERLY, "outreach")


PURPOSES = (None, ("consultation",), ("plan", "statistics"), ("outreach",), ("statistics",), ())


def a_known(dice: random.Random) -> tuple[HouseholdFacts, Alert]:
    """A household with random words about consent, and an alert on random grounds."""
    household, members = HouseholdId(uuid4()), [uuid4(), uuid4()]

    def a_word() -> Agreement:
        recipients = None if dice.random() < 0.4 else tuple(dice.sample(UNITS, dice.randint(0, 3)))
        since, until = TODAY + timedelta(days=dice.randint(-4, 1)), dice.choice([None, TODAY - timedelta(days=1), TODAY])
        said_at = NOON + timedelta(hours=dice.randint(0, 2))
        return Agreement(uuid4(), dice.choice(members), dice.random() < 0.6, recipients, since, until, said_at, dice.choice(PURPOSES))

    def ground() -> Ground:
        basis = LegalBasis.CONSENT if dice.random() < 0.4 else dice.choice(BASES)
        return Ground(dice.choice(UNITS), basis, tuple(dice.sample(members, dice.randint(0, 2))))

    grounds = [ground() for _ in range(dice.randint(0, 4))]
    evidence = tuple(Evidence(Kind.FACT, one.source, uuid4(), TODAY, "withdrawn.3", basis=one.basis, whose=one.whose) for one in grounds)
    needed = tuple(dict.fromkeys(dice.sample(grounds, dice.randint(min(1, len(grounds)), min(2, len(grounds))))))
    alert = Alert(
        id=uuid4(), household_id=household, rule_id="R-502", rule_version="1", quarter="2026Q3", version=1, state=AlertState.RAISED,
        severity=dice.choice([*Severity]), to=dice.choice(UNITS), lane=Lane.INTERNAL, domains=(), people=(), evidence=evidence, raised_at=NOON,
        due=NOON, acknowledge_by=NOON, needed=needed,
    )  # fmt: skip
    return HouseholdFacts(household, said=tuple(a_word() for _ in range(dice.randint(0, 6)))), alert


@pytest.mark.parametrize("seed", range(3))
async def test_the_lists_the_counts_and_the_policies_agree_both_ways(databases: Any, seed: int) -> None:
    db: Database = await databases("notify")
    dice = random.Random(seed)
    town = [a_known(dice) for _ in range(200)]
    async with db.transaction() as tx:
        await store.keep_known(tx, [household for household, _ in town])
        await store.save(tx, [Outcome(alert) for _, alert in town], parameters())
    async with db.transaction() as tx:
        await lists.number_changes(tx)
    given = {row.alert_id: row.number for row in await rows(db, "select alert_id, number from inbox_change")}
    for staff in READERS:
        reader = eyes_of(reader_of(staff), TODAY)
        everybodys = may_enter(reader_of(staff), Place("notify"), Gate.OVERSEE_ALERTS)
        theirs = [(household, alert) for household, alert in town if everybodys or alert.to in reader.units]
        wanted = {alert.id: found for household, alert in theirs if (found := seen(household, alert, reader))}
        async with db.read() as rd:
            rd.rights = Rights(reader_of(staff), Place("notify"), today=TODAY)
            pages = [await lists.inbox(rd, Filter(page=page)) for page in range(1, 6)]
            shown = {one.alert.id: one.alert for page in pages for one in page}
            assert shown == wanted, staff.sub
            assert await lists.count(rd, Filter()) == len(wanted) == sum((await lists.counts(rd)).values())
            assert await lists.last_number(rd) == max((given[one] for one in wanted), default=0)
            for _, alert in town:
                if alert.id not in wanted:
                    with pytest.raises(store.AlertNotFound):
                        await lists.one(rd, alert.id)
        for one in wanted.values():
            assert one.evidence or one.declared, "an alert of which nothing is readable is not in the list"
    assert any(seen(household, alert, eyes_of(reader_of(COORDINATOR), TODAY)) for household, alert in town)


def test_what_a_desk_was_told_in_a_conference_is_not_for_its_colleagues_who_do_not_attend() -> None:
    """fact.recorded does not say in which conference: so to nobody of the desk, by an alert."""
    center, colleague = (eyes_of(reader_of(one), TODAY) for one in (COORDINATOR, CARE))
    told = Ground(ELDERLY, LegalBasis.ART106_6)
    assert center.see(told, ())
    assert not colleague.see(told, ())
    assert colleague.see(Ground(ELDERLY, LegalBasis.INTERNAL_69_2_2), ())


async def test_without_a_reader_nothing_is_open(databases: Any) -> None:
    async with (await databases("notify")).read() as rd:
        assert not any(eyes(rd).see(Ground(unit, basis), ()) for unit, basis in product(UNITS, BASES))


def test_whoever_works_in_a_unit_works_there() -> None:
    assert all(Reader.of_unit(unit).units == {unit} for unit in UNITS)
