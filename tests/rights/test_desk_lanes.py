"""What a desk hears in a 支援会議: written on ART106_6 by those who attend, read by them for its time, and by no colleague who does not attend."""

import random
from datetime import date, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.cases.casework import lanes, store
from shared.contracts.access import BreakGlassOpened, BreakGlassReason
from shared.contracts.conference import ConferenceClosed, ConferenceConvened, Forum
from shared.contracts.event import HouseholdId, LegalBasis
from shared.runtime.auth import Staff
from shared.runtime.policies import Level, OfFact, Place, Standing, may, may_fact, sight
from shared.runtime.rights import reader_of
from shared.runtime.ticket import japan_day
from tests.cases.builders import HOUSEHOLD, MOTHER, SON
from tests.cases.desk import ITO, MORI, NOGUCHI, SATO, DeskUnderTest, hidden
from tests.cases.test_case_at_the_desk import announced
from tests.rights.test_lanes import CARE, CENTER, CHILD, COORDINATOR, ELDERLY, ON, a_conference, a_reader, opened, rights_at

B = LegalBasis.ART106_6
CHOICE = "支援会議（社会福祉法106条の6）"
HEARD = {"shared": "兄が金を持ち出していると民生委員が話した。", "private": "母は知っていて黙っている。", "partner": "民生委員の菊地"}
#: text, partner, next step, method (as the page writes it)
WORDS = (*HEARD.values(), "こっそり会う", "訪問</span>")


def today() -> date:
    return japan_day()


def may_of(action: OfFact, reader: Any, place: Place, basis: LegalBasis = B, **changes: bool) -> bool:
    return may_fact(reader, place, action, basis, ON, **{"own": True, "consented": False, "attending": False, "told": True} | changes)


# ── the policies


def test_a_colleague_who_does_not_attend_knows_of_what_was_told_and_reads_none_of_it() -> None:
    for read, know in ((OfFact.READ, OfFact.KNOW), (OfFact.READ_NOTE, OfFact.KNOW_NOTE)):
        assert not may_of(read, CARE, ELDERLY)
        assert may_of(know, CARE, ELDERLY)
        assert may_of(read, CARE, ELDERLY, attending=True)
        assert may_of(read, CARE, ELDERLY, glass=True)
        assert not may_of(know, CHILD, ELDERLY), "another desk's caseworker has nothing to look for here"
    assert not may_of(OfFact.READ, CARE, Place("desk", "poverty"), LegalBasis.KONKYU_9, attending=False), "no lane-B forum is open to a whole desk"
    assert may_of(OfFact.READ, CARE, ELDERLY, LegalBasis.CONSENT), "what was agreed to is no secret of a conference"


def test_the_center_reads_the_facts_that_were_told_and_not_what_a_desk_wrote_down_about_it() -> None:
    assert may_of(OfFact.READ, COORDINATOR, ELDERLY, own=False)
    assert not may_of(OfFact.READ_NOTE, COORDINATOR, ELDERLY)
    assert may_of(OfFact.KNOW_NOTE, COORDINATOR, ELDERLY)
    assert may_of(OfFact.READ_NOTE, COORDINATOR, ELDERLY, attending=True)
    assert may_of(OfFact.READ, COORDINATOR, CENTER)


# ── the database against the policies


async def put_note(desk: DeskUnderTest, case: str, conference: UUID | None, corrects: UUID | None = None) -> UUID:
    note_id = uuid4()
    sql = """insert into note (note_id, case_id, happened_on, method, partner, shared, private, next_action, corrects, written_at, by_sub, by_name,
      conference_id) values (:note, :case, :on, 'phone', '', 'x', '', '', :corrects, now(), 'x', 'だれか', :conference)"""
    async with desk.db.transaction() as tx:
        bound = {"note": note_id, "case": UUID(case.rsplit("/", 1)[1]), "on": ON, "corrects": corrects, "conference": conference}
        await tx.execute(text(sql), bound)
    return note_id


