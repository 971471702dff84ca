"""「明らかに本人の利益」の提供: 承認されるまで何も伝わらず、打たれたことは失われず、決めるのは別の上司ひとり。"""

import asyncio
import re
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.cases.casework import approvals
from shared.contracts.case import CaseState
from shared.contracts.conference import ConferenceConvened, Forum
from shared.contracts.domain import NavigationEntry
from shared.contracts.event import LegalBasis, StaffId
from shared.contracts.protection import ConflictDeclared, ConflictKind, ProtectionDeclared, ProtectionKind
from shared.runtime.announce import Navigation
from shared.runtime.auth import Staff
from tests.cases.builders import HOUSEHOLD, MOTHER, TODAY, made
from tests.cases.desk import ITO, MOTHER_NAME, NOGUCHI, SATO, SON_NAME, DeskUnderTest
from tests.cases.test_case_at_the_desk import FACT, announced

CHIEF = Staff("kacho", "課長 一郎", frozenset({"manager"}))
OTHER = Staff("bucho", "部長 二郎", frozenset({"manager"}))
OF_ELDERLY = Staff("kakari", "係長 三郎", frozenset({"manager"}), frozenset({"elderly"}))
OF_POVERTY = Staff("kurashi", "係長 四郎", frozenset({"manager"}), frozenset({"poverty"}))
BOTH = Staff("sato", "佐藤 花子", frozenset({"caseworker", "manager"}), frozenset({"elderly"}))
WHY, NOTE, WORDS, BENEFIT = "救急で運ばれ、意識がない", "伝えるのは要介護度だけ", "病室で明日、聞けるそうです", "BENEFIT_69_2_4"
ASKED: dict[str, Any] = {"legal_basis": BENEFIT, "harm_checked": "1", "harm_note": NOTE, "why_not_asked": WHY}
OFFER: dict[str, Any] = {"to": "cases-poverty", "topics": ["07"], "urgency": "B"}


@pytest.fixture
async def case(elderly: DeskUnderTest) -> str:
    """Path of an accepted case whose household has a name; 佐藤 looks after it, and there is a desk to refer to."""
    event = made()
    await elderly.hear_family()
    await elderly.hear(event)
    await elderly.told_who(event.referral_id)
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty")
    return await elderly.accepted(event.referral_id)


async def ask_fact(desk: DeskUnderTest, case: str, staff: Staff = SATO, **more: Any) -> UUID:
    fact = uuid4()
    answer = await desk.send(f"{case}/facts", staff, fact_id=fact, **FACT | ASKED | more)
    assert answer.status_code == 303, answer.text
    return fact


async def ask_referral(desk: DeskUnderTest, case: str, **more: Any) -> UUID:
    referral = uuid4()
    answer = await desk.send(f"{case}/referrals", referral_id=referral, **OFFER | ASKED | more)
    assert answer.status_code == 303, answer.text
    return referral


async def press(desk: DeskUnderTest, request: UUID, staff: Staff = CHIEF, what: str = "approve", **form: Any) -> Any:
    return await desk.send(f"/approvals/{request}/{what}", staff, **form)


async def states(desk: DeskUnderTest) -> list[str]:
    return [row.state for row in await desk.rows("select state from approval order by asked_at")]


async def test_a_fact_waits_for_the_supervisor_and_is_then_told_in_the_name_of_who_asked(elderly: DeskUnderTest, case: str) -> None:
    before = await elderly.said()
    request = await ask_fact(elderly, case)
    assert await elderly.said() == before
    assert await elderly.rows("select 1 from fact") == []
    page = (await elderly.get(case)).text
    assert "承認待ち" in page
    assert all(word in page for word in ("要介護2", WHY, NOTE))
    assert (await press(elderly, request)).status_code == 303
    assert await elderly.said() == [*before, "fact.recorded.v1"]
    assert BENEFIT in (await elderly.payloads()).splitlines()[-1]
    (fact,) = await elderly.rows("select * from fact")
    assert (fact.fact_id, fact.by_sub, fact.legal_basis, fact.harm_note) == (request, "sato", BENEFIT, NOTE)
    page = (await elderly.get(case)).text
    assert "承認済" in page
    assert "課長 一郎さん" in page


