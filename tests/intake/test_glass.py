"""緊急閲覧: 理由つき、一つの世帯、60分、読むだけ。見えない世帯があるかどうかは、申請しても分からない。"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake import glass_store
from shared.contracts.access import BreakGlassOpened, BreakGlassReviewed
from shared.runtime.auth import Staff
from tests.intake.conftest import MANAGER, RECEPTION, Desk
from tests.intake.test_households import home
from tests.intake.test_protection import OFFICER, protect

WORKER = Staff("w9", "試験 夜勤", frozenset({"caseworker"}), frozenset({"children"}))
WHY = {"reason": "life", "note": "本人から助けを求める電話があり担当者が不在"}


async def ask(desk: Desk, number: str, staff: Staff = WORKER, **more: Any) -> Any:
    return await desk.post("/intake/glass", WHY | {"number": number} | more, staff)


async def test_an_ordinary_household_opens_at_once_for_reading_only(desk: Desk) -> None:
    path, people = await home(desk)
    assert (await desk.get(path, WORKER)).status_code == 403
    answer = await ask(desk, "R8-0001")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = await desk.get(path, WORKER)
    assert page.status_code == 200
    assert "見本 文子" in page.text
    assert "緊急閲覧中です" in page.text
    assert "訂正・異動" not in page.text
    assert (await desk.post(f"{path}/members/{people['見本 文子']}/leave", {"reason": "died", "effective_on": "今日"}, WORKER)).status_code == 403
    record = (await desk.rows("select id from consultation"))[0].id
    read = await desk.get(f"/intake/consultations/{record}", WORKER)
    assert "長男が八年ほど外に出ていない。" in read.text
    assert "訂正を保存する" not in read.text
    assert (await desk.post(f"/intake/consultations/{record}/withdraw", {"reason": "mistake"}, WORKER)).status_code == 403
    opened = (await desk.said())[-1]
    assert isinstance(opened, BreakGlassOpened)
    assert (opened.staff, opened.second) == ("w9", None)
    assert timedelta(minutes=59) < opened.until - datetime.now(UTC) <= timedelta(minutes=60)
    assert "助けを求める" not in await desk.payloads()


async def test_it_opens_this_household_and_ends_by_the_clock(desk: Desk) -> None:
    path, _ = await home(desk)
    await desk.take(name="別人 太郎", kana="ベツジン タロウ")
    other = next(row.id for row in await desk.rows("select id from household") if str(row.id) not in path)
    await ask(desk, path.rsplit("/", 1)[1])
    assert (await desk.get(f"/intake/households/{other}", WORKER)).status_code == 403
    async with desk.db.transaction() as tx:
        await tx.connection.exec_driver_sql("update break_glass set until = now()")
    assert (await desk.get(path, WORKER)).status_code == 403


async def test_a_protected_household_needs_a_second_person_and_shows_no_place(desk: Desk) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"])
    hidden, unknown = await ask(desk, "R8-0001"), await ask(desk, "R8-9999")
    assert (hidden.status_code, hidden.headers["location"]) == (unknown.status_code, unknown.headers["location"]) == (303, "/intake/glass?asked=1")
    mine = (await desk.get("/intake/glass", WORKER)).text
    assert mine.count("立会いの確認待ち") == 2
    waiting = await desk.rows("select access_id, known from glass_request order by known desc")
    for staff in (WORKER, RECEPTION, MANAGER):
        assert (await desk.post(f"/intake/glass/{waiting[0].access_id}/witness", {}, staff)).status_code == 403
    assert (await desk.post(f"/intake/glass/{waiting[1].access_id}/witness", {}, OFFICER)).status_code == 409
    assert (await desk.get(path, WORKER)).status_code in (403, 404)
    assert (await desk.post(f"/intake/glass/{waiting[0].access_id}/witness", {}, OFFICER)).status_code == 303
    page = await desk.get(path, WORKER)
    assert "見本 文子" in page.text
    assert "修善寺" not in page.text
    assert "0558" not in page.text


async def test_nobody_witnesses_or_reviews_the_own_asking(desk: Desk) -> None:
    path, people = await home(desk)
    both = Staff("b1", "試験 兼務", frozenset({"dv_officer", "manager", "reception"}))
    await protect(desk, path, people["見本 文子"])
    await ask(desk, "R8-0001", both)
    one = (await desk.rows("select access_id from glass_request"))[0].access_id
    assert (await desk.post(f"/intake/glass/{one}/witness", {}, both)).status_code == 403
    assert (await desk.post(f"/intake/glass/{one}/witness", {}, OFFICER)).status_code == 303
    assert (await desk.post(f"/intake/glass/{one}/review", {"verdict": "justified"}, both)).status_code == 403
    assert (await desk.post(f"/intake/glass/{one}/review", {"verdict": "justified"}, MANAGER)).status_code == 303
    assert isinstance((await desk.said())[-1], BreakGlassReviewed)
    assert (await desk.post(f"/intake/glass/{one}/review", {"verdict": "justified"}, MANAGER)).status_code == 409


async def test_whoever_is_in_conflict_is_let_in_by_nobody(desk: Desk) -> None:
    path, _ = await home(desk)
    await desk.post(f"{path}/conflicts", {"staff": "w9", "kind": "counterpart"}, OFFICER)
    assert (await ask(desk, "R8-0001")).headers["location"] == "/intake/glass?asked=1"
    one = (await desk.rows("select access_id from glass_request"))[0].access_id
    assert (await desk.post(f"/intake/glass/{one}/witness", {}, OFFICER)).status_code == 409
    assert not [event for event in await desk.said() if isinstance(event, BreakGlassOpened)]


async def test_a_review_that_is_not_made_in_time_escalates_once(desk: Desk) -> None:
    await home(desk)
    await ask(desk, "R8-0001")
    one = (await desk.rows("select access_id from glass_request"))[0].access_id
    due = (await desk.rows("select due_at from timer where kind = 'glass_review'"))[0].due_at
    assert due > datetime.now(UTC) + timedelta(days=2)
    assert "点検の期限を過ぎた" not in (await desk.get("/intake/glass/waiting", OFFICER)).text
    async with desk.db.transaction() as tx:
        assert await glass_store.escalate(tx, one)
        assert not await glass_store.escalate(tx, one)
    assert "点検の期限を過ぎた" in (await desk.get("/intake/glass/waiting", OFFICER)).text
    assert (await desk.post(f"/intake/glass/{one}/review", {"verdict": "not_justified"}, MANAGER)).status_code == 303
    assert "点検の期限を過ぎた" not in (await desk.get("/intake/glass/waiting", OFFICER)).text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [({"reason": ""}, "理由を選んで"), ({"reason": "curious"}, "理由を選んで"), ({"note": "急ぐ"}, "10字以上"), ({"number": ""}, "受付番号を")],
)  # fmt: skip
async def test_without_a_reason_nothing_opens(desk: Desk, given: dict[str, str], sentence: str) -> None:
    await home(desk)
    answer = await desk.post("/intake/glass", WHY | {"number": "R8-0001"} | given, WORKER)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert not await desk.rows("select 1 from break_glass")


@pytest.mark.parametrize("number", ["'; drop table household;--", "../../etc", "R8-0001\r\nX: 1", "\u202e", "00000000-0000-4000-8000-00000000dead"])
async def test_a_hostile_number_is_just_unknown(desk: Desk, number: str) -> None:
    await home(desk)
    answer = await ask(desk, number)
    assert (answer.status_code, answer.headers["location"]) == (303, "/intake/glass?asked=1")
