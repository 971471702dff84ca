"""世帯の画面: さがす、開く、加える、直す、離れる。ほかの窓口へ出す見出し。"""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.household import LeavingReason, MemberCorrected, MemberJoined, MemberLeft, MemberRole
from shared.runtime.auth import ROLE_LABELS, Staff
from tests.intake.conftest import CASEWORKER, COLLEAGUE, COORDINATOR, MANAGER, Desk
from tests.intake.test_reception import MOTHER_AND_SON

PERSON = {"name": "見本 文子", "kana": "ミホン フミコ", "birth": "S18.4.1", "age": "", "sex": "2", "role": "head", "phone": "", "version": "1"}


async def home(desk: Desk) -> tuple[str, dict[str, UUID]]:
    await desk.take(**MOTHER_AND_SON)
    rows = await desk.rows("select household_id, id, name from member")
    return f"/intake/households/{rows[0].household_id}", {row.name: row.id for row in rows}


async def test_the_household_shows_its_people_and_its_consultations(desk: Desk) -> None:
    path, _ = await home(desk)
    page = (await desk.get(path)).text
    for shown in ("見本 文子さんの世帯", "昭和18年4月1日", "見本 健一", "53歳くらい", "修善寺", "R8-0001", "訂正・異動"):
        assert shown in page


async def test_t02_the_mother_dies_and_only_the_reason_and_the_day_are_told(desk: Desk) -> None:
    path, people = await home(desk)
    answer = await desk.post(f"{path}/members/{people['見本 文子']}/leave", {"reason": "died", "effective_on": "-1"}, COORDINATOR)
    assert answer.status_code == 303
    event = (await desk.said())[-1]
    assert isinstance(event, MemberLeft)
    assert (event.member_id, event.reason) == (people["見本 文子"], LeavingReason.DIED)
    page = (await desk.get(path)).text
    assert "死亡" in page
    assert "見本 健一さんの世帯" in page


async def test_leaving_is_refused_with_a_sentence(desk: Desk) -> None:
    path, people = await home(desk)
    leave = f"{path}/members/{people['見本 文子']}/leave"
    for form, sentence in (
        ({"reason": "", "effective_on": "今日"}, "離れた理由を選んでください"),
        ({"reason": "died", "effective_on": "+3"}, "今日までの日付を入れてください"),
        ({"reason": "died", "effective_on": "いつか"}, "日付として読めません"),
        ({"reason": "died", "effective_on": "S18.3.31"}, "生年月日より前の日付です"),
    ):
        answer = await desk.post(leave, form)
        assert answer.status_code == 422
        assert sentence in answer.text
    assert not any(isinstance(event, MemberLeft) for event in await desk.said())


async def test_two_people_recording_the_same_death_are_told_once(desk: Desk) -> None:
    path, people = await home(desk)
    leave = f"{path}/members/{people['見本 文子']}/leave"
    form = {"reason": "died", "effective_on": "今日"}
    answers = await asyncio.gather(desk.post(leave, form), desk.post(leave, form, COLLEAGUE))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    assert sum(isinstance(event, MemberLeft) for event in await desk.said()) == 1


async def test_a_person_joins_later(desk: Desk) -> None:
    path, _ = await home(desk)
    answer = await desk.post(f"{path}/members", {"role": "sibling", "name": "見本 次郎", "kana": "ﾐﾎﾝ ｼﾞﾛｳ", "age": "50"})
    assert answer.status_code == 303
    event = (await desk.said())[-1]
    assert isinstance(event, MemberJoined)
    assert event.role is MemberRole.SIBLING
    assert "ミホン ジロウ" in (await desk.get(path)).text


async def test_a_mistake_when_adding_keeps_what_was_typed(desk: Desk) -> None:
    path, _ = await home(desk)
    answer = await desk.post(f"{path}/members", {"name": "見本 次郎", "age": "二百"})
    assert answer.status_code == 422
    assert 'value="見本 次郎"' in answer.text
    assert "年齢は 0 から 130 の数字で入れてください" in answer.text


async def test_a_correction_of_the_name_is_told_but_the_name_stays_in_intake(desk: Desk) -> None:
    path, people = await home(desk)
    member = f"{path}/members/{people['見本 文子']}"
    said = len(await desk.said())
    assert (await desk.post(member, PERSON | {"name": "見本 史子"})).status_code == 303
    told = (await desk.said())[said:]
    assert [(type(event), event.member_id) for event in told] == [(MemberCorrected, people["見本 文子"])]
    assert "史子" not in await desk.payloads()
    assert (await desk.post(member, PERSON | {"name": "見本 史子", "birth": "S19.4.1", "version": "2"})).status_code == 303
    event = (await desk.said())[-1]
    assert isinstance(event, MemberCorrected)
    assert event.birth_month == "1944-04"


