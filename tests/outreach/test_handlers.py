"""A referral, a move, a death, the center's alert: what outreach does when it hears of them."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.outreach import disclosure, lists, store, watch
from services.outreach.handlers import handlers
from services.outreach.parameters import parameters_on
from shared.contracts.alert import AlertDone, AlertRaised, AlertTaken, Severity
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.disclosure import Disclosure, DisclosureRequest, MemberIdentity
from shared.contracts.event import Event, HouseholdId, Lane, LegalBasis, MemberId, ReferralId
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberJoined, MemberLeft, MemberRole
from shared.contracts.referral import ReferralMade
from shared.contracts.visit import WatchTier
from shared.messaging import Envelope, Intent
from shared.runtime.database import Database

TODAY = date(2026, 11, 24)
HOME, MOTHER = HouseholdId(uuid4()), MemberId(uuid4())
BASIS = {"household_id": HOME, "legal_basis": LegalBasis.CONSENT}


@pytest.fixture
async def db(databases: Any) -> Database:
    database: Database = await databases("outreach")
    return database


async def hears(db: Database, *events: Event, source: str = "intake") -> None:
    async with db.transaction() as tx:
        for event in events:
            now = datetime.now(UTC)
            envelope = Envelope(uuid4(), event.type_name(), source, event.household_id, now, now, event.channel, 1, uuid4())
            for handler in handlers.events[event.type_name()]:
                await handler(tx, event, envelope)


async def rows(db: Database, query: str) -> list[Any]:
    async with db.read() as rd:
        return list(await rd.rows(text(query)))


def registered() -> list[Event]:
    return [
        HouseholdRegistered(**BASIS, area=Area.TOI),
        MemberJoined(**BASIS, member_id=MOTHER, role=MemberRole.HEAD, birth_month="1942-05", effective_on=TODAY),
    ]


def referred(to: str = "outreach") -> ReferralMade:
    return ReferralMade(
        **BASIS,
        referral_id=ReferralId(uuid4()),
        to=to,
        urgency=Urgency.C,
        consent=ConsentState.GIVEN,
        made_on=TODAY,
        reply_due=TODAY,
        receipt_no="R8-0001",
    )


class Context:
    """A worker's context whose `request` is answered as intake would."""

    def __init__(self, db: Database, answer: Disclosure) -> None:
        self.db, self.answer, self.asked = db, answer, []

    async def request(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
        self.asked.append((subject, DisclosureRequest.model_validate_json(request)))
        return self.answer.model_dump_json().encode()


def told() -> Disclosure:
    return Disclosure(
        disclosure_id=uuid4(), household_id=HOME, area=Area.TOI, address="土肥 9001", members=(MemberIdentity(member_id=MOTHER, role=MemberRole.HEAD, name="架空 フミ", kana="カクウ フミ"),)
    )  # fmt: skip


async def answer_intents(db: Database, answer: Disclosure) -> Context:
    context = Context(db, answer)
    for row in await rows(db, "select kind, key, payload from intent where state = 'pending'"):
        await disclosure.ask_intake(Intent(row.kind, row.key, row.payload), context)  # type: ignore[arg-type]
    return context


async def watching(db: Database, member: MemberId | None = MOTHER) -> UUID:
    async with db.transaction() as tx:
        outcome = watch.plan(uuid4(), HOME, member, WatchTier.B, LegalBasis.CONSENT, now=tx.now, parameters=parameters_on(TODAY))
        await store.save(tx, outcome)
    return outcome.watch.id


async def test_a_referral_to_us_waits_for_an_answer_and_asks_intake_who_they_are(db: Database) -> None:
    made = referred()
    await hears(db, *registered(), made)
    context = await answer_intents(db, told())
    [(subject, question)] = context.asked
    assert (subject, question.asker, question.purpose, question.referral_id) == ("svc.intake.disclose", "outreach", "referral", made.referral_id)
    async with db.read() as rd:
        [(waiting, home)] = await lists.waiting(rd)
    assert (waiting.receipt_no, home.people[0].name, home.address) == ("R8-0001", "架空 フミ", "土肥 9001")


async def test_a_referral_to_another_desk_is_not_ours(db: Database) -> None:
    await hears(db, *registered(), referred("cases-elderly"))
    assert await rows(db, "select * from referral") == []
    assert await rows(db, "select * from intent") == []


async def test_hearing_a_referral_twice_asks_once(db: Database) -> None:
    made = referred()
    await hears(db, *registered(), made, made)
    assert len(await rows(db, "select * from referral")) == 1
    assert len(await rows(db, "select * from intent")) == 1


async def test_a_refusal_of_intake_is_shown_and_holds_no_name(db: Database) -> None:
    await hears(db, *registered(), referred())
    await answer_intents(db, Disclosure(household_id=HOME, refused="consent_missing"))
    async with db.read() as rd:
        home = await lists.home(rd, HOME)
    assert (home.asking, home.title(MOTHER, TODAY)) == ("refused", "80代の世帯主")


async def test_a_declined_referral_leaves_no_name_behind_not_even_from_an_answer_under_way(db: Database) -> None:
    made = referred()
    await hears(db, *registered(), made)
    async with db.transaction() as tx:
        asked = await store.load_referral(tx, made.referral_id)
        await tx.execute(text("update referral set state = 'declined' where id = :id"), {"id": asked.id})
        await disclosure.keep(tx, told())
        await disclosure.forget(tx, HOME)
    assert await rows(db, "select * from identity") == []
    assert await rows(db, "select * from disclosure") == []


async def test_when_the_watched_person_dies_the_watch_ends_and_the_name_goes(db: Database) -> None:
    await hears(db, *registered())
    await watching(db)
    async with db.transaction() as tx:
        await disclosure.keep(tx, told())
    await hears(db, MemberLeft(**BASIS, member_id=MOTHER, reason=LeavingReason.DIED, effective_on=TODAY))
    [ended] = await rows(db, "select ended_on, end_reason from watch")
    assert ended.end_reason == "left.died"
    assert await rows(db, "select * from identity") == []
    assert [row.type.split(".")[-2] for row in await rows(db, "select type from outbox order by pos")] == ["planned", "ended"]


async def test_a_watch_of_the_whole_household_goes_on_while_somebody_is_there(db: Database) -> None:
    son = MemberId(uuid4())
    await hears(db, *registered(), MemberJoined(**BASIS, member_id=son, role=MemberRole.CHILD, effective_on=TODAY))
    await watching(db, None)
    await hears(db, MemberLeft(**BASIS, member_id=MOTHER, reason=LeavingReason.FACILITY, effective_on=TODAY))
    assert [row.ended_on for row in await rows(db, "select ended_on from watch")] == [None]
    await hears(db, MemberLeft(**BASIS, member_id=son, reason=LeavingReason.MOVED_OUT, effective_on=TODAY))
    assert [row.end_reason for row in await rows(db, "select end_reason from watch")] == ["left.moved_out"]


async def test_the_roster_shows_that_the_center_was_told_until_the_alert_is_closed(db: Database) -> None:
    await hears(db, *registered())
    alert = uuid4()
    now = datetime.now(UTC)
    raised = AlertRaised(
        **BASIS,
        alert_id=alert,
        rule_id="R-105",
        rule_version="1",
        severity=Severity.S2,
        domains=(),
        to="outreach",
        lane=Lane.INTERNAL,
        raised_at=now,
        due=now,
    )
    seen = []
    for event in (raised, AlertTaken(**BASIS, alert_id=alert, at=now), AlertDone(**BASIS, alert_id=alert, at=now)):
        await hears(db, event, source="notify")
        async with db.read() as rd:
            seen.append((await lists.home(rd, HOME)).told_center)
    assert seen == ["raised", "taken", ""]