async def test_a_referral_waits_for_the_supervisor_and_is_then_made(elderly: DeskUnderTest, case: str) -> None:
    before = await elderly.said()
    request = await ask_referral(elderly, case)
    assert await elderly.said() == before
    assert len(await elderly.rows("select 1 from referral")) == 1, "the one that came in"
    shown = (await elderly.get("/approvals", CHIEF)).text
    assert "くらしの窓口" in shown
    assert "緊急度" in shown
    assert (await press(elderly, request)).status_code == 303
    assert await elderly.said() == [*before, "referral.made.v1"]
    (row,) = await elderly.rows("select * from referral where referral_id = :r", r=request)
    assert (row.to_unit, row.legal_basis, row.case_id, row.state) == ("cases-poverty", BENEFIT, UUID(case.rsplit("/", 1)[1]), "received")


async def test_the_supervisor_reads_all_that_would_be_told_and_no_name_and_nothing_typed_leaves(elderly: DeskUnderTest, case: str) -> None:
    one, two = await ask_fact(elderly, case), await ask_referral(elderly, case)
    page = (await elderly.get("/approvals", CHIEF)).text
    for word in ("要介護2", "令和6年8月", "確認した", "福祉相談センター", "世帯主（82歳ごろ）", "佐藤 花子さん", WHY, NOTE, "同意はまだ"):
        assert word in page, word
    assert not any(word in page for word in (MOTHER_NAME, SON_NAME, "見本町", "0558-00-0001", "被保険者証"))
    for request in (one, two):
        await press(elderly, request)
    said = await elderly.payloads()
    assert not any(word in said for word in (WHY, NOTE, MOTHER_NAME))
    assert "承認を待つ提供はありません" in (await elderly.get("/approvals", CHIEF)).text


@pytest.mark.parametrize("missing", [{"harm_checked": ""}, {"harm_note": ""}, {"why_not_asked": ""}])
async def test_a_request_that_lacks_something_comes_back_as_typed(elderly: DeskUnderTest, case: str, missing: dict[str, str]) -> None:
    typed = FACT | ASKED | missing
    answer = await elderly.send(f"{case}/facts", fact_id=uuid4(), **typed)
    assert answer.status_code == 422
    assert all(typed[name] in answer.text for name in ("evidence", "harm_note", "why_not_asked"))
    answer = await elderly.send(f"{case}/referrals", referral_id=uuid4(), **OFFER | ASKED | missing)
    assert answer.status_code == 422
    assert await states(elderly) == []


async def test_a_no_is_read_by_who_asked_and_stays_at_the_desk(elderly: DeskUnderTest, case: str) -> None:
    request, before = await ask_fact(elderly, case), await elderly.said()
    for wrong in ({"words": WORDS}, {"reason": "other"}, {"reason": "because", "words": WORDS}, {"reason": "other", "words": "あ" * 401}):
        navigating = {"sec-fetch-mode": "navigate"}
        form, page = [await press(elderly, request, what="decline", headers=headers, **wrong) for headers in ({}, navigating)]
        assert (form.status_code, page.status_code) == (422, 422)
        assert form.text.lstrip().startswith("<form")
        assert wrong.get("words", "") in form.text, "nothing typed is lost"
        assert "承認を待つ提供" in page.text
    assert (await press(elderly, request, what="decline", reason="ask_the_person", words=WORDS)).status_code == 303
    page = (await elderly.get(case)).text
    assert "本人に聞いて、同意を得られる" in page
    assert WORDS in page
    assert "本人に聞いて、同意を得られる" in (await elderly.get("/")).text, "on the own board"
    assert "承認を求めた提供" not in (await elderly.get("/", ITO)).text
    assert await elderly.said() == before
    assert WORDS not in await elderly.payloads()
    assert (await press(elderly, request)).status_code == 409, "a second thought needs a new request"
    assert await states(elderly) == ["declined"]