async def test_the_database_gives_exactly_the_notes_that_the_policies_allow(elderly: DeskUnderTest) -> None:
    """Random notes, corrections, conferences and readers; the SQL filter against a decision for each note, both ways."""
    dice = random.Random(1066)
    await elderly.hear_family()
    case = await opened(elderly, SATO, member_ids=(MOTHER, SON))
    ours, others, notes, corrected = uuid4(), uuid4(), dict[UUID, UUID | None](), set()
    for _ in range(24):
        before = dice.choice([*(set(notes) - corrected), None])
        conference = notes[before] if before else dice.choice((None, ours, others))
        notes[await put_note(elderly, case, conference, before)] = conference
        corrected |= {before} if before else set()
    async with elderly.db.read() as rd:
        of_case = await store.case(rd, UUID(case.rsplit("/", 1)[1]))
    withheld = 0
    for staff, place, glass in product(a_reader(), (ELDERLY, CENTER), (False, True)):
        standing = Standing(glass=glass, member=True)
        if not may(reader_of(staff), place, Level.SUMMARY, standing):
            continue
        async with elderly.db.read() as rd:
            rd.rights = rights_at(place, staff, standing, {ours: HOUSEHOLD, others: HouseholdId(uuid4())})
            found = await lanes.notes(rd, of_case)

        def allowed(action: OfFact, conference: UUID | None) -> bool:
            return conference is None or may_of(action, reader_of(staff), place, attending=conference == ours, glass=glass)  # noqa: B023

        read = {one for one, conference in notes.items() if allowed(OfFact.READ_NOTE, conference)}
        known = [one for one, conference in notes.items() if one not in read | corrected and allowed(OfFact.KNOW_NOTE, conference)]
        assert {note.note_id for note in found.notes} == read, (staff.sub, place, glass)
        assert found.withheld == len(known), (staff.sub, place, glass)
        withheld += found.withheld
    assert withheld


def test_the_words_of_a_page_say_of_notes_what_each_decision_says() -> None:
    for reader, place, (told, attending) in product((CARE, CHILD, COORDINATOR), (CENTER, ELDERLY), ((True, False), (True, True))):
        word = f"{B.value}+a" if attending else f"{B.value}+o"
        found = sight(reader, place, ON, own=True)
        assert (word in found.read_notes) is may_of(OfFact.READ_NOTE, reader, place, told=told, attending=attending)
        assert (word in found.known_notes) is may_of(OfFact.KNOW_NOTE, reader, place, told=told, attending=attending)


# ── at the desk


@pytest.fixture
async def case(elderly: DeskUnderTest) -> str:
    await elderly.hear_family()
    return await opened(elderly, SATO, member_ids=(MOTHER, SON))


async def convened(desk: DeskUnderTest, **changes: Any) -> ConferenceConvened:
    about: dict[str, Any] = {"units": (), "staff": ("sato",), "convened_on": today(), "ends_on": today() + timedelta(days=7)}
    said = a_conference(**about | {"readable_until": today() + timedelta(days=9)} | changes)
    await desk.hear(said, "cases-center")
    return said


async def tells(desk: DeskUnderTest, case: str, staff: Staff = SATO, **changes: Any) -> Any:
    form = {"fact_id": uuid4(), "kind": "care_level", "value": "care3", "member_id": MOTHER, "as_of": "今日", "confidence": "reported"}
    return await desk.send(f"{case}/facts", staff, **form | {"legal_basis": B.value, "evidence": "会議で聞いた"} | changes)


async def notes(desk: DeskUnderTest, case: str, staff: Staff = SATO, **changes: Any) -> Any:
    form = {"note_id": uuid4(), "method": "conference", "told": "1", **HEARD, "next_action": "こっそり会う", "next_due": "+3"}
    return await desk.send(f"{case}/notes", staff, **form | changes)


async def facts_tab(desk: DeskUnderTest, case: str, staff: Staff) -> str:
    return str((await desk.get(f"{case}?tab=facts&kind=care_level", staff)).text)


async def test_who_attends_writes_and_reads_and_a_colleague_sees_only_that_there_is_something(elderly: DeskUnderTest, case: str) -> None:
    conference = await convened(elderly)
    assert CHOICE in await facts_tab(elderly, case, SATO)
    assert CHOICE not in await facts_tab(elderly, case, ITO)
    assert (await tells(elderly, case)).status_code == 303
    (row,) = await elderly.rows("select conference_id, legal_basis from fact")
    assert (row.conference_id, row.legal_basis) == (conference.conference_id, B.value)
    assert '"legal_basis":"ART106_6"' in await elderly.payloads()
    ours, theirs = await facts_tab(elderly, case, SATO), await facts_tab(elderly, case, ITO)
    assert "会議で聞いた" in ours
    assert "支援会議で知ったこと" in ours
    assert "見られない事実" not in ours
    assert "会議で聞いた" not in theirs
    assert "要介護3</strong>" not in theirs
    assert "見られない事実が 1 件" in theirs
    assert "会議で聞いた" not in await facts_tab(elderly, case, NOGUCHI), "how it was found out stays at the desk"
    assert "要介護3</strong>" in await facts_tab(elderly, case, NOGUCHI)


