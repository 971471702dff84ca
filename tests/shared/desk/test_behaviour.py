"""What the page does besides showing: keys, one submit, drafts and a lost connection, live rows, dates, family rows."""

import json
from datetime import date

import pytest
from playwright.async_api import expect

from shared.desk.files import STATIC
from shared.desk.wareki import DateUnreadable, age_on, parse_date, to_wareki
from shared.runtime.testing import eventually
from tests.shared.desk.conftest import Guide

pytestmark = pytest.mark.browser


async def test_a_new_page_gives_the_focus_to_its_heading(guide: Guide) -> None:
    page = await guide.open("/d1")
    await expect(page.locator("h1")).to_be_focused()


async def test_an_impatient_double_submit_saves_once(guide: Guide) -> None:
    guide.heard.answer = "slow"
    page = await guide.open("/b1?full")
    await page.focus("#f-story")
    for _ in range(3):
        await page.keyboard.press("Control+Enter")
    await page.get_by_role("button", name="保存して閉じる").dispatch_event("click")
    await expect(page.get_by_role("button", name="保存して次へ")).to_have_attribute("aria-disabled", "true")
    await expect(page.locator("#f-story")).to_have_count(1)
    guide.heard.gate.set()
    await page.wait_for_url("**/guide")
    assert len(guide.heard.saves) == 1


async def test_ctrl_enter_leaves_the_cursor_where_it_is_and_errors_lead_to_their_field(guide: Guide) -> None:
    guide.heard.answer, guide.expected = "errors", ("422",)
    page = await guide.open("/b1")
    await page.fill("#f-story", "母の件")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".error-summary")).to_be_focused()
    await page.get_by_role("link", name="氏名を入れてください。").click()
    await expect(page.locator("#f-name")).to_be_focused()
    await expect(page.locator("#f-name")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#f-story")).to_have_value("母の件")
    await expect(page.get_by_role("button", name="保存して次へ")).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize(("answer", "shown"), [("conflict", "先に保存された文"), ("away", "いまは保存できません。")])
async def test_a_refusal_stands_above_the_form_and_takes_nothing_from_it(guide: Guide, answer: str, shown: str) -> None:
    guide.heard.answer, guide.expected = answer, ("409", "503")
    page = await guide.open("/b1")
    await page.fill("#f-story", "消えては困る文")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#problems")).to_contain_text(shown)
    await expect(page.locator("#problems .notice")).to_be_focused()
    await expect(page.locator("#f-story")).to_have_value("消えては困る文")


async def test_the_end_of_a_session_keeps_the_page_and_offers_to_sign_in(guide: Guide) -> None:
    guide.heard.answer, guide.expected = "signed off", ("401",)
    page = await guide.open("/b1")
    await page.fill("#f-story", "消えては困る文")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#signed-off a")).to_have_attribute("href", "/auth/login?next=/b1")
    await expect(page.locator("#f-story")).to_have_value("消えては困る文")
    await expect(page.locator("#problems")).to_be_empty()


async def test_a_draft_is_kept_by_the_server_while_one_types(guide: Guide) -> None:
    page = await guide.open("/b1")
    await page.fill("#f-story", "途中まで")
    await expect(page.locator("#say")).to_have_text("下書き保存 10:12")
    await expect(page.locator("[data-draft] span")).to_have_text("下書き保存 10:12")
    assert [form["story"] for form in guide.heard.drafts] == ["途中まで"]
    await expect(page.locator("[data-unsaved]")).to_have_count(0)


async def test_a_lost_connection_is_said_and_the_draft_goes_when_it_is_back(guide: Guide) -> None:
    guide.expected = ("ERR_INTERNET_DISCONNECTED", "Failed to fetch")
    page = await guide.open("/b1")
    await page.context.set_offline(True)
    await page.fill("#f-story", "切れている間の文")
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.locator("#lost")).to_contain_text("入力はこの画面に残っています")
    await expect(page.locator("[data-unsaved]")).to_have_count(1)
    await page.context.set_offline(False)
    await expect(page.locator("#lost")).to_be_hidden()
    await eventually(lambda: [form["story"] for form in guide.heard.drafts] == ["切れている間の文"])
    await expect(page.locator("[data-unsaved]")).to_have_count(0)


async def test_saving_without_a_connection_keeps_everything_and_can_be_done_again(guide: Guide) -> None:
    guide.expected = ("ERR_INTERNET_DISCONNECTED", "Failed to fetch")
    page = await guide.open("/b1?full")
    await page.context.set_offline(True)
    await page.focus("#f-story")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.get_by_role("button", name="保存して次へ")).not_to_have_attribute("aria-disabled", "true")
    await page.context.set_offline(False)
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/guide")
    assert len(guide.heard.saves) == 1


