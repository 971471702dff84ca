"""近所の世帯を見た職員: 自宅の町・番地を管理者だけが入れ、いまの住所とだけ比べ、保護された世帯では何も言わない。"""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.intake import accounts, kinship
from services.intake.erasure import with_retention
from services.intake.handlers import handlers
from shared.contracts.unusual import Sign
from shared.messaging import Timer
from shared.runtime.auth import Staff
from shared.runtime.sweeps import KIND
from shared.runtime.testing import ticket_for
from shared.runtime.unusual import of_month
from tests.erasing import at
from tests.intake.conftest import CASEWORKER, COORDINATOR, MANAGER, RECEPTION, Desk
from tests.intake.test_households import home
from tests.intake.test_protection import OFFICER, protect

AUDITOR = Staff("k1", "試験 監査", frozenset({"auditor"}))
TOWN, BLOCK = "見本町一丁目", "2"


async def lives(desk: Desk, staff: Staff = RECEPTION, town: str = TOWN, block: str = BLOCK, by: Staff = MANAGER) -> Any:
    async with desk.db.transaction() as tx:
        await accounts.keep(tx, ticket_for(staff))
    return await desk.post("/auth/accounts/home", {"sub": staff.sub, "town": town, "block": block}, by)


async def at_home(desk: Desk) -> list[tuple[str, str]]:
    return [(row.home_town, row.home_block) for row in await desk.rows("select home_town, home_block from account order by sub")]


async def household(desk: Desk, town: str) -> UUID:
    await desk.take(town=town)
    found: UUID = (await desk.rows("select id from household order by registered_at desc limit 1"))[0].id
    return found


async def near(desk: Desk, *households: UUID, reader: Staff = RECEPTION) -> dict[UUID, Sign]:
    async with desk.db.read() as rd:
        told = await kinship.near(rd, {(reader.sub, one) for one in households})
    return {pair[1]: sign for sign, pairs in told.items() for pair in pairs}


async def test_a_reader_is_near_the_own_block_and_the_own_town_and_nobody_else_is(desk: Desk) -> None:
    assert (await lives(desk)).status_code == 303
    block, town = await household(desk, "見本町１丁目２番地３"), await household(desk, "見本町1-9-3")
    other, unwritten = await household(desk, "見本台一丁目2番3号"), await household(desk, "")
    asked = (block, town, other, unwritten)
    assert await near(desk, *asked) == {block: Sign.ADDRESS, town: Sign.STREET}
    assert await near(desk, *asked, reader=COORDINATOR) == {}


async def test_a_reader_without_an_address_is_near_nobody_and_an_empty_form_takes_it_away(desk: Desk) -> None:
    block = await household(desk, "見本町1-2-3")
    await lives(desk, town="", block="")
    assert await near(desk, block) == {}
    await lives(desk)
    assert await near(desk, block) == {block: Sign.ADDRESS}
    await lives(desk, town="", block="")
    assert await at_home(desk) == [("", "")]
    assert await near(desk, block) == {}


async def test_the_old_address_of_a_household_that_moved_does_not_count(desk: Desk) -> None:
    await lives(desk)
    moved, gone = await household(desk, "見本町1-2-3"), await household(desk, "見本町1-2-4")
    async with desk.db.transaction() as tx:
        await tx.execute(text("update household set town = '架空原9001番地1' where id = :id"), {"id": moved})
        await tx.execute(text("update member set left_on = current_date, left_reason = 'moved_out' where household_id = :id"), {"id": gone})
    assert await near(desk, moved, gone) == {}


async def test_of_a_protected_household_it_is_not_said_even_for_months_before(desk: Desk) -> None:
    """The supervisor may know where the reader lives (and may even change it), and must not learn from the list where the household does."""
    await lives(desk)
    path, people = await home(desk)
    found = UUID(path.rsplit("/", 1)[1])
    async with desk.db.transaction() as tx:
        await tx.execute(text("update household set town = '見本町1-2-3'"))
        await tx.execute(text("update account set name = '見本 二郎'"))
    assert await near(desk, found) == {found: Sign.ADDRESS}
    await protect(desk, path, people["見本 文子"])
    async with desk.db.read() as rd:
        told = await kinship.close(rd, {(RECEPTION.sub, found)})
    assert {sign for sign, pairs in told.items() if pairs} == {Sign.KIN}
    async with desk.db.transaction() as tx:
        await tx.execute(text("update protection set lifted_on = current_date"))
    assert await near(desk, found) == {found: Sign.ADDRESS}


