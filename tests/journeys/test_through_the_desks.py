"""T-01 and T-02 through the desks' own forms: what people type goes in at one end, and only codes and ids come out at the other."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from tests.journeys.conftest import COORDINATOR, Town

RECEPTION = Staff("r1", "試験 受付", frozenset({"reception"}))
ELDERLY = Staff("e1", "試験 高齢", frozenset({"caseworker"}), frozenset({"elderly"}))
POVERTY = Staff("p1", "試験 暮子", frozenset({"caseworker"}), frozenset({"poverty"}))
#: everything a person typed; none of it may leave a unit by event
NAMES = ("合言葉", "文子", "アイコトバ", "フミコ", "長太郎", "チョウタロウ")
TYPED = (*NAMES, "秘密町", "0000-11-2222", "八年ほど外に出ていない", "1943-04-01", "被保険者証の控え")
SHEET = {
    "route": "3", "name": "合言葉 文子", "kana": "アイコトバ フミコ", "birth": "S18.4.1", "role": "head", "area": "SHUZENJI", "town": "秘密町9001",
    "phone": "0000-11-2222", "text": "長男は八年ほど外に出ていない。", "topics": ["12", "13"], "urgency": "C", "consent": "not_asked",
    "member-0-role": "child", "member-0-name": "合言葉 長太郎", "member-0-kana": "アイコトバ チョウタロウ", "member-0-birth": "S48.5.5",
    "refer_to": ["cases-elderly", "cases-poverty"],
}  # fmt: skip


async def take_consultation(town: Town) -> UUID:
    """受付が相談を受け、高齢とくらしにつなぐ。"""
    key = str(uuid4())
    answer = await town.ask("intake", "POST", "/intake/new", RECEPTION, data=SHEET | {"form_key": key})
    assert answer.status_code == 201, answer.text
    (row,) = await town.rows("intake", "select household_id from consultation where form_key = :key", key=UUID(key))
    return UUID(str(row.household_id))


async def accept(town: Town, desk: str, base: str, staff: Staff, household: UUID) -> str:
    """担当が受理し、ケースのパスが返る。"""
    sql = "select referral_id from referral where household_id = :h"
    (row,) = await eventually(lambda: town.rows(desk, sql, h=household))
    answer = await town.ask(desk, "POST", f"{base}/referrals/{row.referral_id}/accept", staff, data={"version": "1"})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def record(town: Town, desk: str, case: str, staff: Staff, **fact: Any) -> None:
    form = {"fact_id": str(uuid4()), "as_of": "今日", "confidence": "confirmed", "legal_basis": "INTERNAL_69_2_2", "evidence": "被保険者証の控え"}
    answer = await town.ask(desk, "POST", f"{case}/facts", staff, data=form | fact)
    assert answer.status_code == 303, answer.text


async def people(town: Town, household: UUID) -> dict[str, UUID]:
    rows = await town.rows("intake", "select id, name from member where household_id = :h", h=household)
    return {row.name.split(" ")[1]: row.id for row in rows}


async def t01(town: Town) -> UUID:
    household = await take_consultation(town)
    who = await people(town, household)
    elderly = await accept(town, "cases-elderly", "/d/elderly", ELDERLY, household)
    poverty = await accept(town, "cases-poverty", "/d/poverty", POVERTY, household)
    await record(town, "cases-elderly", elderly, ELDERLY, kind="care_level", value="care2", member_id=str(who["文子"]))
    await record(town, "cases-elderly", elderly, ELDERLY, kind="child_concern", value="yes", member_id="household")
    await record(town, "cases-poverty", poverty, POVERTY, kind="employment", value="not_seeking", member_id=str(who["長太郎"]), since="H23.4")
    await eventually(lambda: _raised(town, household, {"R-502", "R-503", "R-907"}))
    return household


async def _raised(town: Town, household: UUID, wanted: set[str]) -> dict[str, str]:
    alerts = await town.alerts(household)
    return alerts if wanted <= set(alerts) else {}


async def test_t01_typed_at_three_desks_becomes_alerts_and_a_draft_at_the_center(town: Town) -> None:
    household = await t01(town)
    alerts = await town.alerts(household)
    assert (alerts["R-502"], alerts["R-503"]) == ("S3", "S3")
    drafts = await eventually(lambda: town.rows("cases-center", "select lane from conference_draft where household_id = :h", h=household))
    assert [row.lane for row in drafts] == ["art106_6"]


async def test_t02_recorded_at_the_reception_is_s1_with_a_call_list_and_nothing_twice(town: Town) -> None:
    household = await t01(town)
    mother = (await people(town, household))["文子"]
    path = f"/intake/households/{household}/members/{mother}/leave"
    answer = await town.ask("intake", "POST", path, RECEPTION, data={"reason": "died", "effective_on": "今日"})
    assert answer.status_code == 303, answer.text
    alerts = await eventually(lambda: _raised(town, household, {"R-504"}))
    assert alerts["R-504"] == "S1"
    assert not {"R-914", "R-101"} & set(alerts)
    (row,) = await town.rows("notify", "select id from alert where household_id = :h and rule_id = 'R-504'", h=household)
    calls = await town.ask("notify", "GET", f"/inbox/alerts/{row.id}/calls", COORDINATOR)
    assert "高齢の窓口" in calls.text
    assert "くらしの窓口" in calls.text


async def test_nothing_that_was_typed_is_in_any_event_header_subject_or_log_line(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    household = await t01(town)
    wires = 0
    for code in town.apps:
        for row in await town.rows(code, "select subject, headers::text as headers, payload from outbox where household = :h", h=household):
            wire = row.subject + row.headers + bytes(row.payload).decode()
            assert not [word for word in TYPED if word in wire]
            wires += 1
    assert wires >= 12
    printed = capfd.readouterr()
    assert not [word for word in TYPED if word in printed.out + printed.err]


async def test_what_the_desks_were_told_shows_the_names_to_them_and_not_to_others(town: Town) -> None:
    household = await take_consultation(town)
    case = await accept(town, "cases-elderly", "/d/elderly", ELDERLY, household)

    async def named() -> bool:
        return "合言葉 文子" in (await town.ask("cases-elderly", "GET", case, ELDERLY)).text

    await eventually(named)
    foreign = await town.ask("cases-elderly", "GET", case, POVERTY)
    assert foreign.status_code == 403
    assert "合言葉" not in foreign.text