async def test_the_second_correction_is_compared_with_the_first(desk: Desk) -> None:
    path, people = await home(desk)
    member = f"{path}/members/{people['見本 文子']}"
    await desk.post(member, PERSON | {"name": "見本 甲"})
    answer = await desk.post(member, PERSON | {"name": "見本 乙"}, COLLEAGUE)
    assert answer.status_code == 409
    assert "見本 甲" in answer.text
    assert 'value="見本 乙"' in answer.text
    assert 'name="version" value="2"' in answer.text


async def test_a_corrected_name_is_found_by_its_new_keys(desk: Desk) -> None:
    path, people = await home(desk)
    await desk.post(f"{path}/members/{people['見本 文子']}", PERSON | {"name": "濵田 文子", "kana": "ハマダ フミコ"})
    assert "濵田 文子" in await looked_up(desk, name="浜田")
    assert "見つかりません" in await looked_up(desk, kana="ミホン フ")


async def looked_up(desk: Desk, **form: Any) -> str:
    answer = await desk.post("/intake/households", form)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_household_is_found_by_part_of_the_kana_by_phone_and_by_birth(desk: Desk) -> None:
    await home(desk)
    assert "見本 文子" in await looked_up(desk, kana="ﾐﾎﾝ")
    assert "見本 文子" in await looked_up(desk, phone="０５５８−００−０００１")
    assert "見本 文子" in await looked_up(desk, birth="S18.4.1")
    assert "見つかりません" in await looked_up(desk, kana="ミホン", birth="S19.4.1")


async def test_someone_who_died_still_leads_to_the_household(desk: Desk) -> None:
    path, people = await home(desk)
    await desk.post(f"{path}/members/{people['見本 文子']}/leave", {"reason": "died", "effective_on": "今日"})
    assert "死亡" in await looked_up(desk, kana="ミホン フミコ")


async def test_looking_up_needs_something_to_look_for(desk: Desk) -> None:
    answer = await desk.post("/intake/households", {})
    assert answer.status_code == 422
    assert "どれかを入れてください" in answer.text


async def test_the_header_for_other_desks_is_a_part_audited_and_for_those_who_work_with_the_household(desk: Desk) -> None:
    path, _ = await home(desk)
    header = path.replace("/intake/households/", "/intake/_part/household/") + "/header"
    shown = await desk.get(header, MANAGER, htmx=True)
    assert shown.status_code == 200
    for text in ("見本 文子さんの世帯", "83歳", "見本 健一", "修善寺"):
        assert text in shown.text
    assert "<html" not in shown.text
    assert (await desk.get(header, MANAGER)).status_code == 404
    rows = await desk.rows("select action, object_kind, purpose from audit where actor = 'm1' and decision = 'allow'")
    assert [tuple(row) for row in rows] == [("view", "household", "header")]


READS_THE_HEADER = {
    "reception": 200,
    "coordinator": 200,
    "manager": 200,
    "caseworker": 403,
    "outreach": 403,
    "operator": 403,
    "dv_officer": 200,
    "auditor": 403,
}


@pytest.mark.parametrize("role", ROLE_LABELS)
async def test_names_in_the_header_are_for_the_desk_the_center_and_the_manager(desk: Desk, role: str) -> None:
    """A caseworker learns names by the disclosure of a referral, not by asking for any household."""
    path, _ = await home(desk)
    header = path.replace("/intake/households/", "/intake/_part/household/") + "/header"
    answer = await desk.get(header, Staff("x1", "試験 職員", frozenset({role}), frozenset({"elderly"})), htmx=True)
    assert answer.status_code == READS_THE_HEADER[role]
    assert ("見本" in answer.text) == (answer.status_code == 200)
    assert len(await desk.rows("select 1 from audit where actor = 'x1' and purpose = 'header'")) == (answer.status_code == 200)


async def test_only_the_desk_opens_households(desk: Desk) -> None:
    path, _ = await home(desk)
    assert (await desk.get(path, CASEWORKER)).status_code == 403
    assert (await desk.get("/intake/households", CASEWORKER)).status_code == 403
    assert (await desk.get(f"/intake/households/{uuid4()}")).status_code == 404
    assert (await desk.get(f"{path}/members/{uuid4()}")).status_code == 404
