"""C2: 事実・経過・段階・つなぎ・終結。知らせるのは区分だけ、書いたことはこの窓口に残る。"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged
from shared.contracts.domain import DomainAnnounced
from shared.contracts.event import CaseId, LegalBasis, desk_aggregate
from shared.contracts.household import LeavingReason, MemberLeft
from shared.contracts.referral import DeclineReason, ReferralDeclined
from shared.messaging import Handlers
from shared.runtime.announce import hear_announcements
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY, made
from tests.cases.desk import ITO, MOTHER_NAME, NOGUCHI, SON_NAME, DeskUnderTest, envelope, hidden

SECRET = "長男が怒鳴るので、母と二人のときに聞く。"
FACT: dict[str, Any] = {"kind": "care_level", "value": "care2", "member_id": MOTHER, "since": "R6.8", "as_of": "今日", "confidence": "confirmed",
                        "legal_basis": "INTERNAL_69_2_2", "evidence": "被保険者証"}  # fmt: skip
NOTE: dict[str, Any] = {"method": "visit", "happened_on": "今日", "partner": "母", "shared": "玄関先で話した。", "private": SECRET, "minutes": "40",
                        "next_action": "長男に手紙", "next_due": "+7"}  # fmt: skip


@pytest.fixture
async def case(elderly: DeskUnderTest) -> str:
    """Path of an accepted case whose household has a name."""
    event = made()
    await elderly.hear_family()
    await elderly.hear(event)
    await elderly.told_who(event.referral_id)
    return await elderly.accepted(event.referral_id)


async def announced(desk: DeskUnderTest, unit: str, title: str, base: str, accepts: bool = True, **more: Any) -> None:
    """As the worker hears it."""
    about: dict[str, Any] = {"household_id": desk_aggregate(unit), "legal_basis": LegalBasis.STAT, "version": "1"}
    event = DomainAnnounced(**about, unit=unit, title=title, base=base, accepts_referrals=accepts, **more)
    hearing = Handlers()
    hear_announcements(hearing)
    async with desk.db.transaction() as tx:
        for handler in hearing.events[event.type_name()]:
            await handler(tx, event, envelope(event, unit))


async def moved(desk: DeskUnderTest, case: str, *states: str) -> None:
    for state in states:
        page = (await desk.get(case)).text
        answer = await desk.send(f"{case}/state", version=hidden(page, f"state-{state}", "version"), state=state)
        assert answer.status_code == 303, answer.text


async def test_a_recorded_fact_is_said_by_its_codes_and_shown_in_words(elderly: DeskUnderTest, case: str) -> None:
    answer = await elderly.send(f"{case}/facts", fact_id=uuid4(), **FACT)
    assert answer.headers["location"].endswith("?tab=facts")
    assert (await elderly.said())[-1] == "fact.recorded.v1"
    assert "被保険者証" not in await elderly.payloads()
    page = (await elderly.get(f"{case}?tab=facts")).text
    assert "要介護2" in page
    assert "令和6年8月" in page
    assert "被保険者証" in page


async def test_a_double_press_records_once(elderly: DeskUnderTest, case: str) -> None:
    fact, note, referral = uuid4(), uuid4(), uuid4()
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty")
    answers = await asyncio.gather(
        *(elderly.send(f"{case}/facts", fact_id=fact, **FACT) for _ in range(2)),
        *(elderly.send(f"{case}/notes", note_id=note, **NOTE) for _ in range(2)),
        *(
            elderly.send(f"{case}/referrals", referral_id=referral, to="cases-poverty", topics=["07"], legal_basis="INTERNAL_69_2_2")
            for _ in range(2)
        ),
    )
    assert {answer.status_code for answer in answers} == {303}
    said = await elderly.said()
    assert (said.count("fact.recorded.v1"), said.count("referral.made.v1")) == (1, 1)
    assert len(await elderly.rows("select 1 from note")) == 1


async def test_what_was_typed_wrong_comes_back_with_its_sentence_and_nothing_is_lost(elderly: DeskUnderTest, case: str) -> None:
    answer = await elderly.send(f"{case}/facts", fact_id=uuid4(), **FACT | {"since": "むかし"}, headers={"hx-request": "true"})
    assert answer.status_code == 422
    assert "年月として読めません" in answer.text
    assert "むかし" in answer.text
    assert answer.text.lstrip().startswith("<form")
    answer = await elderly.send(f"{case}/notes", note_id=uuid4(), **NOTE | {"method": "", "happened_on": "R8.2.30"})
    assert answer.status_code == 422
    assert SECRET in answer.text
    assert (await elderly.said())[-1] == "case.opened.v1"


async def test_a_retracted_fact_is_taken_back_for_everybody(elderly: DeskUnderTest, case: str) -> None:
    fact = uuid4()
    await elderly.send(f"{case}/facts", fact_id=fact, **FACT)
    assert (await elderly.send(f"{case}/facts/{fact}/retract")).status_code == 303
    assert (await elderly.said())[-1] == "fact.retracted.v1"
    assert (await elderly.send(f"{case}/facts/{fact}/retract")).status_code == 409
    assert "要介護2" not in (await elderly.get(f"{case}?tab=notes")).text


async def test_recording_consent_changes_the_ground_of_later_events(elderly: DeskUnderTest, case: str) -> None:
    await elderly.send(f"{case}/facts", fact_id=uuid4(), **FACT | {"kind": "consent", "value": "given", "since": "", "legal_basis": "CONSENT"})
    assert "同意あり" in (await elderly.get(case)).text
    await moved(elderly, case, "SCREENED")
    assert '"legal_basis":"CONSENT"' in (await elderly.payloads()).splitlines()[-1].replace(": ", ":")


async def test_consent_cannot_be_claimed_where_there_is_none(elderly: DeskUnderTest, case: str) -> None:
    answer = await elderly.send(f"{case}/facts", fact_id=uuid4(), **FACT | {"legal_basis": "CONSENT"})
    assert answer.status_code == 422
    assert "同意はまだありません" in answer.text


async def test_the_own_view_of_a_caseworker_never_leaves_the_desk(elderly: DeskUnderTest, case: str) -> None:
    await elderly.send(f"{case}/notes", note_id=uuid4(), **NOTE)
    assert SECRET in (await elderly.get(case)).text
    said = await elderly.payloads()
    assert not any(word in said for word in (SECRET, "玄関先", "手紙", MOTHER_NAME))
    assert await elderly.said() == ["referral.accepted.v1", "case.opened.v1"]


async def test_the_center_reads_what_is_shared_but_not_the_own_view_nor_the_evidence(elderly: DeskUnderTest, case: str) -> None:
    note = uuid4()
    await elderly.send(f"{case}/notes", note_id=note, **NOTE)
    await elderly.send(f"{case}/notes", note_id=uuid4(), corrects=note, **NOTE | {"shared": "玄関先で10分話した。"})
    await elderly.send(f"{case}/facts", fact_id=uuid4(), **FACT)
    read = [
        (await elderly.get(path, NOGUCHI)).text
        for path in (case, f"{case}?tab=facts", f"{case}?correct={note}", f"{case}/_part/fact?kind=care_level")
    ]
    assert "玄関先で10分話した。" in read[0]
    assert "担当の窓口の職員だけが見られます" in read[0]
    assert "要介護2" in read[1]
    assert not any(SECRET in page for page in read)
    assert not any("・被保険者証" in page for page in read)
    assert "・被保険者証" in (await elderly.get(f"{case}?tab=facts")).text


async def test_a_note_moves_last_contact_and_the_next_due_day(elderly: DeskUnderTest, case: str) -> None:
    await elderly.send(f"{case}/notes", note_id=uuid4(), **NOTE)
    board = (await elderly.get("/")).text
    assert "長男に手紙" in board
    assert "あと7日" in board


async def test_a_correction_keeps_the_old_text_and_takes_its_place(elderly: DeskUnderTest, case: str) -> None:
    note = uuid4()
    await elderly.send(f"{case}/notes", note_id=note, **NOTE)
    form = (await elderly.get(f"{case}?correct={note}")).text
    assert "記録を訂正する" in form
    await elderly.send(f"{case}/notes", note_id=hidden(form, "note", "note_id"), corrects=note, **NOTE | {"shared": "玄関先で10分話した。"})
    page = (await elderly.get(case)).text
    assert "<del>玄関先で話した。</del>" in page
    assert "玄関先で10分話した。" in page
    assert (await elderly.send(f"{case}/notes", note_id=uuid4(), corrects=note, **NOTE)).status_code == 409


async def test_the_database_itself_refuses_to_change_a_note(elderly: DeskUnderTest, case: str) -> None:
    await elderly.send(f"{case}/notes", note_id=uuid4(), **NOTE)
    with pytest.raises(Exception, match="corrected by a new one"):
        await elderly.rows("update note set shared = '' returning note_id")


async def test_a_case_goes_through_its_stages_and_says_each(elderly: DeskUnderTest, case: str) -> None:
    await moved(elderly, case, "SCREENED", "ASSESSING")
    assert (await elderly.said())[-2:] == ["case.state_changed.v1"] * 2
    assert "段階：アセスメント" in (await elderly.get(case)).text


async def test_two_caseworkers_change_the_same_case_and_the_second_is_told(elderly: DeskUnderTest, case: str) -> None:
    version = hidden((await elderly.get(case)).text, "state-SCREENED", "version")
    answers = await asyncio.gather(
        elderly.send(f"{case}/state", version=version, state="SCREENED"), elderly.send(f"{case}/take", ITO, version=version)
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    assert any("先に更新されました" in answer.text for answer in answers)


async def test_suspending_without_a_watch_day_is_refused_at_the_field(elderly: DeskUnderTest, case: str) -> None:
    await moved(elderly, case, "SCREENED", "RELATION_BUILDING")
    version = hidden((await elderly.get(case)).text, "suspend", "version")
    answer = await elderly.send(f"{case}/state", version=version, state="SUSPENDED", reason="S1", watch_on="")
    assert answer.status_code == 422
    assert "次に様子を見る日を入れてください" in answer.text
    assert (await elderly.send(f"{case}/state", version=version, state="SUSPENDED", reason="S1", watch_on="+30")).status_code == 303


async def test_closing_with_a_reason_and_opening_again(elderly: DeskUnderTest, case: str) -> None:
    version = hidden((await elderly.get(case)).text, "close", "version")
    assert (await elderly.send(f"{case}/close", version=version, close_reason="1")).status_code == 409
    assert (await elderly.send(f"{case}/close", version=version, close_reason="7")).status_code == 303
    assert (await elderly.said())[-1] == "case.closed.v1"
    assert (await elderly.send(f"{case}/notes", note_id=uuid4(), **NOTE)).status_code == 409
    assert MOTHER_NAME in (await elderly.get("/?tab=closed")).text
    await moved(elderly, case, "ASSESSING")
    assert MOTHER_NAME in (await elderly.get("/")).text


async def test_referring_on_shows_the_answer_of_the_other_desk_and_holds_the_closing(elderly: DeskUnderTest, case: str) -> None:
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty")
    page = (await elderly.get(f"{case}?tab=referrals")).text
    assert "くらしの窓口" in page
    referral_id = hidden(page, "refer", "referral_id")
    await elderly.send(
        f"{case}/referrals", referral_id=referral_id, to="cases-poverty", topics=["07", "13"], urgency="B", legal_basis="INTERNAL_69_2_2"
    )
    assert (await elderly.said())[-1] == "referral.made.v1"
    version = hidden((await elderly.get(case)).text, "close", "version")
    assert (await elderly.send(f"{case}/close", version=version, close_reason="3")).status_code == 409
    declined = ReferralDeclined(
        household_id=HOUSEHOLD,
        legal_basis=LegalBasis.INTERNAL_69_2_2,
        referral_id=referral_id,
        reason=DeclineReason.ALREADY_INVOLVED,
        declined_on=TODAY,
    )
    await elderly.hear(declined, "cases-poverty", times=2)
    assert "すでに関わっている" in (await elderly.get(f"{case}?tab=referrals")).text
    assert (await elderly.send(f"{case}/close", version=version, close_reason="3")).status_code == 303


async def test_another_desk_is_seen_to_know_the_household_but_not_why(elderly: DeskUnderTest, case: str) -> None:
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty")
    about: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": LegalBasis.INTERNAL_69_2_2, "case_id": CaseId(uuid4())}
    await elderly.hear(CaseOpened(**about, state=CaseState.RECEIVED, opened_on=TODAY), "cases-poverty", times=2)
    page = (await elderly.get(case)).text
    assert "くらしの窓口" in page
    assert f"/d/poverty/cases/{about['case_id']}" not in page
    assert f"/d/poverty/cases/{about['case_id']}" in (await elderly.get(case, NOGUCHI)).text
    assert "他 1 窓口" in (await elderly.get("/")).text
    await elderly.hear(CaseClosed(**about, reason="1", closed_on=TODAY), "cases-poverty", times=2)
    assert "ほかの窓口の関わりは、いまありません" in (await elderly.get(case)).text
    await elderly.hear(CaseStateChanged(**about, state=CaseState.ASSESSING, changed_on=TODAY), "cases-poverty")
    assert "くらしの窓口" in (await elderly.get(case)).text


async def test_a_death_in_the_household_is_seen_at_the_member(elderly: DeskUnderTest, case: str) -> None:
    left = MemberLeft(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, member_id=SON, reason=LeavingReason.DIED, effective_on=TODAY)
    await elderly.hear(left, times=2)
    page = (await elderly.get(case)).text
    assert "死亡" in page
    assert SON_NAME in page


async def test_a_changed_household_is_asked_for_again_once_per_change(elderly: DeskUnderTest, case: str) -> None:
    before = len(await elderly.rows("select 1 from intent"))
    await elderly.hear_family()
    assert len(await elderly.rows("select 1 from intent")) == before + 2


async def test_the_slot_of_alerts_is_there_once_notify_has_said_where_it_is(elderly: DeskUnderTest, case: str) -> None:
    slot = f"/_part/household/{HOUSEHOLD}/alerts"
    assert slot not in (await elderly.get(case)).text
    await announced(elderly, "notify", "気づき", "/", accepts=False)
    assert slot in (await elderly.get(case)).text


async def test_looking_at_a_case_leaves_a_trace_of_who_and_on_what_ground(elderly: DeskUnderTest, case: str) -> None:
    await elderly.get(case, NOGUCHI)
    (row,) = await elderly.rows("select * from audit where actor = 'noguchi'")
    assert (row.action, row.object_kind, row.household_id, row.legal_basis) == ("view", "case", HOUSEHOLD, "INTERNAL_69_2_2")
    assert MOTHER_NAME not in str(row)


async def test_the_pages_stay_small(elderly: DeskUnderTest, case: str) -> None:
    for path in (case, f"{case}?tab=facts&kind=issue", f"{case}?tab=referrals", "/", "/referrals"):
        assert len((await elderly.get(path)).content) < 60_000, path


async def test_the_form_of_a_fact_shows_names_and_so_it_leaves_a_row_in_the_audit(elderly: DeskUnderTest, case: str) -> None:
    before = len(await elderly.rows("select 1 from audit where action = 'view'"))
    answer = await elderly.get(f"{case}/_part/fact?kind=care_level")
    assert answer.status_code == 200
    assert MOTHER_NAME in answer.text
    assert len(await elderly.rows("select 1 from audit where action = 'view'")) == before + 1
