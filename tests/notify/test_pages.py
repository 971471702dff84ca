"""Who may see and press what on the center's inbox, and what the live stream gives after a lost connection."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from services.notify import lists
from services.notify.app import create_app
from services.notify.stream import Numbers
from shared.contracts.household import LeavingReason
from shared.contracts.protection import ConflictDeclared, ProtectionDeclared
from shared.runtime import rights
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.testing import eventually, signed_cookies
from tests.notify.heard import Ears, published, rows
from tests.notify.town import Household, mother_and_son

TODAY = datetime.now(UTC).date()
SATO = Staff("sato", "佐藤 美咲", frozenset({"coordinator"}))
MORI = Staff("mori", "森 課長", frozenset({"manager"}))
SUZUKI = Staff("suzuki", "鈴木 一郎", frozenset({"caseworker"}), frozenset({"elderly"}))
ITO = Staff("ito", "伊藤 直子", frozenset({"reception"}))


@dataclass
class Desk:
    app: FastAPI
    client: httpx2.AsyncClient
    settings: Settings
    ears: Ears

    @property
    def db(self) -> Database:
        return self.ears.db

    async def get(self, staff: Staff, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=signed_cookies(staff, self.settings) | {"accept": "text/html", **headers})

    async def press(self, staff: Staff, path: str, **form: object) -> httpx2.Response:
        headers = signed_cookies(staff, self.settings) | {"accept": "text/html", "hx-request": "true"}
        return await self.client.post(path, data={name: str(value) for name, value in form.items()}, headers=headers)

    async def raised(self) -> tuple[Household, UUID]:
        """One alert: R-502 of a withdrawn son, known to the elderly desk."""
        home, _, son = mother_and_son()
        home.case("cases-elderly", TODAY)
        home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
        await self.ears.hears(home)
        return home, (await rows(self.db, "select id from alert where household_id = :id", id=home.id))[0].id


@pytest.fixture
async def desk(databases: Any, test_settings: Any) -> AsyncIterator[Desk]:
    db = await databases("notify")
    settings = test_settings("notify", database=db, roles="web")
    async with db.transaction() as tx:
        query = "insert into announced_unit values (:unit, :title, '/d/elderly', :domain, true, '[]', '1', now())"
        await tx.execute(text(query), {"unit": "cases-elderly", "title": "高齢の窓口（地域包括支援センター）", "domain": "elderly"})
    app = create_app(settings)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://testserver") as client:
        yield Desk(app, client, settings, Ears(db))


# ── 権限


async def test_a_protected_household_has_no_area_and_is_not_there_for_a_manager_or_whoever_is_in_conflict(desk: Desk) -> None:
    home, alert = await desk.raised()
    about: dict[str, Any] = {"household_id": home.id, "legal_basis": "INTERNAL_69_2_2"}
    home.told.append(("intake", ProtectionDeclared(**about, protection_id=uuid4(), member_id=uuid4(), kind="shien_sochi", since=TODAY)))
    await desk.ears.hears(home)
    async with desk.db.transaction() as tx:
        await rights.keep(tx, home.told[-1][1])
    shown = (await desk.get(SATO, "/inbox")).text
    assert str(alert) in shown
    assert (await rows(desk.db, "select area from household where household_id = :id", id=home.id))[0].area == "UNKNOWN"
    async with desk.db.transaction() as tx:
        await rights.keep(tx, ConflictDeclared(**about, conflict_id=uuid4(), staff="sato", kind="colleague"))
    for staff in (SATO, MORI):
        assert str(alert) not in (await desk.get(staff, "/inbox")).text
        unknown, hidden = await desk.get(staff, f"/inbox/alerts/{uuid4()}"), await desk.get(staff, f"/inbox/alerts/{alert}")
        assert (hidden.status_code, len(hidden.text)) == (unknown.status_code, len(unknown.text)) == (404, len(hidden.text))
        part = await desk.get(staff, f"/_part/household/{home.id}/alerts", **{"hx-request": "true"})
        nothing = await desk.get(staff, f"/_part/household/{uuid4()}/alerts", **{"hx-request": "true"})
        at = re.compile(r"<time[^>]*>[^<]*</time>")
        assert at.sub("", part.text) == at.sub("", nothing.text)


@pytest.mark.parametrize(("staff", "status"), [(SATO, 200), (MORI, 200), (SUZUKI, 404), (ITO, 403)])
async def test_an_alert_to_the_center_is_for_the_center_and_the_managers(desk: Desk, staff: Staff, status: int) -> None:
    _, alert = await desk.raised()
    for path in (f"/inbox/alerts/{alert}", f"/inbox/alerts/{alert}/calls"):
        assert (await desk.get(staff, path)).status_code == status, path
    listed = await desk.get(staff, "/inbox")
    assert (listed.status_code == 403, str(alert) in listed.text) == (status == 403, status == 200)


async def test_who_may_not_is_told_who_could_let_them(desk: Desk) -> None:
    refused = await desk.get(ITO, "/inbox")
    assert "センター" in refused.text
    assert "管理者" in refused.text


async def test_without_sign_in_pages_lead_to_it_and_the_stream_is_closed(desk: Desk) -> None:
    assert (await desk.client.get("/inbox", headers={"accept": "text/html"})).headers["location"] == "/auth/login?next=/inbox"
    assert (await desk.client.get("/inbox/stream")).status_code == 401


async def test_a_manager_reads_but_does_not_press(desk: Desk) -> None:
    _, alert = await desk.raised()
    assert "受け持つ" not in (await desk.get(MORI, f"/inbox/alerts/{alert}")).text.split("<dialog")[0].split('class="empty"')[0]
    assert (await desk.press(MORI, f"/inbox/alerts/{alert}/take", revision=0)).status_code == 403


async def test_every_role_has_a_home(desk: Desk) -> None:
    await desk.raised()
    for staff in (SATO, MORI, SUZUKI, ITO):
        assert (await desk.get(staff, "/")).status_code == 200
    assert "子が仕事や外出から離れています" in (await desk.get(SATO, "/")).text
    assert "子が仕事や外出から離れています" not in (await desk.get(ITO, "/")).text


async def test_reading_and_pressing_leave_a_record(desk: Desk) -> None:
    home, alert = await desk.raised()
    await desk.get(SATO, f"/inbox/alerts/{alert}")
    await desk.press(SATO, f"/inbox/alerts/{alert}/acknowledge", revision=0)
    await desk.get(SATO, f"/inbox/alerts/{alert}/calls")
    found = [(row.actor, row.action, row.household_id) for row in await rows(desk.db, "select * from audit order by id")]
    assert found == [("sato", "view", home.id), ("sato", "acknowledge", home.id), ("sato", "print", home.id)]


# ── 画面


async def test_a_row_says_the_ages_the_rule_the_facts_and_the_desks(desk: Desk) -> None:
    await desk.raised()
    page = (await desk.get(SATO, "/inbox")).text
    for words in (
        "80代の親と50代の子：子が仕事や外出から離れています",
        "自室からは出るが家からは出ない",
        "高齢の窓口・支援中",
        "修善寺",
        "期限 あと 14日",
    ):
        assert words in page
    assert len(page.encode()) < 60 * 1024


async def test_filters_are_the_address_and_an_empty_list_says_so(desk: Desk) -> None:
    await desk.raised()
    assert "80代の親" in (await desk.get(SATO, "/inbox?severity=S3&area=SHUZENJI")).text
    assert "開いている気づきはありません" in (await desk.get(SATO, "/inbox?severity=S1")).text
    assert "閉じた気づきはありません" in (await desk.get(SATO, "/inbox?closed=1")).text


async def test_the_call_list_names_desks_checks_and_the_deadline_and_no_number_to_call(desk: Desk) -> None:
    home, mother, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
    home.case("cases-elderly", TODAY)
    home.left(mother, LeavingReason.DIED, TODAY)
    await desk.ears.hears(home)
    urgent = (await rows(desk.db, "select id from alert where rule_id = 'R-504'"))[0].id
    page = (await desk.get(SATO, f"/inbox/alerts/{urgent}/calls")).text
    for words in ("高齢の窓口", "食べるもの", "3日以内に2人で", "S1 即時"):
        assert words in page
    assert "tel:" not in page


async def test_the_slot_of_a_household_is_for_pages_and_for_desks_involved(desk: Desk) -> None:
    home, _ = await desk.raised()
    path = f"/_part/household/{home.id}/alerts"
    assert (await desk.get(SUZUKI, path)).status_code == 404  # nobody bookmarks half a page
    slot = (await desk.get(SUZUKI, path, **{"hx-request": "true"})).text
    assert "子が仕事や外出から離れています" in slot
    assert "/inbox/alerts/" not in slot
    other = Staff("abe", "阿部", frozenset({"caseworker"}), frozenset({"children"}))
    assert "子が仕事や外出から離れています" not in (await desk.get(other, path, **{"hx-request": "true"})).text
    assert (await desk.get(ITO, path, **{"hx-request": "true"})).status_code == 403


# ── 操作


async def test_taking_finishing_and_the_events_they_say(desk: Desk) -> None:
    _, alert = await desk.raised()
    taken = await desk.press(SATO, f"/inbox/alerts/{alert}/take", revision=0)
    assert "受け持ち 佐藤 美咲" in taken.text
    await desk.press(SATO, f"/inbox/alerts/{alert}/done", revision=1, place="detail")
    assert await published(desk.db) == ["alert.raised.v1", "alert.taken.v1", "alert.done.v1"]


async def test_two_people_at_once_the_second_gets_both_versions_to_compare(desk: Desk) -> None:
    _, alert = await desk.raised()
    await desk.press(SATO, f"/inbox/alerts/{alert}/take", revision=0)
    other = Staff("mori", "森", frozenset({"coordinator"}))
    refused = await desk.press(other, f"/inbox/alerts/{alert}/done", revision=0)
    assert refused.status_code == 409
    assert "佐藤 美咲" in refused.text


async def test_dismissing_needs_a_reason(desk: Desk) -> None:
    _, alert = await desk.raised()
    assert "理由" in (await desk.press(SATO, f"/inbox/alerts/{alert}/dismiss", revision=0)).text
    await desk.press(SATO, f"/inbox/alerts/{alert}/dismiss", revision=0, reason="not_now")
    assert "いまは様子を見る" in (await desk.get(SATO, f"/inbox/alerts/{alert}")).text


async def test_an_unknown_alert_is_not_found_and_a_bad_number_is_no_crash(desk: Desk) -> None:
    assert (await desk.press(SATO, f"/inbox/alerts/{uuid4()}/take", revision=0)).status_code == 404
    assert (await desk.press(SATO, f"/inbox/alerts/{uuid4()}/take", revision="x")).status_code == 422
    assert (await desk.get(SATO, "/inbox?page=0")).status_code == 422


# ── 新着


class Stream:
    """A browser's connection to the stream, read message by message."""

    def __init__(self, desk: Desk, staff: Staff, after: int, last: str | None) -> None:
        headers = signed_cookies(staff, desk.settings) | ({"last-event-id": last} if last else {})
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/inbox/stream",
            "raw_path": b"/inbox/stream", "query_string": f"after={after}".encode(), "server": ("testserver", 80), "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        self.body = b""
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.body += message.get("body", b"")

    def messages(self) -> list[tuple[str, str]]:
        """(id, html) of every complete message."""
        found = []
        for block in self.body.decode().split("\n\n")[:-1]:
            lines = block.split("\n")
            number = next((line[4:] for line in lines if line.startswith("id: ")), "")
            if number:
                found.append((number, "\n".join(line[6:] for line in lines if line.startswith("data: "))))
        return found


