"""T-13: the consent is withdrawn while a case and a watch run. Every desk removes its copies and says so, even the one that was stopped."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from tests.journeys.conftest import COORDINATOR, Town
from tests.journeys.test_through_the_desks import ELDERLY, POVERTY, RECEPTION, accept, people, record

OUTREACH = Staff("o1", "試験 訪問", frozenset({"outreach"}))
NAME = "合言葉 文子"
SHEET = {
    "route": "3", "name": NAME, "kana": "アイコトバ フミコ", "birth": "S18.4.1", "role": "head", "area": "SHUZENJI", "town": "秘密町9001",
    "phone": "0000-11-2222", "text": "ひとり暮らしで心細い。", "topics": ["12"], "urgency": "C", "consent": "given",
}  # fmt: skip
DESKS = ("cases-elderly", "cases-poverty", "outreach")


async def agreed(town: Town) -> tuple[UUID, UUID]:
    """受付で同意した人を、二つの窓口と訪問につなぐ。氏名が三つともに届くまで。"""
    key = str(uuid4())
    answer = await town.ask("intake", "POST", "/intake/new", RECEPTION, data=SHEET | {"form_key": key, "refer_to": list(DESKS)})
    assert answer.status_code == 201, answer.text
    (row,) = await town.rows("intake", "select household_id from consultation where form_key = :key", key=UUID(key))
    household = UUID(str(row.household_id))
    for desk in DESKS:
        await eventually(lambda desk=desk: copies(town, desk, household))  # type: ignore[misc]
    return household, (await people(town, household))["文子"]


async def copies(town: Town, desk: str, household: UUID) -> list[Any]:
    """Whatever of the person still lies at the desk: a name, an address, what was told."""
    names = await town.rows(desk, "select name from identity where household_id = :h", h=household)
    told = "select 1 from disclosure where household_id = :h and (address is not null or consultation_text is not null)"
    return [*names, *await town.rows(desk, told, h=household)]


async def withdraw(town: Town, household: UUID, member: UUID) -> None:
    form = {"withdrawal_id": str(uuid4()), "member_id": str(member), "scope": "all", "reason": "person_asked"}
    answer = await town.ask("intake", "POST", f"/intake/households/{household}/consents/withdraw", RECEPTION, data=form)
    assert answer.status_code == 303, answer.text


async def page(town: Town, household: UUID) -> str:
    return (await town.ask("intake", "GET", f"/intake/households/{household}/consents", RECEPTION)).text


async def test_t13_every_desk_removes_its_copies_and_answers_and_the_next_share_on_consent_is_refused(town: Town) -> None:
    household, member = await agreed(town)
    case = await accept(town, "cases-elderly", "/d/elderly", ELDERLY, household)
    await record(town, "cases-elderly", case, ELDERLY, kind="dementia", value="suspected", member_id=str(member), legal_basis="CONSENT")
    fact_at_notify = "select facts::text as facts from household where household_id = :h"
    await eventually(lambda: _holds(town, fact_at_notify, household, "dementia"))
    await withdraw(town, household, member)

    async def all_answered() -> bool:
        return not await town.rows("intake", "select 1 from withdrawal_receipt r join consent_withdrawal w on w.id = r.withdrawal_id "
                                   "where w.household_id = :h and r.done_on is null", h=household)  # fmt: skip

    await eventually(all_answered)
    for desk in DESKS:
        assert await copies(town, desk, household) == []
    shown = await page(town, household)
    assert "まだ：" not in shown
    assert "支援の記録" in shown  # the file of the elderly desk is kept by its period
    form = {"fact_id": str(uuid4()), "kind": "care_level", "value": "care2", "member_id": str(member), "as_of": "今日", "confidence": "confirmed",
            "legal_basis": "CONSENT"}  # fmt: skip
    refused = await town.ask("cases-elderly", "POST", f"{case}/facts", ELDERLY, data=form)
    assert (refused.status_code, "ほかの根拠を選んでください" in refused.text) == (422, True)
    await eventually(lambda: _lacks(town, fact_at_notify, household, "dementia"))


@pytest.mark.parametrize("word", ["withdrawn", "refused"])
async def test_what_an_outreach_worker_hears_at_the_door_reaches_every_desk_and_all_answer(town: Town, word: str) -> None:
    household, member = await agreed(town)
    (waiting,) = await town.rows("outreach", "select referral_id, version from referral where household_id = :h", h=household)
    plan = {"version": str(waiting.version), "plan_id": str(uuid4()), "member_id": str(member), "tier": "B"}
    accepted = await town.ask("outreach", "POST", f"/outreach/referrals/{waiting.referral_id}/accept", OUTREACH, data=plan)
    form = {"fact_id": str(uuid4()), "consent_of": str(member), "word": word}
    heard = await town.ask("outreach", "POST", f"/outreach/watch/{plan['plan_id']}/consent", OUTREACH, data=form)
    assert (accepted.status_code, heard.status_code) == (303, 303)
    said = "select r.done_on from withdrawal_receipt r join consent_withdrawal w on w.id = r.withdrawal_id where w.household_id = :h"

    async def all_answered() -> bool:
        receipts = await town.rows("intake", said, h=household)
        return len(receipts) == len(DESKS) and all(row.done_on for row in receipts)

    await eventually(all_answered)
    for desk in DESKS:
        assert await copies(town, desk, household) == []
    assert "担当の窓口で聞いた" in await page(town, household)


async def _holds(town: Town, sql: str, household: UUID, word: str) -> bool:
    return any(word in row.facts for row in await town.rows("notify", sql, h=household))


async def _lacks(town: Town, sql: str, household: UUID, word: str) -> bool:
    return not await _holds(town, sql, household, word)


async def test_a_stopped_desk_is_waited_for_and_the_list_completes_by_itself_when_it_returns(town: Town) -> None:
    household, member = await agreed(town)
    await town.stop("cases-poverty")
    await withdraw(town, household, member)

    async def only_poverty() -> bool:
        return "まだ：くらしの窓口（生活困窮者自立支援）<" in await page(town, household)

    try:
        await eventually(only_poverty)
        await three_days_pass(town, household)
        await eventually(lambda: _inbox_says(town, household, "くらしの窓口", "同意の撤回への受領が届いていません"), timeout=30)
    finally:
        await town.start("cases-poverty")

    async def nobody() -> bool:
        return "まだ：" not in await page(town, household)

    await eventually(nobody, timeout=30)
    assert await copies(town, "cases-poverty", household) == []
    await eventually(lambda: _inbox_says(town, household, "対応済", "受領がすべて届いた"), timeout=30)


async def three_days_pass(town: Town, household: UUID) -> None:
    """The clock that waits for the receipts is due at once."""
    async with town.db("intake").transaction() as tx:
        query = text("update timer set due_at = now(), try_at = now() where kind = 'receipts' and household = :h")
        assert await tx.execute(query, {"h": household})


async def _inbox_says(town: Town, household: UUID, *words: str) -> bool:
    """The center opens the one alert about receipts and reads it."""
    found = await town.rows("notify", "select id from alert where household_id = :h and rule_id = 'R-916'", h=household)
    assert len(found) < 2, "the same withdrawal was told twice"
    shown = [(await town.ask("notify", "GET", f"/inbox/alerts/{row.id}", COORDINATOR)).text for row in found]
    return any(all(word in one for word in words) for one in shown)


async def test_what_a_caseworker_hears_reaches_the_others_through_intake(town: Town) -> None:
    household, member = await agreed(town)
    case = await accept(town, "cases-poverty", "/d/poverty", POVERTY, household)
    await record(town, "cases-poverty", case, POVERTY, kind="consent", value="withdrawn", member_id=str(member))
    for desk in DESKS:
        await eventually(lambda desk=desk: _none(town, desk, household))  # type: ignore[misc]
    assert "担当の窓口で聞いた" in await page(town, household)


async def _none(town: Town, desk: str, household: UUID) -> bool:
    return not await copies(town, desk, household)