CLOSED: dict[str, dict[str, Any]] = {
    "nobody convened": {"household": HouseholdId(uuid4())},
    "others attend": {"units": ("cases-poverty",), "staff": ("mori",)},
    "it is over": {"convened_on": today() - timedelta(days=9), "ends_on": today() - timedelta(days=1)},
    "it has not begun": {"convened_on": today() + timedelta(days=1)},
    "it is another forum": {"forum": Forum.CONSENTED},
}


@pytest.mark.parametrize("changes", CLOSED.values(), ids=CLOSED)
async def test_without_a_seat_nothing_is_told_and_what_was_typed_is_not_lost(elderly: DeskUnderTest, case: str, changes: dict[str, Any]) -> None:
    await convened(elderly, **changes)
    for answer in (await tells(elderly, case), await notes(elderly, case)):
        assert answer.status_code == 422
        assert "福祉相談センターに、この窓口か自分を出席者に入れた支援会議の招集" in answer.text
    assert HEARD["shared"] in answer.text
    assert 'name="told" value="1" checked' in answer.text, "the second press must not put it into the open case"
    assert await elderly.rows("select 1 from fact") == []
    assert await elderly.rows("select 1 from note") == []


async def test_the_whole_unit_may_attend_and_a_closed_conference_takes_no_more(elderly: DeskUnderTest, case: str) -> None:
    said = await convened(elderly, units=("cases-elderly",), staff=())
    assert (await tells(elderly, case, ITO)).status_code == 303
    assert "会議で聞いた" in await facts_tab(elderly, case, SATO)
    about: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": B, "conference_id": said.conference_id}
    await elderly.hear(ConferenceClosed(**about, closed_on=today(), readable_until=today()), "cases-center")
    assert (await tells(elderly, case, ITO)).status_code == 422
    assert "会議で聞いた" in await facts_tab(elderly, case, SATO), "the day it ends is a day of it"


async def test_what_is_told_and_what_is_open_do_not_replace_each_other(elderly: DeskUnderTest, case: str) -> None:
    await convened(elderly)
    await tells(elderly, case, ITO, legal_basis="INTERNAL_69_2_2", value="care2")
    await tells(elderly, case)
    await tells(elderly, case, value="care4")
    rows = await elderly.rows("select value from fact where is_current order by value")
    assert [row.value for row in rows] == ["care2", "care4"], "the open one stays for the colleagues; within the conference the newer one counts"
    await tells(elderly, case, ITO, legal_basis="INTERNAL_69_2_2", value="care1")
    rows = await elderly.rows("select value from fact where is_current order by value")
    assert [row.value for row in rows] == ["care1", "care4"]


async def test_nobody_takes_back_what_they_do_not_read(elderly: DeskUnderTest, case: str) -> None:
    await convened(elderly)
    fact = uuid4()
    await tells(elderly, case, fact_id=fact)
    unknown = await elderly.send(f"{case}/facts/{uuid4()}/retract", ITO)
    hidden_one = await elderly.send(f"{case}/facts/{fact}/retract", ITO)
    assert (hidden_one.status_code, unknown.status_code) == (404, 404)
    assert (await elderly.send(f"{case}/facts/{fact}/retract", SATO)).status_code == 303
    assert "fact.retracted.v1" in await elderly.said()


async def test_a_consent_and_a_referral_are_no_matter_of_the_conference(elderly: DeskUnderTest, case: str) -> None:
    await convened(elderly)
    answer = await tells(elderly, case, kind="consent", value="given")
    assert answer.status_code == 422
    assert "本人に確かめて、ほかの根拠で" in answer.text
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty")
    answer = await elderly.send(f"{case}/referrals", SATO, referral_id=uuid4(), to="cases-poverty", topics=["07"], legal_basis=B.value)
    assert answer.status_code == 422
    assert CHOICE not in (await elderly.get(f"{case}?tab=referrals", SATO)).text


