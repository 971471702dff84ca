"""What was told in one forum does not flow into another through an alert: the rules, the pages, the stream and the counts, both ways."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.notify import lists, store
from services.notify.alert import Alert, AlertState, Outcome
from services.notify.facts import Told
from services.notify.grounds import Agreement, Ground, agreed_with, eyes_of, eyes_of_unit
from services.notify.household import HouseholdFacts
from services.notify.lists import Filter
from services.notify.notice import seen
from services.notify.parameters import Parameters
from services.notify.rules import Evidence, Kind, evaluate
from services.notify.sight import eyes
from shared.contracts.access import BreakGlassOpened, BreakGlassReason
from shared.contracts.alert import AlertDone, AlertRaised, Severity
from shared.contracts.case import CaseOpened, FactRecorded, FactRetracted
from shared.contracts.consent import ConsentForm, ConsentGiven, ConsentWithdrawn, Purpose
from shared.contracts.event import HouseholdId, Lane, LegalBasis, MemberId
from shared.contracts.household import MemberRole
from shared.contracts.visit import WatchTier
from shared.runtime import rights
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.policies import Place, Reader, sight
from shared.runtime.rights import Rights, reader_of
from shared.runtime.testing import eventually
from tests.notify.heard import REGISTRY, fire_due, published, rows
from tests.notify.test_pages import Desk, desk, listening
from tests.notify.town import NOON, TODAY, Household, Inbox, fold, mother_and_son, numbered, parameters

__all__ = ["desk"]
NOW = datetime.now(UTC)
CENTER, CHILDREN, POVERTY, ELDERLY = "cases-center", "cases-children", "cases-poverty", "cases-elderly"
COORDINATOR = Staff("sato", "調整 花子", frozenset({"coordinator"}))
MANAGER = Staff("kacho", "課長 一郎", frozenset({"manager"}))
KODOMO = Staff("kodomo", "児島 こども", frozenset({"caseworker"}), frozenset({"children"}))
KURASHI = Staff("mori", "森 健", frozenset({"caseworker"}), frozenset({"poverty"}))
CARE = Staff("suzuki", "鈴木 一郎", frozenset({"caseworker"}), frozenset({"elderly"}))
BOTH = Staff("abe", "阿部 二郎", frozenset({"caseworker"}), frozenset({"elderly", "children"}))
VISITS = Staff("homon", "訪問 歩", frozenset({"outreach"}))
OFFICER = Staff("hogo", "保護 一郎", frozenset({"dv_officer"}))
READERS = (COORDINATOR, MANAGER, KODOMO, KURASHI, CARE, BOTH, VISITS, OFFICER)


def agrees(home: Household, member: MemberId, *units: str, until: date = date(2100, 1, 1), on: date = TODAY) -> ConsentGiven:
    given: ConsentGiven = home.say(
        "intake", ConsentGiven, legal_basis=LegalBasis.CONSENT, consent_id=uuid4(), member_id=member, purposes=(Purpose.CONSULTATION,),
        recipients=units, form=ConsentForm.WRITTEN, valid_from=on, valid_to=until,
    )  # fmt: skip
    return given


def takes_back(home: Household, given: ConsentGiven, *units: str, on: date = TODAY) -> ConsentWithdrawn:
    gone: ConsentWithdrawn = home.say(
        "intake", ConsentWithdrawn, withdrawal_id=uuid4(), consent_id=given.consent_id, member_id=given.member_id, recipients=units,
        withdrawn_on=on, reason="person_asked",
    )  # fmt: skip
    return gone


def withdrawn_son(unit: str, basis: LegalBasis, **fields: Any) -> tuple[Household, MemberId, FactRecorded]:
    """8050 の世帯の子が外に出ていない、と一つの窓口が一つの根拠で記録した。"""
    home, _, son = mother_and_son()
    return home, son, home.fact(unit, son, "withdrawn", "3", legal_basis=basis, **fields)


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


def a_known(dice: random.Random) -> tuple[HouseholdFacts, Alert]:
    """A household with random words about consent, and an alert on random grounds."""
    household, members = HouseholdId(uuid4()), [uuid4(), uuid4()]

    def a_word() -> Agreement:
        recipients = None if dice.random() < 0.4 else tuple(dice.sample(UNITS, dice.randint(0, 3)))
        since, until = TODAY + timedelta(days=dice.randint(-4, 1)), dice.choice([None, TODAY - timedelta(days=1), TODAY])
        said_at = NOON + timedelta(hours=dice.randint(0, 2))
        return Agreement(uuid4(), dice.choice(members), dice.random() < 0.6, recipients, since, until, said_at)

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
        wanted = {alert.id: found for household, alert in town if (found := seen(household, alert, reader))}
        async with db.read() as rd:
            rd.rights = Rights(reader_of(staff), Place("notify"), today=TODAY)
            pages = [await lists.inbox(rd, Filter(page=page)) for page in range(1, 6)]
            shown = {one.alert.id: one.alert for page in pages for one in page}
            assert shown == wanted, staff.sub
            assert await lists.count(rd, Filter()) == len(wanted) == sum((await lists.counts(rd)).values())
            assert await lists.last_number(rd) == max((given[one] for one in wanted), default=0)
            for unit in UNITS:
                assert {one.alert.id for one in await lists.addressed_to(rd, [unit])} == {one.id for one in wanted.values() if one.to == unit}
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


# ── 根拠を残す前の知識と気づき


async def forget_grounds(db: Database) -> None:
    """As it was written before grounds were kept."""
    async with db.transaction() as tx:
        await tx.execute(
            text(
                """
                update household set facts = (select jsonb_object_agg(k, case when jsonb_typeof(v) = 'array' and k in ('facts', 'cases', 'referrals',
                    'watches', 'members') then (select coalesce(jsonb_agg(one - 'basis' - 'member_ids'), '[]') from jsonb_array_elements(v) one)
                  else v end) from jsonb_each(facts - 'said') e(k, v))
                """
            )
        )
        await tx.execute(
            text(
                """
                update alert set bases = case body ->> 'lane' when 'internal' then '{INTERNAL_69_2_2}' when 'art106_6' then '{ART106_6}'
                  else '{unknown}' end::text[], body = jsonb_set(body - 'needed' - 'quiet' - 'reported', '{evidence}',
                  (select jsonb_agg(one - 'basis' - 'whose') from jsonb_array_elements(body -> 'evidence') one))
                """
            )
        )


async def doubted(db: Database) -> bool:
    async with db.read() as rd:
        return await store.lacks_grounds(rd)


async def evidence(db: Database) -> list[str]:
    """Which lines of open alerts the center reads."""
    async with db.read() as rd:
        rd.rights = Rights(reader_of(COORDINATOR), Place("notify"), today=TODAY)
        return [one.code or "" for known in await lists.inbox(rd, Filter()) for one in known.alert.evidence]


async def visible(db: Database, staff: Staff = COORDINATOR) -> list[str]:
    async with db.read() as rd:
        rd.rights = Rights(reader_of(staff), Place("notify"), today=TODAY)
        found = [await lists.inbox(rd, Filter(closed=closed)) for closed in (False, True)]
    return sorted(one.alert.rule_id for page in found for one in page)


async def test_of_old_rows_the_title_is_read_nothing_is_closed_and_all_comes_back_with_the_rebuilt_knowledge(desk: Desk) -> None:
    home, son, _ = withdrawn_son("cases-disability", LegalBasis.INTERNAL_69_2_2)
    home.fact(ELDERLY, None, "child_concern", "yes")
    for unit in (ELDERLY, POVERTY):
        home.case(unit)
    await desk.ears.hears(home)
    (closed,) = await rows(desk.db, "select id from alert where rule_id = 'R-503'")
    await desk.press(COORDINATOR, f"/inbox/alerts/{closed.id}/dismiss", revision=0, reason="not_now")
    right, said = await visible(desk.db), await published(desk.db)
    assert right == ["R-502", "R-503", "R-907"]
    before = {row.id: row.state for row in await rows(desk.db, "select id, state from alert")}

    await forget_grounds(desk.db)
    assert await visible(desk.db) == right
    assert await evidence(desk.db) == []
    assert await visible(desk.db, KURASHI) == []
    assert await doubted(desk.db)
    home.fact("cases-disability", son, "issue", "04")  # something is heard before anybody has rebuilt
    await desk.ears.hears(home)
    assert {row.id: row.state for row in await rows(desk.db, "select id, state from alert")} == before
    async with desk.db.transaction() as tx:
        known = fold(HouseholdFacts(home.id), [(event, Told(one.source, one.time, one.seq)) for event, one in desk.ears.envelopes])
        await store.keep_known(tx, [known])  # what `rebuild knowledge` does
        assert await store.waits_for_grounds(tx)
        tx.schedule("review_day", "all", tx.now)
    assert not await doubted(desk.db)
    await fire_due(desk.db)
    (due,) = await rows(desk.db, "select due_at > now() + interval '10 minutes' as tomorrow from timer where kind = 'review_day'")
    assert due.tomorrow, "once it is known again, one review a day is enough"
    assert await visible(desk.db) == right
    assert await evidence(desk.db)
    assert {row.id: row.state for row in await rows(desk.db, "select id, state from alert")} == before
    assert await published(desk.db) == said, "nobody is told anew"


async def test_heard_again_from_the_beginning_the_same_alerts_and_nothing_is_said(desk: Desk) -> None:
    home, son, _ = withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)
    agrees(home, son, CENTER)
    home.fact(POVERTY, son, "service_use", "none", legal_basis=LegalBasis.CONSENT)
    await desk.ears.hears(home)
    before, said = await rows(desk.db, "select * from alert order by id"), await published(desk.db)
    await desk.ears.receive(desk.ears.envelopes)
    async with desk.db.transaction() as tx:
        await tx.connection.exec_driver_sql("delete from household")
    await desk.ears.receive([(event, replace(envelope, time=NOW - timedelta(days=200))) for event, envelope in desk.ears.envelopes])
    await fire_due(desk.db, NOW + timedelta(minutes=1))
    assert await rows(desk.db, "select * from alert order by id") == before
    assert await published(desk.db) == said
    assert REGISTRY.projections["knowledge"].hears(ConsentWithdrawn.type_name())


def test_the_city_may_send_a_rule_to_the_desk_it_is_for() -> None:
    """R-604-like: a rule whose declared recipient is competent stands on the report itself."""
    given: Parameters = parameters()
    rules = dict(given.rules) | {"R-502": given.rules["R-502"].model_copy(update={"to": CHILDREN})}
    found = evaluate(withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)[0].known(), NOON, given.model_copy(update={"rules": rules}))
    assert [(key, one.to, one.lane, one.reported) for key, one in found.items()] == [("R-502", CHILDREN, Lane.MANDATORY_REPORT, False)]


def test_whoever_works_in_a_unit_works_there() -> None:
    assert all(Reader.of_unit(unit).units == {unit} for unit in UNITS)