async def test_nobody_settles_their_own(elderly: DeskUnderTest, case: str) -> None:
    request = await ask_fact(elderly, case, BOTH)
    page = (await elderly.get("/approvals", BOTH)).text
    assert "自分で求めた承認です" in page
    assert f"/approvals/{request}/approve" not in page
    for what in ("approve", "decline"):
        assert (await press(elderly, request, BOTH, what, reason="tell_less")).status_code == 403
    assert await states(elderly) == ["waiting"]
    assert (await press(elderly, request, OTHER)).status_code == 303


async def test_a_manager_of_domains_is_the_supervisor_of_these_desks_only(elderly: DeskUnderTest, case: str, desks: Any) -> None:
    request = await ask_fact(elderly, case)
    for staff in (OF_POVERTY, SATO, NOGUCHI):
        assert (await elderly.get("/approvals", staff)).status_code == 403
        assert (await press(elderly, request, staff)).status_code == 403
    assert (await press(elderly, request, OF_ELDERLY)).status_code == 303
    center = await desks("cases-center")
    assert [(await center.get("/approvals", staff)).status_code for staff in (OF_ELDERLY, CHIEF)] == [403, 200]


async def test_the_page_of_one_desk_brings_those_of_the_others_the_manager_answers_for(elderly: DeskUnderTest, case: str) -> None:
    await announced(elderly, "outreach", "見守り", "/outreach")
    await announced(elderly, "cases-elderly", "高齢の窓口", "/d/elderly", welfare_domain="elderly")
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty", welfare_domain="poverty")
    await announced(elderly, "cases-center", "福祉相談センター", "/center")
    slots = {
        staff.sub: set(re.findall(r'hx-get="([^"]+)/approvals"', (await elderly.get("/approvals", staff)).text)) for staff in (CHIEF, OF_ELDERLY)
    }
    assert slots == {"kacho": {"/center", "/d/poverty"}, "kakari": set()}
    await ask_fact(elderly, case)
    part = (await elderly.get("/approvals", CHIEF, **{"hx-request": "true"})).text
    assert part.lstrip().startswith("<h2")
    assert "要介護2" in part


async def test_a_manager_finds_one_entry_in_the_navigation_and_none_that_answers_403(elderly: DeskUnderTest) -> None:
    for domain in ("elderly", "poverty"):
        link = NavigationEntry(label="承認を待つ提供", href=f"/d/{domain}/approvals", roles=("manager",))
        await announced(elderly, f"cases-{domain}", domain, f"/d/{domain}", welfare_domain=domain, navigation=(link,))
    navigation = Navigation()
    await navigation.refresh(elderly.db)
    visible = {staff.sub: [link.href for link in navigation.visible_to(staff)] for staff in (CHIEF, OF_POVERTY, SATO)}
    assert visible == {"kacho": ["/d/elderly/approvals"], "kurashi": ["/d/poverty/approvals"], "sato": []}


async def test_a_request_opens_no_case_to_the_supervisor(elderly: DeskUnderTest, case: str) -> None:
    await ask_fact(elderly, case)
    assert (await elderly.get(case, CHIEF)).status_code == 403
    assert case not in (await elderly.get("/approvals", CHIEF)).text


async def hidden_from(desk: DeskUnderTest, staff: Staff, request: UUID) -> bool:
    listed = str(request) in (await desk.get("/approvals", staff)).text
    answers = {(await press(desk, request, staff, what, reason="tell_less")).status_code for what in ("decline", "approve")}
    assert answers in ({404}, {303, 409}, {303})
    return not listed and answers == {404}


async def test_a_protected_household_is_settled_by_a_manager_who_also_guards(elderly: DeskUnderTest, case: str) -> None:
    request = await ask_fact(elderly, case)
    protected = ProtectionDeclared(
        household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, protection_id=uuid4(), member_id=MOTHER, kind=ProtectionKind.SHIEN_SOCHI,
        since=TODAY,
    )  # fmt: skip
    await elderly.hear(protected)
    assert await hidden_from(elderly, CHIEF, request)
    assert await states(elderly) == ["waiting"]
    assert "保護担当を兼ねる管理者が承認すると" in (await elderly.get(case)).text, "who asked is not left to wait in vain"
    guard = Staff("hogo", "保護 課長", frozenset({"manager", "dv_officer"}))
    assert not await hidden_from(elderly, guard, request)


