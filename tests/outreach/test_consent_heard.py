"""訪問先で聞いた取り下げ・拒否: 一度の記録が受付に届き、根拠はすぐに改まる。読むだけの人、知らない人の言葉、先の日付は受けない。"""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response
from sqlalchemy import text

from services.outreach.spoken import Heard, Word, hear
from shared.contracts.consent import ConsentWithdrawn
from shared.desk.wareki import japan_day
from shared.runtime.auth import Staff
from shared.runtime.problems import FormIncomplete
from tests.outreach.builders import HOUSEHOLD, MOTHER, SON, TODAY
from tests.outreach.conftest import AYUMU, CENTER, MOTHER_NAME, RECEPTION, OutreachDesk, hidden
from tests.outreach.test_consent import grounds

CASEWORKER = Staff("sato", "見本 さとう", frozenset({"caseworker"}), frozenset({"elderly"}))


async def told(desk: OutreachDesk, path: str, staff: Staff = AYUMU, **form: Any) -> Response:
    page = (await desk.get(path)).text
    given: dict[str, Any] = {"fact_id": hidden(page, "consent", "fact_id"), "consent_of": MOTHER, "word": "withdrawn", "heard_on": ""}
    return await desk.send(f"{path}/consent", staff, **given | form)


async def published(desk: OutreachDesk) -> list[dict[str, Any]]:
    sql = "select convert_from(payload, 'UTF8') as body from outbox where channel = 'fact' order by pos"
    return [json.loads(row.body) for row in await desk.rows(sql)]


@pytest.mark.parametrize("word", ["withdrawn", "refused"])
async def test_what_was_heard_at_the_door_goes_to_the_reception_and_the_ground_changes_at_once(desk: OutreachDesk, word: str) -> None:
    path = await desk.watched()
    assert "同意あり" in (await desk.get(path)).text
    assert (await told(desk, path, word=word)).status_code == 303
    (said,) = await published(desk)
    assert (said["kind"], said["value"], said["member_id"]) == ("consent", word, str(MOTHER))
    assert (said["legal_basis"], said["as_of"], said["confidence"]) == ("INTERNAL_69_2_2", str(japan_day(datetime.now(UTC))), "confirmed")
    assert await grounds(desk) == ["INTERNAL_69_2_2"]
    assert "同意なし" in (await desk.get(path)).text
    assert MOTHER_NAME not in await desk.payloads()
    (seen,) = await desk.rows("select actor, action, object_kind, household_id from audit where object_kind = 'consent'")
    assert (seen.actor, seen.action, seen.household_id) == (AYUMU.sub, "withdraw", HOUSEHOLD)


async def test_the_answer_of_the_reception_removes_the_copies_and_is_answered_with_a_receipt(desk: OutreachDesk) -> None:
    path = await desk.watched()
    await told(desk, path)
    gone = ConsentWithdrawn(
        household_id=HOUSEHOLD, legal_basis="INTERNAL_69_2_2", withdrawal_id=uuid4(), consent_id=uuid4(), member_id=MOTHER, recipients=("outreach",),
        withdrawn_on=japan_day(datetime.now(UTC)), reason="heard_at_desk",
    )  # fmt: skip
    await desk.hear(gone, times=2)
    assert await desk.rows("select 1 from identity") == []
    (receipt,) = await desk.rows("select convert_from(payload, 'UTF8') as body from outbox where channel = 'receipt'")
    assert json.loads(receipt.body)["removed"] == 4, "two names, the address, what was told"


async def test_the_second_press_and_ten_at_once_are_one_word(desk: OutreachDesk) -> None:
    path = await desk.watched()
    fact = uuid4()
    answers = await asyncio.gather(*(told(desk, path, fact_id=fact) for _ in range(10)))
    assert {one.status_code for one in answers} == {303}
    assert len(await published(desk)) == 1