@asynccontextmanager
async def listening(desk: Desk, after: int = 0, last: str | None = None, staff: Staff = SATO) -> AsyncIterator[Stream]:
    stream = Stream(desk, staff, after, last)
    task = asyncio.create_task(desk.app(stream.scope, stream.receive, stream.send))
    yield stream
    stream.gone.set()
    await asyncio.wait_for(task, 5)


async def test_a_new_alert_reaches_an_open_page_and_the_id_is_its_number(desk: Desk) -> None:
    async with listening(desk) as stream:
        _, alert = await desk.raised()
        await eventually(lambda: stream.messages(), timeout=2)
        [(number, html)] = stream.messages()
        assert int(number) == (await rows(desk.db, "select max(number) as n from inbox_change"))[0].n
        assert f'<li class="alert" id="alert-{alert}"' in html
        assert "hx-post" in html


async def test_after_a_lost_connection_nothing_is_missed_and_nothing_comes_twice(desk: Desk) -> None:
    async with listening(desk) as stream:
        await desk.raised()
        await eventually(lambda: len(stream.messages()) == 1)
    first = stream.messages()[-1][0]
    for _ in range(3):
        await desk.raised()
    async with listening(desk, after=0, last=first) as again:
        await eventually(lambda: len(again.messages()) == 3)
        assert all(int(number) > int(first) for number, _ in again.messages())
        await desk.raised()
        await eventually(lambda: len(again.messages()) == 4)
    assert len({number for number, _ in again.messages()}) == 4


