"""The outreach worker's two minutes: plan a watch from a referral, record a look with one button."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from services.outreach.app import create_app
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.testing import signed_cookies
from tests.outreach.test_handlers import HOME, MOTHER, answer_intents, hears, referred, registered, rows, told, watching

TANAKA = Staff("tanaka", "田中 花", frozenset({"outreach"}))
SATO = Staff("sato", "佐藤 美咲", frozenset({"coordinator"}))
MORI = Staff("mori", "森 課長", frozenset({"manager"}))
SUZUKI = Staff("suzuki", "鈴木 一郎", frozenset({"caseworker"}), frozenset({"elderly"}))


@dataclass
class Desk:
    db: Database
    client: httpx2.AsyncClient
    settings: Settings

    async def get(self, staff: Staff, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=signed_cookies(staff, self.settings) | {"accept": "text/html", **headers})

    async def press(self, path: str, staff: Staff = TANAKA, **form: object) -> httpx2.Response:
        headers = signed_cookies(staff, self.settings) | {"accept": "text/html", "hx-request": "true"}
        return await self.client.post(path, data={name: str(value) for name, value in form.items()}, headers=headers)


@pytest.fixture
async def desk(databases: Any, test_settings: Any) -> AsyncIterator[Desk]:
    db = await databases("outreach")
    settings = test_settings("outreach", database=db, roles="web")
    app = create_app(settings)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://testserver") as client:
        yield Desk(db, client, settings)


async def told_desk(desk: Desk) -> str:
    made = referred()
    await hears(desk.db, *registered(), made)
    await answer_intents(desk.db, told())
    return str(made.referral_id)


async def types(desk: Desk) -> list[str]:
    query = "select type from outbox where channel <> 'domain' order by pos"
    return [row.type.removeprefix("jp.tsunagari.").removesuffix(".v1") for row in await rows(desk.db, query)]


async def test_planning_a_watch_answers_the_referral_and_a_second_press_changes_nothing(desk: Desk) -> None:
    referral = await told_desk(desk)
    assert "架空 フミ" in (await desk.get(TANAKA, f"/outreach/watch/new?referral={referral}")).text
    plan = uuid4()
    form = {"plan_id": plan, "household": HOME, "referral_id": referral, "member": MOTHER, "tier": "B"}
    for _ in range(2):
        assert (await desk.press("/outreach/watch", **form)).headers["hx-redirect"] == f"/outreach/watch/{plan}"
    assert await types(desk) == ["referral.accepted", "watch.planned"]
    assert "架空 フミ" in (await desk.get(TANAKA, "/outreach/watch")).text


async def test_without_a_tier_the_form_comes_back_with_the_reason_at_the_field(desk: Desk) -> None:
    referral = await told_desk(desk)
    refused = await desk.press("/outreach/watch", plan_id=uuid4(), household=HOME, referral_id=referral, member=MOTHER)
    assert refused.status_code == 422
    assert "見守りの段階を選んでください" in refused.text
    assert await types(desk) == []


async def test_a_household_nobody_registered_cannot_be_watched(desk: Desk) -> None:
    assert (await desk.get(TANAKA, f"/outreach/watch/new?household={uuid4()}")).status_code == 404
    assert (await desk.press("/outreach/watch", plan_id=uuid4(), household=uuid4(), tier="B")).status_code == 404


async def test_one_button_records_a_look_and_the_memo_stays_here(desk: Desk) -> None:
    await told_desk(desk)
    watch, one = await watching(desk.db), uuid4()
    form = {"check_in_id": one, "outcome": "met", "memo": "架空フミさん、庭で会えた"}
    for _ in range(2):  # pressed twice
        assert (await desk.press(f"/outreach/watch/{watch}/check-ins", **form)).status_code == 204
    assert await types(desk) == ["watch.planned", "watch.checked_in"]
    assert "庭で会えた" in (await desk.get(TANAKA, f"/outreach/watch/{watch}")).text
    for row in await rows(desk.db, "select payload, headers from outbox"):
        assert "庭" not in row.payload.decode()
        assert "フミ" not in row.payload.decode()


async def test_a_known_absence_without_a_day_says_so_at_the_field_and_keeps_the_memo(desk: Desk) -> None:
    watch = await known_watch(desk)
    refused = await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="known_away", memo="短期入所とのこと")
    assert refused.status_code == 422
    assert "いつ戻るかを入れてください" in refused.text
    assert "短期入所とのこと" in refused.text
    unreadable = await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="known_away", away_until="来週ごろ")
    assert unreadable.status_code == 422
    done = await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="known_away", away_until="+3")
    assert done.status_code == 204


async def test_an_alarm_asks_for_119_first_and_is_due_at_once(desk: Desk) -> None:
    watch, one = await known_watch(desk), uuid4()
    first = await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=one, outcome="alarming", memo="新聞がたまっている")
    assert first.status_code == 422
    assert "119" in first.text
    assert "新聞がたまっている" in first.text
    await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=one, outcome="alarming", memo="新聞がたまっている", sure="1")
    [row] = await rows(desk.db, "select next_due from watch")
    assert datetime.now(UTC) - row.next_due < timedelta(minutes=1)


async def test_a_look_of_yesterday_may_be_written_today_and_one_of_tomorrow_may_not(desk: Desk) -> None:
    watch = await known_watch(desk)
    assert (await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="voice", on="昨日")).status_code == 204
    assert (await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="voice", on="明日")).status_code == 422


async def test_declining_needs_a_reason_and_is_said_to_the_desk_that_referred(desk: Desk) -> None:
    referral = await told_desk(desk)
    assert (await desk.press(f"/outreach/referrals/{referral}/decline")).status_code == 422
    await desk.press(f"/outreach/referrals/{referral}/hold")
    await desk.press(f"/outreach/referrals/{referral}/decline", reason="not_ours")
    assert await types(desk) == ["referral.held", "referral.declined"]
    assert await rows(desk.db, "select * from identity") == []
    assert (await desk.press(f"/outreach/referrals/{referral}/hold")).status_code == 409


async def test_ending_forgets_the_name_and_keeps_the_record(desk: Desk) -> None:
    referral = await told_desk(desk)
    watch = uuid4()
    await desk.press("/outreach/watch", plan_id=watch, household=HOME, referral_id=referral, member=MOTHER, tier="B")
    await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="met")
    await desk.press(f"/outreach/watch/{watch}/end")
    page = (await desk.get(TANAKA, f"/outreach/watch/{watch}")).text
    assert "架空 フミ" not in page
    assert "会えた" in page
    assert (await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="met")).status_code == 409


@pytest.mark.parametrize(("staff", "sees", "writes"), [(TANAKA, 200, 204), (SATO, 200, 204), (MORI, 200, 403), (SUZUKI, 403, 403)])
async def test_who_reads_the_roster_and_who_writes(desk: Desk, staff: Staff, sees: int, writes: int) -> None:
    watch = await known_watch(desk)
    for path in ("/outreach/watch", "/outreach/referrals", f"/outreach/watch/{watch}"):
        assert (await desk.get(staff, path)).status_code == sees, path
    assert (await desk.press(f"/outreach/watch/{watch}/check-ins", staff, check_in_id=uuid4(), outcome="met")).status_code == writes


async def test_the_slot_of_a_household_shows_the_tier_and_no_name(desk: Desk) -> None:
    await told_desk(desk)
    await watching(desk.db)
    path = f"/outreach/_part/household/{HOME}"
    assert (await desk.get(SUZUKI, path)).status_code == 404
    slot = (await desk.get(SUZUKI, path, **{"hx-request": "true"})).text
    assert "週1回" in slot
    assert "フミ" not in slot


async def test_what_was_seen_and_done_is_on_record(desk: Desk) -> None:
    watch = await known_watch(desk)
    await desk.get(TANAKA, f"/outreach/watch/{watch}")
    await desk.press(f"/outreach/watch/{watch}/check-ins", check_in_id=uuid4(), outcome="met")
    found = [(row.actor, row.action, row.household_id) for row in await rows(desk.db, "select * from audit order by id")]
    assert found == [("tanaka", "view", HOME), ("tanaka", "check_in", HOME)]


async def known_watch(desk: Desk) -> UUID:
    await hears(desk.db, *registered())
    return await watching(desk.db)