async def test_the_word_of_one_leaves_the_consent_of_the_others(desk: OutreachDesk) -> None:
    path = await desk.watched()
    assert (await told(desk, path, consent_of=SON)).status_code == 303
    assert await grounds(desk) == ["CONSENT"]
    assert [one["member_id"] for one in await published(desk)] == [str(SON)]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"consent_of": ""}, "だれの言葉かを選んでください"), ({"consent_of": str(uuid4())}, "だれの言葉かを選んでください"),
        ({"word": ""}, "どう聞いたかを選んでください"), ({"word": "given"}, "どう聞いたかを選んでください"),
        ({"word": "<script>"}, "どう聞いたかを選んでください"), ({"heard_on": "+1"}, "今日までの日付を入れてください"),
        ({"heard_on": "きのうの朝"}, "日付"),
        ({"consent_of": "模擬原 トミ"}, "画面を開き直して"),
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_told_at_the_field_and_nobody_hears_of_it(desk: OutreachDesk, form: dict[str, str], sentence: str) -> None:
    answer = await told(desk, await desk.watched(), **form)
    assert (answer.status_code, sentence in answer.text, 'id="consent"' in answer.text) == (422, True, True)
    assert await published(desk) == []


async def test_a_word_heard_before_a_newer_one_is_still_told(desk: OutreachDesk) -> None:
    """Which word is the newest is for the reception to say: it may know of more."""
    path = await desk.watched()
    assert (await told(desk, path, heard_on="R8.4.1")).status_code == 303
    assert [one["as_of"] for one in await published(desk)] == ["2026-04-01"]
    assert await grounds(desk) == ["CONSENT"], "the consent is from after that day"


@pytest.mark.parametrize("staff", [CENTER, RECEPTION, CASEWORKER], ids=lambda staff: next(iter(staff.roles)))
async def test_who_does_not_visit_records_nothing(desk: OutreachDesk, staff: Staff) -> None:
    path = await desk.watched()
    assert ((await told(desk, path, staff)).status_code, await published(desk)) == (403, [])
    assert "同意の取り下げ・拒否を聞いた" not in (await desk.get(path, staff)).text


PROTECT = "insert into protection (protection_id, household_id, member_id, kind, since) values (gen_random_uuid(), :h, :m, 'dv', current_date)"
BREAK = (
    "insert into break_glass (access_id, household_id, staff, reason, opened_at, until) "
    "values (gen_random_uuid(), :h, 'homon-1', 'life', now(), now() + interval '1 hour')"
)


async def test_a_protected_household_that_is_no_longer_watched_is_hidden_and_a_glass_only_reads(desk: OutreachDesk) -> None:
    path = await desk.watched()
    page = (await desk.get(path)).text
    form: dict[str, Any] = {"fact_id": hidden(page, "consent", "fact_id"), "consent_of": MOTHER, "word": "withdrawn", "heard_on": ""}
    about = {"h": HOUSEHOLD, "m": MOTHER}
    async with desk.db.transaction() as tx:
        await tx.execute(text(PROTECT), about)
        await tx.execute(text("update watch set ended_on = current_date, end_reason = ''"), {})
    assert (await desk.send(f"{path}/consent", **form)).status_code == 404
    async with desk.db.transaction() as tx:
        await tx.execute(text(BREAK), {"h": HOUSEHOLD})
    assert (await desk.get(path)).status_code == 200
    for door in ("consent", "check-ins", "tier", "end", "ask"):
        assert (await desk.send(f"{path}/{door}", **form)).status_code == 403, door
    assert await published(desk) == []


def test_the_rule_alone() -> None:
    one = Heard(uuid4(), HOUSEHOLD, MOTHER, Word.REFUSED, TODAY)
    assert hear(one, [MOTHER, SON], TODAY).value == "refused"
    with pytest.raises(FormIncomplete) as found:
        hear(Heard(uuid4(), HOUSEHOLD, None, None, TODAY + timedelta(days=1)), [], date(2026, 11, 23))
    assert set(found.value.fields) == {"consent_of", "word", "heard_on"}
