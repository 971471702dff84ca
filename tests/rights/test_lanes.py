"""The lane of each fact and membership of a conference: the policies, the database and the pages agree, both ways, and in time."""

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from services.cases.casework import lanes
from shared.contracts.access import BreakGlassOpened, BreakGlassReason
from shared.contracts.codes import fact_kinds
from shared.contracts.conference import ConferenceClosed, ConferenceConvened, Forum
from shared.contracts.consent import ConsentForm, ConsentGiven, Purpose
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, Lane, LegalBasis, MemberId
from shared.contracts.lanes import ground
from shared.contracts.protection import ConflictDeclared, ConflictKind, ProtectionDeclared, ProtectionKind
from shared.desk.wareki import JST
from shared.runtime.auth import Staff
from shared.runtime.policies import Level, OfFact, Place, Reader, Standing, key_of, may, may_fact, sight
from shared.runtime.rights import Rights, reader_of, rights_of
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY, made
from tests.cases.desk import ITO, MORI, NOGUCHI, SATO, DeskUnderTest, hidden
from tests.cases.test_conference import an_alert

ON = date(2026, 11, 26)
CENTER, ELDERLY, CHILDREN = Place("center"), Place("desk", "elderly"), Place("desk", "children")
CARE = Reader(frozenset({"caseworker"}), frozenset({"elderly"}))
CHILD = Reader(frozenset({"caseworker"}), frozenset({"children"}))
COORDINATOR = Reader(frozenset({"coordinator"}))
OFFICER = Reader(frozenset({"dv_officer"}))
KODOMO = Staff("kodomo", "児島 こども", frozenset({"caseworker"}), frozenset({"children"}))
STATES = tuple(product((False, True), repeat=2))
MORNING, MIDNIGHT = time(0, 0), time(23, 59, 59)


def reads(reader: Reader, place: Place, basis: LegalBasis, **changes: bool) -> bool:
    return may_fact(reader, place, OfFact.READ, basis, ON, **{"own": False, "consented": False, "attending": False} | changes)


def knows(reader: Reader, place: Place, basis: LegalBasis, **changes: bool) -> bool:
    return may_fact(reader, place, OfFact.KNOW, basis, ON, **{"own": False, "consented": False, "attending": False} | changes)


# ── the table


def test_every_basis_stands_in_the_table_with_the_lane_that_the_contract_gives_it() -> None:
    for basis in LegalBasis:
        assert ground(basis, ON).lane is basis.lane
    forums = [ground(basis, ON).forum for basis in LegalBasis]
    assert all(forum is None or forum.lane is basis.lane for basis, forum in zip(LegalBasis, forums, strict=True))
    assert ground(LegalBasis.ART106_6, date(2021, 3, 31)).competent == frozenset(), "before its law there is no such lane: the narrowest"
    assert ground(LegalBasis.ART106_6, date(2021, 3, 31)).lane is Lane.MANDATORY_REPORT


# ── the policies


def test_a_desk_reads_what_it_recorded_itself_on_any_ground() -> None:
    for basis in LegalBasis:
        assert reads(CARE, ELDERLY, basis, own=True)
        assert not reads(CARE, CHILDREN, basis, own=True) or ground(basis, ON).competent & CARE.units


def test_lane_a_is_read_outside_only_while_the_consent_names_the_reader() -> None:
    assert reads(COORDINATOR, ELDERLY, LegalBasis.CONSENT, consented=True)
    assert not reads(COORDINATOR, ELDERLY, LegalBasis.CONSENT)
    assert knows(COORDINATOR, ELDERLY, LegalBasis.CONSENT)
    assert not reads(CHILD, CENTER, LegalBasis.CONSENT, consented=True), "consent to a desk is no seat at the table"
    assert reads(CHILD, CENTER, LegalBasis.CONSENT, consented=True, attending=True)
    assert not reads(CHILD, CENTER, LegalBasis.CONSENT, attending=True), "nor is a seat a consent"


