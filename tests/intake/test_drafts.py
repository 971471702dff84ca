"""下書き: 打つのを止めればサーバに残り、開き直せば戻り、受付になれば消える。"""

from datetime import timedelta
from uuid import uuid4

from shared.messaging import Timer
from tests.intake.conftest import COLLEAGUE, RECEPTION, Desk, sheet

PART = "/intake/_part/draft"


async def test_what_is_typed_comes_back_when_the_form_is_opened_again(desk: Desk) -> None:
    form = sheet(birth="S18.4.1", text="途中の文章", **{"member-0-name": "見本 健一"})
    answer = await desk.post(PART, form, htmx=True)
    assert answer.status_code == 204
    assert "\\u4e0b\\u66f8\\u304d\\u4fdd\\u5b58" in answer.headers["hx-trigger"]  # 下書き保存
    page = (await desk.get("/intake/new")).text
    for typed in ("途中の文章", "S18.4.1", "見本 健一", form["form_key"], "書きかけを開きました"):
        assert typed in page


async def test_a_later_draft_replaces_the_earlier_one(desk: Desk) -> None:
    form = sheet(text="一")
    await desk.post(PART, form, htmx=True)
    await desk.post(PART, form | {"text": "一二"}, htmx=True)
    rows = await desk.rows("select content from draft")
    assert [row.content["text"] for row in rows] == [["一二"]]


async def test_drafts_are_listed_and_a_blank_form_can_be_had(desk: Desk) -> None:
    await desk.post(PART, sheet(name="見本 一"), htmx=True)
    page = (await desk.get("/intake/new?blank=1")).text
    assert "書きかけが 1 件あります" in page
    assert "見本 一" in page
    assert 'value="見本 一"' not in page
    assert "書きかけが 1 件あります" in (await desk.get("/intake/")).text


async def test_saving_ends_the_draft_and_a_late_autosave_does_not_revive_it(desk: Desk) -> None:
    form = sheet()
    await desk.post(PART, form, htmx=True)
    await desk.post("/intake/new", form)
    assert await desk.rows("select 1 from draft") == []
    late = await desk.post(PART, form, htmx=True)
    assert late.status_code == 204
    assert "hx-trigger" not in late.headers
    assert await desk.rows("select 1 from draft") == []


async def test_what_is_typed_after_a_save_whose_answer_was_lost_is_kept(desk: Desk) -> None:
    form = sheet()
    await desk.post("/intake/new", form)
    kept = await desk.post(PART, form | {"text": "つづきの文章"}, htmx=True)
    assert "hx-trigger" in kept.headers
    page = (await desk.get("/intake/new")).text
    assert "つづきの文章" in page
    assert "ですでに保存されています" in page


async def test_a_draft_belongs_to_the_one_who_types_it(desk: Desk) -> None:
    form = sheet(text="私の下書き")
    await desk.post(PART, form, htmx=True)
    assert "私の下書き" not in (await desk.get("/intake/new", COLLEAGUE)).text
    assert "私の下書き" not in (await desk.get(f"/intake/new?draft={form['form_key']}", COLLEAGUE)).text
    await desk.post(PART, form | {"text": "盗み書き"}, COLLEAGUE, htmx=True)
    await desk.post(f"/intake/drafts/{form['form_key']}/discard", {}, COLLEAGUE)
    assert "私の下書き" in (await desk.get("/intake/new", RECEPTION)).text


async def test_an_untouched_form_leaves_no_draft(desk: Desk) -> None:
    await desk.post(PART, {"form_key": str(uuid4()), "route": "1", "urgency": "D"}, htmx=True)
    assert await desk.rows("select 1 from draft") == []


async def test_a_draft_can_be_thrown_away(desk: Desk) -> None:
    form = sheet()
    await desk.post(PART, form, htmx=True)
    answer = await desk.post(f"/intake/drafts/{form['form_key']}/discard", {})
    assert answer.status_code == 303
    assert await desk.rows("select 1 from draft") == []


async def test_a_forgotten_draft_goes_after_thirty_days(desk: Desk) -> None:
    from services.intake.handlers import handlers

    form = sheet()
    await desk.post(PART, form, htmx=True)
    (timer,) = await desk.rows("select kind, key, due_at, now() as now from timer where kind = 'draft'")
    assert timer.due_at - timer.now > timedelta(days=29)
    async with desk.db.transaction() as tx:
        await handlers.timers["draft"](tx, Timer("draft", timer.key, timer.due_at))
    assert await desk.rows("select 1 from draft") == []


async def test_a_part_is_no_page(desk: Desk) -> None:
    assert (await desk.post(PART, sheet())).status_code == 404
    assert (await desk.post("/intake/_part/candidates", sheet())).status_code == 404


async def test_a_chosen_household_is_in_the_draft_at_once(desk: Desk) -> None:
    await desk.take(name="見本 文子", kana="ミホン フミコ")
    home = str((await desk.rows("select id from household"))[0].id)
    await desk.post("/intake/_part/candidates", sheet(name="見本 文子", kana="ミホン フミコ") | {"link": home}, htmx=True)
    page = (await desk.get("/intake/new")).text
    assert "この世帯につなぎます" in page
    assert f'name="household_id" value="{home}"' in page


async def test_a_new_consultation_from_the_household_page_is_linked_already(desk: Desk) -> None:
    await desk.take(name="見本 文子")
    home = str((await desk.rows("select id from household"))[0].id)
    assert f"/intake/new?household={home}" in (await desk.get(f"/intake/households/{home}")).text
    assert f'name="household_id" value="{home}"' in (await desk.get(f"/intake/new?household={home}")).text