async def test_a_number_that_is_taken_first_and_committed_last_is_not_overtaken(desk: Desk) -> None:
    """Numbers are given after the commit: a slow transaction's change comes later, never earlier than what was already sent."""
    async with listening(desk) as stream:
        async with desk.db.transaction() as slow:
            query = text("insert into inbox_change (alert_id, announce, at) select gen_random_uuid(), true, now()")
            await slow.execute(query)
            await desk.raised()
            await eventually(lambda: len(stream.messages()) == 1)
        seen = int(stream.messages()[0][0])
        async with desk.db.transaction() as tx:
            last = await lists.number_changes(tx)
        assert last > seen


async def test_what_a_colleague_did_changes_the_row_in_place_and_counts_as_no_news(desk: Desk) -> None:
    _, alert = await desk.raised()
    number = (await eventually(lambda: numbers(desk)))[-1]
    async with listening(desk, after=number) as stream:
        await desk.press(SATO, f"/inbox/alerts/{alert}/acknowledge", revision=0)
        await eventually(lambda: stream.messages())
        assert stream.messages()[0][1].lstrip().startswith(f'<template hx type="partial" hx-target="#alert-{alert}"')


async def test_a_stopping_process_ends_its_streams_at_once(desk: Desk) -> None:
    """Otherwise the server would wait its whole grace period for a page that stays open all day."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        numbers = Numbers(desk.db)
        numbers.start()
        stream = asyncio.create_task(drained(numbers))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stream, 2)
        await numbers.stop()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]


async def drained(numbers: Numbers) -> None:
    async for _ in numbers.changes(0):
        pass


async def numbers(desk: Desk) -> list[int]:
    async with desk.db.transaction() as tx:
        await lists.number_changes(tx)
    return [row.number for row in await rows(desk.db, "select number from inbox_change where number is not null order by number")]