def test_lane_b_is_read_by_the_center_and_by_the_members_of_that_conference() -> None:
    assert reads(COORDINATOR, ELDERLY, LegalBasis.ART106_6)
    assert reads(CHILD, CENTER, LegalBasis.ART106_6, attending=True)
    assert not reads(CHILD, CENTER, LegalBasis.ART106_6, consented=True)
    assert not knows(CHILD, CENTER, LegalBasis.ART106_6)


def test_one_statutory_forum_does_not_flow_into_another() -> None:
    assert not reads(COORDINATOR, Place("desk", "poverty"), LegalBasis.KONKYU_9), "the 困窮 支援会議 is not the center's"
    assert knows(COORDINATOR, Place("desk", "poverty"), LegalBasis.KONKYU_9)
    assert ground(LegalBasis.KONKYU_9, ON).forum is not ground(LegalBasis.ART106_6, ON).forum


def test_lane_c_is_the_competent_desks_and_leaves_no_trace_for_others() -> None:
    for basis, desk in ((LegalBasis.ABUSE_CHILD, CHILD), (LegalBasis.ABUSE_ELDER, CARE), (LegalBasis.DV, OFFICER)):
        assert reads(desk, Place("outreach"), basis)
        for other in {CARE, CHILD, OFFICER, COORDINATOR} - {desk}:
            assert not reads(other, Place("outreach"), basis)
            assert not knows(other, Place("outreach"), basis)


def test_whoever_reads_a_fact_knows_of_it_and_nobody_without_a_role_does() -> None:
    readers = [CARE, CHILD, COORDINATOR, OFFICER, Reader(frozenset()), Reader(frozenset({"manager"})), Reader(frozenset({"outreach"}))]
    for reader, place, basis, own, consented, attending in product(readers, (CENTER, ELDERLY, Place("outreach")), LegalBasis, *[(False, True)] * 3):
        state = {"own": own, "consented": consented, "attending": attending}
        assert knows(reader, place, basis, **state) or not reads(reader, place, basis, **state)
        if not reader.roles and not attending:
            assert not knows(reader, place, basis, **state)


def test_one_answer_for_a_page_is_the_answer_for_each_fact() -> None:
    for reader, place, own in product((CARE, CHILD, COORDINATOR, OFFICER), (CENTER, ELDERLY), (False, True)):
        found = sight(reader, place, ON, own=own)
        for basis, (consented, attending), told in product(LegalBasis, STATES, (False, True)):
            state = {"consented": consented, "attending": attending, "told": told}
            key = key_of(basis, **state)
            assert (key in found.read) is reads(reader, place, basis, own=own, **state)
            assert (key in found.known) is knows(reader, place, basis, own=own, **state)


def test_a_member_sees_the_summary_at_the_center_only_and_writes_nothing() -> None:
    member = Standing(member=True)
    for place, level in product((CENTER, ELDERLY, Place("intake"), Place("outreach"), Place("notify")), Level):
        expected = place == CENTER and level in (Level.KNOW, Level.SUMMARY)
        assert may(CHILD, place, level, member) is (expected or may(CHILD, place, level))
    assert not may(CHILD, CENTER, Level.SUMMARY, Standing(member=True, protected=True))
    assert may(CHILD, CENTER, Level.SUMMARY, Standing(member=True, named=True, protected=True))
    assert not may(CHILD, CENTER, Level.PLACE, Standing(member=True, named=True, protected=True))
    assert not may(CHILD, CENTER, Level.KNOW, Standing(member=True, named=True, conflict=True))


# ── the database and the page against the policies