async def test_leaving_asks_only_while_a_draft_is_unsaved(guide: Guide) -> None:
    page = await guide.open("/b1")
    asked: list[str] = []

    async def note(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        await dialog.accept()  # type: ignore[attr-defined]

    page.on("dialog", note)
    guide.heard.drafts_wait = True  # on a slow machine the draft would be saved before anybody leaves
    await page.fill("#f-story", "まだ送られていない")
    await page.goto(guide.url + "/d1")
    assert asked == ["beforeunload"]
    guide.heard.drafts_wait = False
    guide.heard.gate.set()
    await page.goto(guide.url + "/b1")
    await page.fill("#f-story", "送られた")
    await expect(page.locator("[data-draft] span")).to_have_text("下書き保存 10:12")
    await page.goto(guide.url + "/d1")
    assert asked == ["beforeunload"]


async def test_a_slot_of_a_unit_that_is_away_says_so_and_comes_back(guide: Guide) -> None:
    guide.heard.slot_status, guide.expected = 503, ("503",)
    page = await guide.open("/c2")
    await expect(page.get_by_text("この欄は今は表示できません。")).to_be_visible()
    await expect(page.get_by_text("読み込んでいます…")).to_be_hidden()
    guide.heard.slot_status = 200
    await page.get_by_role("button", name="世帯のほかの関わりを再読込").click()
    await expect(page.locator("[data-slot] .timeline")).to_be_visible()
    await expect(page.get_by_text("この欄は今は表示できません。")).to_have_count(0)


async def test_new_alerts_wait_above_a_bar_and_the_row_being_read_stays(guide: Guide) -> None:
    page = await guide.open("/d1")
    await eventually(lambda: guide.heard.streams)
    await page.locator("#alert-2").focus()
    before = await page.locator("#alerts [data-item]").evaluate_all("(rows) => rows.map((row) => row.id)")
    for word in ("1", "2", "2"):
        guide.heard.send(word)
    bar = page.locator("[data-show-new]")
    await expect(bar).to_contain_text("2件の新着を表示")
    assert await page.locator("#alerts [data-item]").evaluate_all("(rows) => rows.map((row) => row.id)") == before
    await expect(page.locator("#alert-2")).to_be_focused()
    await page.keyboard.press("u")
    await expect(page.locator("#new-2")).to_be_focused()
    await expect(bar).to_be_hidden()
    assert await page.locator("#alerts [data-item]").evaluate_all("(rows) => rows.map((row) => row.id)") == ["new-2", "new-1", *before]


async def test_a_broken_stream_goes_on_where_it_stopped(guide: Guide) -> None:
    page = await guide.open("/d1")
    await eventually(lambda: guide.heard.streams)
    guide.heard.send("1")
    await expect(page.locator("[data-show-new]")).to_contain_text("1件")
    guide.heard.send("end")
    await eventually(lambda: len(guide.heard.last_event_ids) == 2 and guide.heard.streams)
    assert guide.heard.last_event_ids == ["", "1"]
    guide.heard.send("2")
    await expect(page.locator("[data-show-new]")).to_contain_text("2件")


async def test_a_stream_that_could_not_be_opened_is_opened_later(guide: Guide) -> None:
    guide.expected = ("503",)
    page = await guide.open("/c2")
    refused: list[str] = []

    async def first_refused(route: object) -> None:
        refused.append("once")
        await (route.fulfill(status=503, body="") if len(refused) == 1 else route.continue_())  # type: ignore[attr-defined]

    await page.route("**/stream", first_refused)
    await page.goto(guide.url + "/d1")
    await expect(page.get_by_text("更新が止まっています。")).to_be_visible()
    await eventually(lambda: guide.heard.streams)
    await expect(page.get_by_text("更新が止まっています。")).to_be_hidden()


async def test_lists_are_walked_and_worked_by_keyboard(guide: Guide) -> None:
    guide.expected = ("404",)
    page = await guide.open("/d1")
    await page.evaluate("document.addEventListener('click', (e) => { document.title = e.target.closest('li')?.id + e.target.dataset.key })")
    await page.keyboard.press("j")
    await expect(page.locator("#alert-1")).to_be_focused()
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(page).to_have_title("alert-2x")
    await expect(page.locator("#alert-2")).to_be_focused()
    await page.keyboard.press("g")
    await page.keyboard.press("o")
    await page.wait_for_url("**/outreach/watch")


async def test_letters_do_nothing_in_a_text_field_or_when_switched_off(guide: Guide) -> None:
    page = await guide.open("/d1")
    await page.keyboard.press("Shift+Slash")
    sheet = page.locator("#keys")
    await expect(sheet).to_contain_text("受け持つ")
    await page.get_by_label("一文字のキー操作を使う").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await expect(page.locator("#alert-1")).not_to_be_focused()
    await page.reload()
    await page.keyboard.press("Shift+Slash")
    await expect(sheet).to_be_hidden()
    await page.get_by_role("button", name="キー操作").click()
    await expect(page.get_by_label("一文字のキー操作を使う")).not_to_be_checked()
    await page.get_by_label("一文字のキー操作を使う").check()
    await page.goto(guide.url + "/b1")
    await page.focus("#f-story")
    await page.keyboard.type("gi?j/")
    await expect(page.locator("#f-story")).to_have_value("gi?j/")
    await expect(sheet).to_be_hidden()


async def test_blocks_and_candidates_are_reached_by_keys(guide: Guide) -> None:
    page = await guide.open("/b1?full")
    await page.keyboard.press("Alt+3")
    await expect(page.locator("#f-story")).to_be_focused()
    await page.keyboard.press("Alt+2")
    await expect(page.locator("#f-name")).to_be_focused()
    await page.evaluate(
        "document.addEventListener('click', (e) => { document.title = e.target.closest('[data-candidate]')?.dataset.candidate + e.target.value })"
    )
    await page.keyboard.press("F2")
    await expect(page.locator("[data-candidate='1'] a")).to_be_focused()
    await page.keyboard.press("2")
    await expect(page).to_have_title("2高橋 史子")


async def test_family_rows_are_added_and_taken_away_by_keyboard(guide: Guide) -> None:
    page = await guide.open("/b1")
    await page.get_by_role("button", name="家族を足す").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("[name='member-0-name']")).to_be_focused()
    await page.keyboard.type("Ichiro")
    await page.get_by_role("button", name="家族を足す").press("Enter")
    await page.locator("[name='member-1-name']").fill("花子")
    await page.get_by_role("button", name="同居の家族 1 を取り除く").press("Enter")
    await expect(page.get_by_role("button", name="同居の家族 2 を取り除く")).to_be_focused()
    await page.fill("#f-story", "x")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/guide")
    members = {key: value for key, value in guide.heard.saves[0].items() if key.startswith("member")}
    assert members == {"member-1-name": "花子", "member-1-relation": ""}


