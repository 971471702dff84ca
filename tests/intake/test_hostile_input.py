"""乱暴な入力: 文は欄に、打った文字は画面に、印のついた文字はただの文字に。"""

import asyncio
from typing import Any
from uuid import uuid4

from tests.intake.conftest import Desk, sheet

SCRIPT = "<script>alert(1)</script>"


async def test_markup_is_shown_as_it_was_typed_and_never_run(desk: Desk) -> None:
    one = await desk.take(text=SCRIPT + "\"'><img src=x onerror=alert(1)>", town=SCRIPT, visitor_relation=SCRIPT)
    home = (await desk.rows("select household_id from consultation"))[0].household_id
    for path in (f"/intake/consultations/{one}", f"/intake/households/{home}", "/intake/"):
        page = (await desk.get(path)).text
        assert SCRIPT not in page
        assert "<img" not in page
    assert "&lt;script&gt;" in (await desk.get(f"/intake/consultations/{one}")).text


async def test_markup_in_a_name_is_refused_at_the_field_and_escaped(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(name=SCRIPT, **{"member-0-name": SCRIPT}))
    assert answer.status_code == 422
    assert SCRIPT not in answer.text
    assert "氏名に使えない文字「&lt;」があります" in answer.text


async def test_an_eighty_character_name_is_taken_and_eighty_one_is_not(desk: Desk) -> None:
    assert (await desk.post("/intake/new", sheet(name="寿" * 80))).status_code == 201
    answer = await desk.post("/intake/new", sheet(name="寿" * 81))
    assert "80文字までで入れてください（いま81文字）" in answer.text
    assert "寿" * 81 in answer.text


async def test_emoji_may_be_told_but_is_no_name(desk: Desk) -> None:
    assert (await desk.post("/intake/new", sheet(text="助かりました😀"))).status_code == 201
    assert (await desk.post("/intake/new", sheet(name="花子😀"))).status_code == 422


async def test_half_width_kana_and_hiragana_are_kept_as_katakana(desk: Desk) -> None:
    await desk.take(kana="ﾐﾎﾝ　ﾊﾅｺ")
    assert (await desk.rows("select kana from member"))[0].kana == "ミホン ハナコ"


async def test_what_cannot_be_seen_is_dropped(desk: Desk) -> None:
    await desk.take(name="見本\x00 花\u200b子", text="内\x00容\x1b[31m")
    assert (await desk.rows("select name from member"))[0].name == "見本 花子"
    assert (await desk.rows("select text from consultation"))[0].text == "内容[31m"


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"birth": "S18"}, "月と日も入れてください"),
    ({"birth": "R8.13.1"}, "という日はありません"),
    ({"birth": "2999-01-01"}, "生年月日が先の日付です"),
    ({"birth": "M6.1.1"}, "130年より前の日付です"),
    ({"age": "131"}, "年齢は 0 から 130"),
    ({"age": "-1"}, "年齢は 0 から 130"),
    ({"route": "99"}, "選び直してください"),
    ({"urgency": "Z"}, "選び直してください"),
    ({"consent": "maybe"}, "選び直してください"),
    ({"area": "ATAMI"}, "選び直してください"),
    ({"role": "boss"}, "選び直してください"),
    ({"sex": "7"}, "選び直してください"),
    ({"topics": ["12", "77"]}, "選び直してください"),
    ({"main_topic": "77"}, "選び直してください"),
    ({"supports": ["77"]}, "選び直してください"),
    ({"withdrawn": "5"}, "選び直してください"),
    ({"key_person": "gone"}, "選び直してください"),
    ({"refer_to": "cases-none"}, "いま受付をしていません"),
    ({"refer_to": SCRIPT}, "いま受付をしていません"),
    ({"household_id": "1; drop table member"}, "選び直してください"),
    ({"not_same": "x"}, "選び直してください"),
    ({"phone": "でんわ"}, "数字とハイフン"),
    ({"text": "長" * 10_001}, "10000文字まで"),
    ({"form_key": ""}, "画面が古くなっていました"),
    ({"form_key": "x"}, "画面が古くなっていました"),
)


async def test_each_wrong_field_gets_its_sentence_and_nothing_is_saved(desk: Desk) -> None:
    for wrong, sentence in WRONG:
        answer = await desk.post("/intake/new", sheet(**wrong))
        assert (answer.status_code, sentence in answer.text, "架空 花子" in answer.text) == (422, True, True), wrong
    assert await desk.rows("select 1 from consultation") == []


async def test_missing_fields_are_asked_for_all_at_once(desk: Desk) -> None:
    answer = await desk.post("/intake/new", {"form_key": str(uuid4())})
    assert "（3件）" in answer.text


async def test_ages_people_say(desk: Desk) -> None:
    await asyncio.gather(*(desk.take(birth=birth, age=age) for birth, age in (("", "82"), ("８２歳", ""), ("", "82歳くらい"), ("不詳", "82"))))
    assert [row.age for row in await desk.rows("select age from member")] == [82] * 4


async def test_seven_members_are_one_too_many_for_the_sheet_but_six_are_kept(desk: Desk) -> None:
    await desk.take(**{f"member-{n}-name": f"見本 {n}" for n in range(9)})
    assert len(await desk.rows("select 1 from member")) == 7


async def test_an_oversize_form_is_refused_before_it_is_read(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(text="x" * 1_100_000))
    assert answer.status_code == 413
    assert await desk.rows("select 1 from consultation") == []


async def test_a_form_of_another_site_is_refused(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(), headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert await desk.rows("select 1 from consultation") == []


async def test_too_many_fields_and_files_are_refused(desk: Desk) -> None:
    many = await desk.post("/intake/new", sheet(**{f"x{n}": "1" for n in range(600)}))
    assert many.status_code in (400, 422)
    file = await desk.ask("POST", "/intake/new", data=sheet(), files={"text": ("a.txt", b"x")})
    assert file.status_code in (400, 422)
    assert await desk.rows("select 1 from consultation") == []