async def put(desk: DeskUnderTest, case: str, basis: LegalBasis, member: MemberId | None, kind: str, conference: UUID | None = None) -> UUID:
    """A fact as it stands in the table, on any ground: what a desk may write is another test's."""
    fact_id, value = uuid4(), next(iter(fact_kinds()[kind].values))
    async with desk.db.transaction() as tx:
        await tx.execute(
            text(
                """
                insert into fact (fact_id, household_id, case_id, member_id, kind, value, as_of, confidence, legal_basis, evidence, is_current,
                  recorded_at, by_sub, by_name, harm_checked, conference_id)
                select :fact, household_id, case_id, :member, :kind, :value, :today, 'reported', :basis, '', true, now(), 'x', 'だれか', false,
                  :conference
                from case_file where case_id = :case
                """
            ),
            {
                "fact": fact_id, "case": UUID(case.rsplit("/", 1)[1]), "member": member, "kind": kind, "value": value, "today": TODAY,
                "basis": basis.value, "conference": conference,
            },
        )  # fmt: skip
    return fact_id


async def opened(desk: DeskUnderTest, staff: Staff, **changes: Any) -> str:
    referral = made(to=desk.code, **changes)
    await desk.hear(referral)
    return await desk.accepted(referral.referral_id, staff)


BOTH = (Purpose.CONSULTATION, Purpose.PLAN)


async def agree(desk: DeskUnderTest, member: MemberId, recipients: tuple[str, ...], purposes: tuple[Purpose, ...] = BOTH) -> None:
    await desk.hear(
        ConsentGiven(
            household_id=HOUSEHOLD, legal_basis=LegalBasis.CONSENT, consent_id=uuid4(), member_id=member, purposes=purposes, recipients=recipients,
            form=ConsentForm.WRITTEN, valid_from=TODAY, valid_to=date(2100, 1, 1),
        )
    )  # fmt: skip


def a_reader() -> Iterator[Staff]:
    yield from (SATO, ITO, NOGUCHI, KODOMO, MORI, Staff("hogo", "保護 一郎", frozenset({"dv_officer"})))


def rights_at(place: Place, staff: Staff, standing: Standing, conferences: dict[UUID, UUID]) -> Rights:
    return Rights(reader_of(staff), place, {HOUSEHOLD: standing}, (), conferences, TODAY)


async def test_the_database_gives_exactly_the_facts_that_the_policies_allow(elderly: DeskUnderTest) -> None:
    """Random facts, consents, conferences and readers; the SQL filter against a decision for each fact, both ways."""
    dice = random.Random(106)
    await elderly.hear_family()
    case = await opened(elderly, SATO, member_ids=(MOTHER, SON))
    ours, others = uuid4(), uuid4()
    kinds = ["care_level", "employment", "dementia"]
    facts = {}
    for basis, member, conference in product(LegalBasis, (MOTHER, SON, None), (None, ours, others)):
        facts[await put(elderly, case, basis, member, dice.choice(kinds), conference)] = (basis, member, conference)
    await agree(elderly, MOTHER, ("cases-elderly", "cases-center", "cases-children"))
    await agree(elderly, SON, ("cases-elderly", "cases-center", "cases-children"), (Purpose.CONSULTATION,))
    agreed = {MOTHER: {"cases-elderly", "cases-center", "cases-children"}}
    agreed[SON] = agreed[MOTHER]
    for staff, place, glass in product(a_reader(), (ELDERLY, CENTER), (False, True)):
        reader, standing = reader_of(staff), Standing(glass=glass, member=True)
        rights = rights_at(place, staff, standing, {ours: HOUSEHOLD, others: HouseholdId(uuid4())})
        async with elderly.db.read() as rd:
            rd.rights = rights
            found = await lanes.seen(rd, HOUSEHOLD)
        enters = may(reader, place, Level.SUMMARY, standing)

        def allowed(action: OfFact, fact: tuple[LegalBasis, MemberId | None, UUID | None]) -> bool:
            basis, member, conference = fact
            whose = (member,) if member else (MOTHER, SON)
            sits = "coordinator" not in reader.roles  # noqa: B023 — who reads as a member of the conference: the son agreed to no plan
            consented = all(agreed[one] & reader.units and not (sits and one == SON) for one in whose)  # noqa: B023
            told = {"told": conference is not None, "attending": conference == ours}
            return enters and may_fact(reader, place, action, basis, TODAY, own=True, consented=consented, **told, glass=glass)  # noqa: B023

        assert {fact.fact_id for fact in found.facts} == {one for one, fact in facts.items() if allowed(OfFact.READ, fact)}, (staff.sub, place, glass)
        known = [one for one, fact in facts.items() if allowed(OfFact.KNOW, fact) and not allowed(OfFact.READ, fact)]
        assert found.withheld == len(known), (staff.sub, place, glass)