DATES = [
    "S18.4.1",
    "昭和18年4月1日",
    "昭18.4.1",
    "S180401",
    "r8/11/23",
    "R元.5.1",
    "H31.4.30",
    "S64.1.7",
    "S元.12.25",
    "T15.12.24",
    "T元.7.30",
    "M45.7.29",
    "M6.1.1",
]
DATES += [
    "19430401",
    "1943-04-01",
    "1943/4/1",
    "西暦1943年4月1日",
    "Ｓ１８．４．１",
    "今日",
    "昨日",
    "一昨日",
    "明日",
    "明後日",
    "-3",
    "－３",
    "+7",
    "20000229",
    "18730101",
]
REFUSED = [
    "",
    "S64.1.8",
    "H31.5.1",
    "S元.12.24",
    "M5.12.3",
    "S18.2.30",
    "R0.5.1",
    "R00.5.1",
    "S0.4.1",
    "20260230",
    "18721231",
    "4/1",
    "R元",
    "さくら",
    "19000229",
    "S18.13.1",
]


def understood(typed: str, today: date) -> str:
    try:
        day = parse_date(typed, today=today)
    except DateUnreadable:
        return ""
    return f"{to_wareki(day)}・{day.isoformat()}・" + ("先の日付です" if day > today else f"{age_on(day, today)}歳")


async def test_the_echo_of_a_date_is_what_the_server_will_understand(guide: Guide) -> None:
    page = await guide.open("/b1")
    today = date.fromisoformat(await page.evaluate("new Intl.DateTimeFormat('sv').format(new Date())"))
    for typed in [*DATES, *REFUSED]:
        await page.fill("#f-birth", typed)
        shown = await page.inner_text("#f-birth-echo")
        assert (typed, shown) == (typed, understood(typed, today))


async def test_every_day_that_begins_or_ends_an_era_reads_the_same_on_both_sides(guide: Guide) -> None:
    page = await guide.open("/b1")
    script = (STATIC / "desk.js").read_text(encoding="utf-8")
    assert "dateStyle" in script
    days = [
        date(y, m, d)
        for y, m, d in [
            (1873, 1, 1),
            (1912, 7, 29),
            (1912, 7, 30),
            (1926, 12, 24),
            (1926, 12, 25),
            (1989, 1, 7),
            (1989, 1, 8),
            (2019, 4, 30),
            (2019, 5, 1),
        ]
    ]
    written = await page.evaluate(
        "(days) => days.map((day) => new Intl.DateTimeFormat('ja-JP-u-ca-japanese', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(day)))",
        json.loads(json.dumps([day.isoformat() for day in days])),
    )
    assert written == [to_wareki(day) for day in days]


async def test_a_date_that_cannot_be_read_is_said_on_leaving_the_field(guide: Guide) -> None:
    page = await guide.open("/b1")
    await page.fill("#f-birth", "S18.2.30")
    await expect(page.locator("#f-birth-echo")).to_be_empty()
    await page.locator("#f-birth").press("Tab")
    await expect(page.locator("#f-birth-echo")).to_have_text("日付として読めません（例 S18.4.1）")
