"""「同じ世帯かもしれません」 through the app: reasons, linking, 別人, the indexes and the audit."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import text

from services.intake.candidate_search import SHORT_LIST, SIMILAR_READINGS, halves, keys
from services.intake.household import Birth, Person, Sex
from services.intake.load_register import Loaded, load
from services.intake.matching import Asked
from services.intake.register_import import RegisteredHousehold, RegisteredMember
from shared.contracts.household import Area, HouseholdRegistered, MemberJoined, MemberRole
from tests.intake.conftest import Desk, sheet

PART = "/intake/_part/candidates"
FUMIKO = {"name": "髙橋 文子", "kana": "タカハシ フミコ", "birth": "S18.4.1", "sex": "2", "town": "架空町9001", "phone": "0558-00-0001"}


def town(size: int) -> Iterator[RegisteredHousehold]:
    kana = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホ"
    for n in range(size):
        one, two = kana[n % 30], kana[n // 30 % 30]
        head = RegisteredMember(f"試験{n} 一", f"シケン{one}{two} ハジメ", MemberRole.HEAD, date(1950, 1, 1 + n % 28), Sex.MALE, f"0558-01-{n:04d}")
        yield RegisteredHousehold(f"T{n}", Area.TOI, f"架空町{n % 40}", (head,))


async def registered(desk: Desk) -> str:
    await desk.take(**FUMIKO, **{"member-0-name": "髙橋 健一", "member-0-age": "53", "member-0-role": "child"})
    return str((await desk.rows("select id from household"))[0].id)


async def test_takahashi_written_the_other_way_is_proposed_with_its_reasons(desk: Desk) -> None:
    await registered(desk)
    pane = (await desk.post(PART, sheet(name="高橋　文子", kana="ﾀｶﾊｼ ﾌﾐｺ", birth="1943-04-01"), htmx=True)).text
    for reason in (
        "一致の見込みが高い",
        "カナ一致",
        "漢字一致（異体字を含む）",
        "生年月日一致",
        "85%",
        "髙橋 健一（53歳くらい）",
        "この世帯につなぐ",
    ):
        assert reason in pane


async def test_hiragana_alone_finds_the_reading(desk: Desk) -> None:
    await registered(desk)
    assert "一部が同じ（参考）" in (await desk.post(PART, {"kana": "たかはしふみこ"}, htmx=True)).text


async def test_a_new_person_is_told_so(desk: Desk) -> None:
    await registered(desk)
    assert "新しい世帯として受け付けます" in (await desk.post(PART, {"kana": "ベツジン ハナコ"}, htmx=True)).text
    assert "候補が出ます" in (await desk.post(PART, {}, htmx=True)).text


async def test_linking_shows_the_household_and_who_will_join(desk: Desk) -> None:
    home = await registered(desk)
    form = sheet(**FUMIKO | {"member-0-name": "髙橋 次郎"})
    pane = (await desk.post(PART, form | {"link": home}, htmx=True)).text
    assert f'<input type="hidden" name="household_id" value="{home}" form="intake">' in pane
    assert "新しく加わる人：髙橋 次郎" in pane
    unlinked = (await desk.post(PART, form | {"household_id": home, "unlink": "1"}, htmx=True)).text
    assert 'name="household_id"' not in unlinked


async def test_another_person_is_remembered_and_not_shown_again(desk: Desk) -> None:
    home = await registered(desk)
    form = sheet(**FUMIKO)
    pane = (await desk.post(PART, form | {"reject": home}, htmx=True)).text
    assert f'name="not_same" value="{home}"' in pane
    assert "この世帯につなぐ" not in pane
    await desk.post("/intake/new", form | {"not_same": home})
    rows = await desk.rows("select household_id, other_id from not_same_household")
    assert len(rows) == 1
    assert home in {str(rows[0].household_id), str(rows[0].other_id)}


async def test_someone_who_left_is_no_candidate(desk: Desk) -> None:
    await registered(desk)
    async with desk.db.transaction() as tx:
        await tx.execute(text("update member set left_on = joined_on, left_reason = 'died' where name = '髙橋 文子'"))
    pane = (await desk.post(PART, {"kana": "タカハシ フミコ"}, htmx=True)).text
    assert "この世帯につなぐ" not in pane


async def test_half_typed_and_unreadable_input_never_breaks_the_pane(desk: Desk) -> None:
    await registered(desk)
    for typed in (
        {"name": "髙"},
        {"kana": "k"},
        {"birth": "S18"},
        {"name": "😀"},
        {"phone": "電話"},
        {"household_id": "x"},
        {"not_same": "x"},
        {"name": "\x00"},
    ):
        assert (await desk.post(PART, {**sheet(), **typed}, htmx=True)).status_code == 200


async def test_a_search_leaves_the_ids_that_were_shown_and_not_the_words(desk: Desk) -> None:
    home = await registered(desk)
    await desk.post(PART, {"kana": "タカハシ フミコ"}, htmx=True)
    rows = await desk.rows("select object_id, purpose, households from audit where action = 'search'")
    assert [(row.object_id, [str(one) for one in row.households]) for row in rows] == [("1", [home])]
    everything = " ".join(str(tuple(row)) for row in await desk.rows("select * from audit"))
    assert "タカハシ" not in everything


async def test_the_short_list_comes_from_the_indexes(desk: Desk) -> None:
    await load(desk.db, town(3000))
    asked = Asked.about(Person(MemberRole.HEAD, "試験7 一", "シケンクア ハジメ", Birth(on=date(1950, 1, 8)), Sex.MALE, "0558-01-0007"), "")
    async with desk.db.transaction() as tx:
        await tx.execute(text("analyze member"))
        for statement, values in ((SHORT_LIST, keys([asked])), (SIMILAR_READINGS, halves(asked.kana))):
            plan = " ".join(row[0] for row in await tx.rows(text("explain " + statement.text), values))
            assert "Seq Scan on member" not in plan
    for name in ("member_kana", "member_kanji", "member_phone", "member_birth"):
        assert name in await _plan(desk, SHORT_LIST, keys([asked]))
    assert "member_kana_end" in await _plan(desk, SIMILAR_READINGS, halves(asked.kana))


async def _plan(desk: Desk, statement: Any, values: dict[str, Any]) -> str:
    async with desk.db.read() as rd:
        return " ".join(row[0] for row in await rd.rows(text("explain " + statement.text), values))


async def test_a_register_is_loaded_once_and_told_like_any_household(desk: Desk) -> None:
    said: list[Loaded] = []
    assert await load(desk.db, town(700), progress=said.append) == Loaded(700, 700, 0)
    assert await load(desk.db, town(700)) == Loaded(0, 0, 700)
    assert [so_far.households for so_far in said] == [500, 700]
    kinds = [type(event) for event in await desk.said()]
    assert kinds.count(HouseholdRegistered) == kinds.count(MemberJoined) == 700