LANES = {
    "care_level": LegalBasis.CONSENT,
    "dementia": LegalBasis.ABUSE_ELDER,
    "living_env": LegalBasis.INTERNAL_69_2_2,
}


async def test_the_page_of_a_desk_shows_a_coordinator_what_the_ground_lets_through_and_no_trace_of_a_report(elderly: DeskUnderTest) -> None:
    await elderly.hear_family()
    case = await opened(elderly, SATO, consent=ConsentState.GIVEN)
    for kind, basis in LANES.items():
        await put(elderly, case, basis, MOTHER if fact_kinds()[kind].scope == "member" else None, kind)
    words = {kind: f"{fact_kinds()[kind].label}：{fact_kinds()[kind].label_of(next(iter(fact_kinds()[kind].values)))}" for kind in LANES}

    async def seen(staff: Staff) -> tuple[set[str], bool]:
        page = (await elderly.get(f"{case}?tab=facts", staff)).text
        return {kind for kind, word in words.items() if word in page}, "ここでは見られない事実" in page

    assert await seen(SATO) == (set(LANES), False)
    assert await seen(NOGUCHI) == ({"care_level", "living_env"}, False), "the report is not even counted"
    async with elderly.db.transaction() as tx:
        await tx.execute(text("update consent set recipients = array['cases-elderly']"))
    assert await seen(NOGUCHI) == ({"living_env"}, True), "the consent names another desk: withheld, and said so"
    page = (await elderly.get(f"{case}?tab=facts", NOGUCHI)).text
    assert "事実が 1 件あります" in page
    await elderly.hear(
        BreakGlassOpened(
            household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, access_id=uuid4(), staff=NOGUCHI.sub, reason=BreakGlassReason.ABUSE,
            until="2100-01-01T00:00:00Z",
        )
    )  # fmt: skip
    assert await seen(NOGUCHI) == (set(LANES), False)


# ── a conference and its time


def on(day: date, at: time = MORNING) -> datetime:
    return datetime.combine(day, at, JST)


def a_conference(household: HouseholdId = HOUSEHOLD, **changes: Any) -> ConferenceConvened:
    values: dict[str, Any] = {
        "household_id": household, "legal_basis": LegalBasis.ART106_6, "conference_id": uuid4(), "forum": Forum.CONFIDENTIAL,
        "units": ("cases-children",), "staff": (), "convened_on": ON, "ends_on": ON + timedelta(days=7), "readable_until": ON + timedelta(days=7),
    }  # fmt: skip
    return ConferenceConvened(**values | changes)


async def standing(desk: DeskUnderTest, staff: Staff, at: datetime) -> Rights:
    async with desk.db.read() as rd:
        rd.now = at
        return await rights_of(rd, staff, desk.app.state.unit)


async def test_a_member_sees_from_the_day_it_is_convened_until_the_end_of_its_last_day_in_japan(center: DeskUnderTest) -> None:
    said = a_conference()
    await center.hear(said, "cases-center", times=2)
    for moment, sees in (
        (on(ON - timedelta(days=1), MIDNIGHT), False),
        (on(ON), True),
        (on(ON + timedelta(days=3)), True),
        (on(ON + timedelta(days=7), MIDNIGHT), True),
        (on(ON + timedelta(days=8)), False),
    ):
        rights = await standing(center, KODOMO, moment)
        assert rights.may(Level.SUMMARY, HOUSEHOLD) is sees, moment
        assert rights.attends(HOUSEHOLD) == ([said.conference_id] if sees else [])
        assert not rights.may(Level.WRITE, HOUSEHOLD)
        assert (await standing(center, MORI, moment)).attends(HOUSEHOLD) == []
    about: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": LegalBasis.ART106_6, "conference_id": said.conference_id}
    await center.hear(ConferenceClosed(**about, closed_on=ON + timedelta(days=2), readable_until=ON + timedelta(days=2)), "cases-center", times=2)
    assert (await standing(center, KODOMO, on(ON + timedelta(days=2), MIDNIGHT))).attends(HOUSEHOLD)
    assert not (await standing(center, KODOMO, on(ON + timedelta(days=3)))).attends(HOUSEHOLD)