async def test_whoever_is_in_conflict_of_interest_finds_no_trace(elderly: DeskUnderTest, case: str) -> None:
    request = await ask_fact(elderly, case)
    conflict = ConflictDeclared(
        household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, conflict_id=uuid4(), staff=StaffId(CHIEF.sub), kind=ConflictKind.RELATIVE
    )
    await elderly.hear(conflict)
    assert await hidden_from(elderly, CHIEF, request)
    assert "承認を待つ提供はありません" in (await elderly.get("/approvals", CHIEF)).text
    assert await elderly.rows("select 1 from audit where action = 'list' and object_kind = 'approval'") == []
    assert not await hidden_from(elderly, OTHER, request)


async def test_a_supervisor_who_attends_a_conference_about_the_household_still_settles_and_opens_nothing_else(
    elderly: DeskUnderTest, case: str
) -> None:
    request = await ask_fact(elderly, case)
    await elderly.hear(
        ConferenceConvened(
            household_id=HOUSEHOLD, legal_basis=LegalBasis.ART106_6, conference_id=uuid4(), forum=Forum.CONFIDENTIAL, staff=(StaffId(CHIEF.sub),),
            convened_on=TODAY, ends_on=date(2100, 1, 1), readable_until=date(2100, 1, 1),
        ),
        "cases-center",
    )  # fmt: skip
    ordinary, unknown = [(await elderly.get(f"/households/{one}", CHIEF)).status_code for one in (HOUSEHOLD, uuid4())]
    assert ordinary == unknown
    assert not await hidden_from(elderly, CHIEF, request)


async def test_who_asked_takes_it_back_and_nobody_else(elderly: DeskUnderTest, case: str) -> None:
    request = await ask_fact(elderly, case)
    assert (await elderly.send(f"{case}/approvals/{request}/withdraw", ITO)).status_code == 403
    assert f"{request}/withdraw" not in (await elderly.get(case, ITO)).text
    assert f"{request}/withdraw" in (await elderly.get(case)).text
    for _ in range(2):
        assert (await elderly.send(f"{case}/approvals/{request}/withdraw")).status_code == 303
    assert str(request) not in (await elderly.get("/approvals", CHIEF)).text
    refused = await press(elderly, request)
    assert refused.status_code == 409
    assert "佐藤 花子さんが先に取り下げました" in refused.text
    assert await elderly.rows("select 1 from fact") == []


async def test_what_can_no_longer_be_told_says_so_and_keeps_the_request(elderly: DeskUnderTest, case: str) -> None:
    fact, referral, before = await ask_fact(elderly, case), await ask_referral(elderly, case), await elderly.said()
    async with elderly.db.transaction() as tx:
        await tx.connection.exec_driver_sql(f"update case_file set state = '{CaseState.CLOSED}', closed_on = now()")
    for request in (fact, referral):
        refused = await press(elderly, request)
        assert refused.status_code == 409
        assert "このケースは終結しています" in refused.text
        assert "求めはこのまま残ります" in refused.text
    assert await states(elderly) == ["waiting", "waiting"]
    async with elderly.db.transaction() as tx:
        await tx.connection.exec_driver_sql(f"update case_file set state = '{CaseState.ASSESSING}', closed_on = null")
        await tx.connection.exec_driver_sql("update announced_unit set accepts_referrals = false where unit = 'cases-poverty'")
    assert "つなぎ先を選んでください" in (await press(elderly, referral)).text
    assert await elderly.said() == before
    assert (await press(elderly, fact)).status_code == 303
    assert await states(elderly) == ["approved", "waiting"]