async def test_a_note_of_the_conference_shows_a_colleague_no_word_partner_method_or_due_day(elderly: DeskUnderTest, case: str) -> None:
    await convened(elderly)
    before = await elderly.rows("select next_due, next_action, last_contact_on, updated_at from case_file")
    assert "支援会議で知ったこと" in (await elderly.get(f"{case}?write=1", SATO)).text
    assert "支援会議で知ったこと" not in (await elderly.get(f"{case}?write=1", ITO)).text
    note = uuid4()
    assert (await notes(elderly, case, note_id=note, method="visit")).status_code == 303
    ours = (await elderly.get(case, SATO)).text
    assert all(word in ours for word in WORDS)
    for path, staff in product((case, f"{case}?correct={note}", f"{case}?write=1", "/", "/?tab=team", f"{case}?tab=facts"), (ITO, NOGUCHI)):
        page = (await elderly.get(path, staff)).text
        assert not [word for word in WORDS if word in page], (path, staff.sub)
    for staff in (ITO, NOGUCHI):
        assert "見られない経過が 1 件" in (await elderly.get(case, staff)).text
    assert hidden((await elderly.get(f"{case}?correct={note}&write=1", ITO)).text, "note", "corrects") == ""
    assert await elderly.rows("select next_due, next_action, last_contact_on, updated_at from case_file") == before
    (row,) = await elderly.rows("select legal_basis from audit where object_kind = 'note'")
    assert row.legal_basis == B.value
    written = str(await elderly.rows("select audit::text as row from audit"))
    assert not [word for word in WORDS if word in written]


async def test_a_correction_stays_in_the_conference_and_only_a_reader_corrects(elderly: DeskUnderTest, case: str) -> None:
    said, first, second = await convened(elderly), uuid4(), uuid4()
    await notes(elderly, case, note_id=first)
    assert (await notes(elderly, case, ITO, corrects=first, told="")).status_code == 404
    assert (await notes(elderly, case, note_id=second, corrects=first, told="", shared="兄ではなく弟だった。")).status_code == 303
    assert {row.conference_id for row in await elderly.rows("select conference_id from note")} == {said.conference_id}
    assert "見られない経過が 1 件" in (await elderly.get(case, ITO)).text, "a note and its correction are one"
    assert "弟だった" not in (await elderly.get(case, ITO)).text
    open_one = uuid4()
    await notes(elderly, case, ITO, note_id=open_one, told="", shared="玄関で話した。", next_action="", next_due="")
    await notes(elderly, case, corrects=open_one, shared="窓ごしに話した。", next_action="", next_due="")
    assert "窓ごしに話した。" in (await elderly.get(case, ITO)).text, "an open note is corrected openly"


async def test_a_member_who_holds_a_glass_on_another_household_still_opens_the_meeting_only(center: DeskUnderTest) -> None:
    """The case page of the center shows telephone and address, which no member of a conference sees."""
    path = await opened(center, NOGUCHI)
    await convened(center, staff=(MORI.sub,))
    glass = {"staff": MORI.sub, "reason": BreakGlassReason.LIFE, "until": "2100-01-01T00:00:00Z", "access_id": uuid4()}
    await center.hear(BreakGlassOpened(household_id=HouseholdId(uuid4()), legal_basis=LegalBasis.INTERNAL_69_2_2, **glass))
    for there in (path, f"/households/{HOUSEHOLD}"):
        assert (await center.get(there, MORI)).status_code == 403
    await center.hear(BreakGlassOpened(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, **glass | {"access_id": uuid4()}))
    assert (await center.get(path, MORI)).status_code == 200


async def test_after_the_last_day_its_members_read_no_more_a_newer_conference_opens_nothing_and_a_glass_does(
    elderly: DeskUnderTest, case: str
) -> None:
    said = await convened(elderly)
    await tells(elderly, case)
    await notes(elderly, case)
    over = {"ends_on": today() - timedelta(days=3), "readable_until": today() - timedelta(days=1), "convened_on": today() - timedelta(days=9)}
    await elderly.hear(said.model_copy(update=over), "cases-center")
    await convened(elderly)

    async def reads(staff: Staff) -> tuple[bool, bool]:
        return "会議で聞いた" in await facts_tab(elderly, case, staff), HEARD["shared"] in (await elderly.get(case, staff)).text

    assert await reads(SATO) == (False, False)
    assert "見られない経過が 1 件" in (await elderly.get(case, SATO)).text
    glass = {"staff": MORI.sub, "reason": BreakGlassReason.LIFE, "until": "2100-01-01T00:00:00Z", "access_id": uuid4()}
    await elderly.hear(BreakGlassOpened(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, **glass))
    assert await reads(MORI) == (True, True)
    await elderly.hear(said, "cases-center")
    assert await reads(SATO) == (True, True), "the center has moved its last day"