async def test_a_member_who_is_taken_off_the_list_sees_no_more(center: DeskUnderTest) -> None:
    said = a_conference()
    await center.hear(said, "cases-center")
    await center.hear(said.model_copy(update={"units": ("cases-poverty",), "staff": ("ito",)}), "cases-center")
    assert not (await standing(center, KODOMO, on(ON))).attends(HOUSEHOLD)
    assert (await standing(center, MORI, on(ON))).attends(HOUSEHOLD)
    assert (await standing(center, ITO, on(ON))).attends(HOUSEHOLD)


async def test_a_protected_household_is_seen_by_the_named_only_and_by_nobody_in_conflict(center: DeskUnderTest) -> None:
    about: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": LegalBasis.INTERNAL_69_2_2}
    await center.hear(ProtectionDeclared(**about, protection_id=uuid4(), member_id=MOTHER, kind=ProtectionKind.SELF_DECLARED, since=ON))
    await center.hear(a_conference(staff=("mori", "ito")), "cases-center")
    await center.hear(ConflictDeclared(**about, conflict_id=uuid4(), staff="ito", kind=ConflictKind.RELATIVE))
    assert not (await standing(center, KODOMO, on(ON))).may(Level.KNOW, HOUSEHOLD)
    assert (await standing(center, MORI, on(ON))).may(Level.SUMMARY, HOUSEHOLD)
    assert not (await standing(center, ITO, on(ON))).attends(HOUSEHOLD)


# ── at the center's desk, from the draft to the end


async def drafted(center: DeskUnderTest, **changes: Any) -> str:
    await center.hear(an_alert(**changes), "notify")
    (row,) = await center.rows("select conference_id from conference_draft where state = 'draft'")
    return f"/meetings/{row.conference_id}"


async def convene(center: DeskUnderTest, meeting: str, forum: Forum = Forum.CONFIDENTIAL, **form: Any) -> Any:
    return await center.send(f"{meeting}/convene", NOGUCHI, **{"forum": forum.value, "units": [], "named": "kodomo", "ends_on": "+7"} | form)


