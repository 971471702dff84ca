"""アカウントの点検: 期限のないもの・切れるものが一目で分かり、管理者だけが見て、使っている最中の人を終わらせる。"""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from services.intake import accounts
from services.intake.account import Account, Ends, next_april
from shared.runtime.auth import Staff
from shared.runtime.testing import signed_cookies, ticket_for
from tests.intake.conftest import CASEWORKER, COORDINATOR, MANAGER, RECEPTION, Desk


@pytest.mark.parametrize(
    ("valid_to", "ends"),
    [(None, Ends.NEVER), (date(2026, 11, 25), Ends.ENDED), (date(2026, 11, 26), Ends.THIS_YEAR), (date(2027, 3, 31), Ends.THIS_YEAR),
     (date(2027, 4, 1), Ends.LATER)],
)  # fmt: skip
def test_an_account_is_marked_by_whether_it_lives_to_april(valid_to: date | None, ends: Ends) -> None:
    account = Account("a-1", "見本", "", (), (), valid_to, datetime(2026, 11, 26, tzinfo=UTC))
    assert account.ends(date(2026, 11, 26)) is ends


@pytest.mark.parametrize(("today", "april"), [(date(2027, 3, 31), 2027), (date(2027, 4, 1), 2028), (date(2027, 1, 1), 2027)])
def test_the_next_transfers_are_on_the_first_of_april(today: date, april: int) -> None:
    assert next_april(today) == date(april, 4, 1)


async def seen(desk: Desk, staff: Staff, valid_to: date | None = None) -> None:
    async with desk.db.transaction() as tx:
        await accounts.keep(tx, ticket_for(staff, valid_to=valid_to))


async def test_the_review_lists_who_signed_in_with_what_is_wrong_first(desk: Desk) -> None:
    await seen(desk, RECEPTION, date(2099, 3, 31))
    await seen(desk, Staff("taishoku-1", "試験 退職", frozenset({"caseworker"}), frozenset({"elderly"})), date(2026, 3, 31))
    await seen(desk, Staff("hostile-1", "<script>alert(1)</script>", frozenset()))
    page = (await desk.get("/auth/accounts", MANAGER)).text
    assert page.index("期限がありません") < page.index("試験 退職") < page.index("試験 受付")
    assert "期限切れ" in page
    assert "<script>alert" not in page
    assert "期限のないアカウントが 1 件" in page


async def test_a_second_sign_in_brings_the_account_up_to_date(desk: Desk) -> None:
    await seen(desk, RECEPTION)
    await seen(desk, Staff(RECEPTION.sub, "試験 改姓", frozenset({"coordinator"})), date(2099, 3, 31))
    (row,) = await desk.rows("select name, roles, valid_to from account")
    assert (row.name, row.roles, row.valid_to) == ("試験 改姓", ["coordinator"], date(2099, 3, 31))


@pytest.mark.parametrize("staff", [RECEPTION, COORDINATOR, CASEWORKER], ids=lambda staff: staff.sub)
async def test_only_managers_review_and_end(desk: Desk, staff: Staff) -> None:
    await seen(desk, RECEPTION)
    assert (await desk.get("/auth/accounts", staff)).status_code == 403
    assert (await desk.post("/auth/accounts/end", {"sub": RECEPTION.sub}, staff)).status_code == 403
    assert (await desk.post("/auth/accounts/all/end", {}, staff)).status_code == 403
    assert await desk.rows("select 1 from revoked_session") == []


async def test_a_manager_ends_one_person_s_sessions(desk: Desk) -> None:
    await seen(desk, RECEPTION)
    ticket = ticket_for(RECEPTION)
    answer = await desk.post("/auth/accounts/end", {"sub": RECEPTION.sub}, MANAGER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/accounts")
    refused = await desk.get("/intake/", None, headers=signed_cookies(RECEPTION, desk.settings, ticket))
    assert refused.headers["location"] == "/auth/login?next=/intake/"
    assert [event.staff for event in await desk.said()] == [RECEPTION.sub]
    assert RECEPTION.name not in await desk.payloads()
    assert await desk.rows("select 1 from audit where action = 'end_sessions' and actor = :m and object_id = :s", m=MANAGER.sub, s=RECEPTION.sub)


async def test_somebody_unknown_is_not_ended_and_a_hostile_number_neither(desk: Desk) -> None:
    for sub in ("nobody-1", "見本 はな", "' or 1=1 --", "a" * 500, "a\x00b", ""):
        assert (await desk.post("/auth/accounts/end", {"sub": sub}, MANAGER)).status_code in (404, 422)
    assert await desk.said() == []


async def test_all_means_whoever_may_still_be_at_work_and_the_manager_too(desk: Desk) -> None:
    for staff in (RECEPTION, MANAGER, COORDINATOR):
        await seen(desk, staff)
    async with desk.db.transaction() as tx:
        await tx.execute(text("update account set last_signed_in_at = now() - interval '11 hours' where sub = :s"), {"s": COORDINATOR.sub})
    ticket = ticket_for(MANAGER)
    assert "すべての職員" in (await desk.get("/auth/accounts/all", MANAGER)).text
    assert (await desk.post("/auth/accounts/all/end", {}, MANAGER)).status_code == 303
    assert {event.staff for event in await desk.said()} == {RECEPTION.sub, MANAGER.sub}
    own = await desk.get("/auth/accounts", None, headers=signed_cookies(MANAGER, desk.settings, ticket))
    assert own.headers["location"].startswith("/auth/login")


async def test_ending_all_asks_again_who_sits_there(desk: Desk) -> None:
    await seen(desk, RECEPTION)
    headers = signed_cookies(MANAGER, desk.settings, ticket_for(MANAGER, age=6 * 60))
    for method, path in (("GET", "/auth/accounts/all"), ("POST", "/auth/accounts/all/end")):
        answer = await desk.ask(method, path, None, headers=headers)
        assert answer.headers["location"].startswith("/auth/login?again=1")
    assert await desk.said() == []