async def test_two_supervisors_at_once_have_one_effect_and_the_second_is_told_who_was_first(elderly: DeskUnderTest, case: str) -> None:
    request = await ask_fact(elderly, case)
    answers = await asyncio.gather(*(press(elderly, request, staff) for staff in (CHIEF, CHIEF, OTHER, OF_ELDERLY)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {303, 409}
    first = await elderly.rows("select settled_by_name from approval")
    assert all(f"{first[0].settled_by_name}さんが先に承認しました" in answer.text for answer in answers if answer.status_code == 409)
    assert (await elderly.said()).count("fact.recorded.v1") == 1
    assert len(await elderly.rows("select 1 from audit where action = 'approve'")) == 1


async def test_a_yes_a_no_and_a_withdrawal_at_once_are_one_decision(elderly: DeskUnderTest, case: str) -> None:
    for _ in range(4):
        request, before = await ask_fact(elderly, case), len(await elderly.said())
        await asyncio.gather(
            press(elderly, request),
            press(elderly, request, OTHER, "decline", reason="tell_less"),
            elderly.send(f"{case}/approvals/{request}/withdraw"),
        )
        (row,) = await elderly.rows("select state from approval where request_id = :r", r=request)
        assert len(await elderly.said()) - before == (row.state == "approved")


async def test_the_approval_and_what_it_tells_are_one_commit(elderly: DeskUnderTest, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fact, referral, before = await ask_fact(elderly, case), await ask_referral(elderly, case), await elderly.said()

    async def killed(*_: Any) -> None:
        raise SystemError("killed between telling and saving")

    with monkeypatch.context() as patch:
        patch.setattr(approvals, "settle", killed)
        for request in (fact, referral):
            with pytest.raises(SystemError):
                await press(elderly, request)
    assert await elderly.said() == before
    assert await states(elderly) == ["waiting", "waiting"]
    assert (await elderly.rows("select (select count(*) from fact) + (select count(*) from referral) as n"))[0].n == 1
    for request in (fact, referral):
        assert (await press(elderly, request)).status_code == 303
    assert (await elderly.said())[len(before) :] == ["fact.recorded.v1", "referral.made.v1"]


async def test_a_double_press_asks_once_and_a_fact_told_otherwise_meanwhile_is_not_told_again(elderly: DeskUnderTest, case: str) -> None:
    fact = uuid4()
    await asyncio.gather(*(elderly.send(f"{case}/facts", fact_id=fact, **FACT | ASKED) for _ in range(3)))
    assert await states(elderly) == ["waiting"]
    await elderly.send(f"{case}/facts", fact_id=fact, **FACT)
    before = await elderly.said()
    assert (await press(elderly, fact)).status_code == 409
    assert await elderly.said() == before
    assert (await press(elderly, fact, what="decline", reason="another_basis")).status_code == 303


async def test_every_step_is_in_the_audit_with_the_ground(elderly: DeskUnderTest, case: str) -> None:
    yes, no, back = [await ask_fact(elderly, case) for _ in range(3)]
    await elderly.get("/approvals", CHIEF)
    await press(elderly, yes)
    await press(elderly, no, what="decline", reason="may_harm")
    await elderly.send(f"{case}/approvals/{back}/withdraw")
    rows = await elderly.rows(
        "select actor, action, object_id, legal_basis from audit where object_kind = 'approval' and action <> 'list' order by at"
    )
    assert [(row.actor, row.action, row.object_id, row.legal_basis) for row in rows] == [
        *(("sato", "ask_approval", str(one), BENEFIT) for one in (yes, no, back)),
        ("kacho", "approve", str(yes), BENEFIT), ("kacho", "decline", str(no), BENEFIT), ("sato", "withdraw", str(back), BENEFIT),
    ]  # fmt: skip
    (listed,) = await elderly.rows("select households from audit where object_kind = 'approval' and action = 'list'")
    assert listed.households == [HOUSEHOLD]


async def test_a_reader_of_the_case_sees_no_request_and_what_is_hostile_stays_text(elderly: DeskUnderTest, case: str) -> None:
    await ask_fact(elderly, case, why_not_asked="<script>alert(1)</script>'\"; drop table approval; --", harm_note="𠮷" * 400)
    assert "承認を求めた提供" not in (await elderly.get(case, NOGUCHI)).text
    for page in ((await elderly.get(case)).text, (await elderly.get("/approvals", CHIEF)).text):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert (await press(elderly, uuid4())).status_code == 404
    assert (await elderly.send("/approvals/x/approve", CHIEF)).status_code in (404, 422)