async def test_the_month_s_list_ranks_the_own_block_over_the_own_town(desk: Desk) -> None:
    await lives(desk)
    block, town, far = [await household(desk, written) for written in ("見本町1-2-3", "見本町1-9-3", "架空原9001")]
    async with desk.db.transaction() as tx:
        for one in (block, town, far):
            seen = "insert into audit (at, actor, roles, action, object_kind, object_id, household_id, decision) values "
            sunday = "'2026-11-22 10:00+09', 'r1', '{reception}', 'view', 'household', '', :h, 'allow'"
            await tx.execute(text(f"{seen} ({sunday})"), {"h": one})
        answer = await of_month(tx, "2026-11", kinship.RELATION, None)
    assert [(one.household_id, one.signs) for one in answer.entries] == [
        (block, (Sign.ADDRESS, Sign.CLOSED_DAY)), (town, (Sign.STREET, Sign.CLOSED_DAY))
    ]  # fmt: skip


@pytest.mark.parametrize("staff", [RECEPTION, COORDINATOR, CASEWORKER, OFFICER, AUDITOR], ids=lambda staff: staff.sub)
async def test_only_managers_see_and_keep_where_a_colleague_lives(desk: Desk, staff: Staff) -> None:
    await lives(desk)
    refused = await lives(desk, town="架空原", block="9", by=staff)
    assert refused.status_code == 403
    assert await at_home(desk) == [(TOWN, BLOCK)]
    assert TOWN in (await desk.get("/auth/accounts", MANAGER)).text
    answer = await desk.get("/auth/accounts", staff)
    assert answer.status_code == 403
    assert TOWN not in answer.text + refused.text


async def test_what_is_too_fine_comes_back_at_its_field_and_is_not_kept(desk: Desk) -> None:
    answer = await lives(desk, town="見本町1-2-3", block="4-5")
    assert answer.status_code == 422
    assert "番地の数だけ" in answer.text
    assert 'value="見本町1-2-3"' in answer.text
    assert await at_home(desk) == [("", "")]
    for sub in ("nobody-1", "' or 1=1 --", "見本 はな"):
        assert (await desk.post("/auth/accounts/home", {"sub": sub, "town": TOWN, "block": ""}, MANAGER)).status_code in (404, 422)


async def test_the_address_is_said_to_nobody_and_its_keeping_is_in_the_audit(desk: Desk, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    answer = await lives(desk, town="極秘町一丁目", block="7531")
    assert answer.headers["location"] == "/auth/accounts"
    assert await desk.said() == []
    (kept,) = await desk.rows("select *, to_jsonb(audit)::text as whole from audit where object_kind = 'account_home'")
    assert (kept.actor, kept.action, kept.object_id) == (MANAGER.sub, "update", RECEPTION.sub)
    written = kept.whole + await desk.payloads() + caplog.text + "".join(capfd.readouterr())
    assert "極秘町" not in written
    assert "7531" not in written


async def test_a_sign_in_leaves_it_and_the_end_of_the_account_takes_it(desk: Desk) -> None:
    await lives(desk)
    march, kept = date(2027, 3, 31), (TOWN, BLOCK)
    for valid_to, day, left in ((march, date(2027, 4, 30), kept), (None, date(2027, 5, 1), kept), (march, date(2027, 5, 1), ("", ""))):
        async with desk.db.transaction(at(day)) as tx:
            await accounts.keep(tx, ticket_for(RECEPTION, valid_to=valid_to))
            await with_retention(handlers, None).timers[KIND](tx, Timer(KIND, "all", at(day), None))
        assert await at_home(desk) == [left]