async def told(center: DeskUnderTest, case: str, kind: str, basis: LegalBasis) -> str:
    """The label of what was told, as pages write it."""
    page, known = (await center.get(f"{case}?tab=facts&kind={kind}", NOGUCHI)).text, fact_kinds()[kind]
    answer = await center.send(
        f"{case}/facts", NOGUCHI, fact_id=hidden(page, "fact", "fact_id"), kind=kind, value=next(iter(known.values)),
        member_id="household" if known.scope == "household" else MOTHER, as_of="今日", confidence="reported", legal_basis=basis.value,
        evidence="電話で聞いた",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    return f"<td>{known.label}</td>"


async def test_a_conference_lives_at_the_desk_from_convening_to_its_end(center: DeskUnderTest) -> None:
    case = await opened(center, NOGUCHI, consent=ConsentState.GIVEN)
    before = await told(center, case, "withdrawn", LegalBasis.ART106_6)
    meeting = await drafted(center)
    assert (await center.get(meeting, KODOMO)).status_code == 403
    assert "出席している会議はありません" in (await center.get("/attending", KODOMO)).text
    assert (await convene(center, meeting)).status_code == 303
    during = await told(center, case, "last_contact", LegalBasis.ART106_6)
    internal = await told(center, case, "living_env", LegalBasis.INTERNAL_69_2_2)

    page = (await center.get(meeting, KODOMO)).text
    assert during in page
    assert before not in page, "said before it was a matter of the conference"
    assert internal not in page, "another lane"
    assert "電話で聞いた" not in page
    assert "/convene" not in page
    assert "/close" not in page
    assert meeting in (await center.get("/attending", KODOMO)).text
    assert (await center.get(case, KODOMO)).status_code == 403
    assert (await center.get(meeting, MORI)).status_code == 403
    for path, form in (("convene", {"forum": "confidential_conference", "named": "kodomo", "ends_on": "+100"}), ("close", {})):
        assert (await center.send(f"{meeting}/{path}", KODOMO, **form)).status_code == 403

    assert [one for one in await center.said() if one.startswith("conference")] == ["conference.convened.v1"]
    assert (await center.send(f"{meeting}/close", NOGUCHI)).status_code == 303
    assert (await center.get(meeting, KODOMO)).status_code == 200, "the day it ends is a day of it"
    async with center.db.transaction() as tx:
        await tx.execute(text("update conference set readable_until = readable_until - 1"))
    assert (await center.get(meeting, KODOMO)).status_code == 403
    assert meeting not in (await center.get("/attending", KODOMO)).text
    seen = await center.rows("select action, object_id::text from audit where actor = 'kodomo' and object_kind = 'conference_draft'")
    assert [row.action for row in seen].count("view") == 2


async def test_a_member_of_one_conference_sees_nothing_of_another(center: DeskUnderTest) -> None:
    """The attack: the same household has had a conference before; another household has one now. The member attends neither."""
    case = await opened(center, NOGUCHI)
    first = await drafted(center)
    await convene(center, first, named="mori")
    in_first = await told(center, case, "withdrawn", LegalBasis.ART106_6)
    await center.send(f"{first}/close", NOGUCHI)
    second = await drafted(center)
    await convene(center, second, named="kodomo")
    in_second = await told(center, case, "last_contact", LegalBasis.ART106_6)
    elsewhere = HouseholdId(uuid4())
    third = await drafted(center, household_id=elsewhere)
    await convene(center, third, named="mori")

    page = (await center.get(second, KODOMO)).text
    assert in_second in page
    assert in_first not in page
    assert "見られない事実" not in page, "no trace"
    for other in (first, third):
        assert (await center.get(other, KODOMO)).status_code == 404
    page = (await center.get(first, MORI)).text
    assert in_first in page
    assert in_second not in page
    assert (await center.get(second, MORI)).status_code == 404
    assert second not in (await center.get("/attending", MORI)).text


async def test_the_form_refuses_a_consented_conference_without_consent_and_proposes_the_confidential_one(center: DeskUnderTest) -> None:
    meeting = await drafted(center)
    answer = await convene(center, meeting, Forum.CONSENTED, ends_on="+30")
    assert answer.status_code == 422
    assert "支援会議（社会福祉法106条の6）を選んでください" in answer.text
    assert 'value="+30"' in answer.text, "what was typed is shown again"
    wrong = await convene(center, meeting, named="児島 こども")
    assert "氏名は入れないでください" in wrong.text
    assert "出席する窓口か職員を" in (await convene(center, meeting, named="")).text
    assert (await convene(center, meeting)).status_code == 303
    await center.hear(an_alert("R-503"), "notify")
    (row,) = await center.rows("select conference_id, state, jsonb_array_length(reasons) as reasons from conference_draft")
    assert (f"/meetings/{row.conference_id}", row.state, row.reasons) == (meeting, "convened", 2), "a confidential conference takes the next reason"


async def test_no_event_of_a_conference_says_more_than_ids_and_days(center: DeskUnderTest) -> None:
    await opened(center, NOGUCHI)
    meeting = await drafted(center)
    await convene(center, meeting)
    said = await center.payloads()
    assert "児島" not in said
    assert "kodomo" in said
