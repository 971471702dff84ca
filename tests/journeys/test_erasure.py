"""消去の旅: 目印の言葉を受付から五つの窓口まで行きわたらせ、消し、すべての窓口のすべての表と配信記録をさがす。遅れて届くものも、何も戻さない。"""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import nats
from sqlalchemy import text

from shared.contracts.case import CaseOpened
from shared.contracts.event import LegalBasis, StaffId
from shared.contracts.protection import ConflictDeclared, ConflictKind
from shared.messaging import positions
from shared.messaging.commands.place import Place
from shared.messaging.commands.rehearse import handlers_of
from shared.messaging.link import Link
from shared.messaging.provision import api_of
from shared.messaging.rebuild import Rebuilt, rebuild
from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from shared.runtime.unit import all_units
from tests.erasing import found_in, is_declared
from tests.journeys.conftest import Town
from tests.journeys.test_through_the_desks import ELDERLY, POVERTY, RECEPTION, accept

MANAGER = Staff("m1", "試験 管理", frozenset({"manager"}))
VISITOR = Staff("v1", "試験 訪問", frozenset({"outreach"}))
#: every word that a person types on the way, at one desk or another
SHEET = {
    "route": "3", "name": "目印山 カナリア子", "kana": "メジルシヤマ カナリアコ", "birth": "S18.4.1", "role": "head", "area": "SHUZENJI",
    "town": "目印町八番", "phone": "0558-00-4242", "text": "目印の相談。籠に小鳥がいる。", "topics": ["12", "13"], "urgency": "C",
    "consent": "not_asked", "visitor_name": "目印 となり", "visitor_relation": "目印の隣人", "member-0-role": "child",
    "member-0-name": "目印山 ひわ男", "member-0-kana": "メジルシヤマ ヒワオ", "member-0-birth": "S48.5.5",
    "refer_to": ["cases-elderly", "cases-poverty", "outreach"],
}  # fmt: skip
EVIDENCE, NOTE, PRIVATE, MEMO, ENDED = "目印の証書", "目印の経過", "目印の私見", "目印のメモ", "目印の終わり"
WORDS = ("目印", "カナリア", "メジルシ", "ひわ男", "ヒワオ", "0558-00-4242", "0558004242", "1943-04-01", "小鳥がいる")
UNITS = ("intake", "cases-elderly", "cases-poverty", "cases-center", "outreach", "notify")


async def a_story(town: Town) -> UUID:
    """受付 → 高齢（ケース）・くらし（ケース）・訪問（見守り）→ 気づき → 会議の案。どこも終わっている。"""
    key = uuid4()
    taken = await town.ask("intake", "POST", "/intake/new", RECEPTION, data=SHEET | {"form_key": str(key)})
    assert taken.status_code == 201, taken.text
    (row,) = await town.rows("intake", "select household_id, subject_id from consultation where form_key = :key", key=key)
    home: UUID = row.household_id
    elderly = await accept(town, "cases-elderly", "/d/elderly", ELDERLY, home)
    poverty = await accept(town, "cases-poverty", "/d/poverty", POVERTY, home)
    await write(town, "cases-elderly", elderly, ELDERLY, "child_concern", "yes", "household")
    await write(town, "cases-poverty", poverty, POVERTY, "employment", "not_seeking", str(await child(town, home)), since="H23.4")
    await watch(town, home)
    await eventually(lambda: town.rows("cases-center", "select 1 from conference_draft where household_id = :h", h=home))
    for code in ("cases-elderly", "cases-poverty", "outreach"):
        await eventually(lambda code=code: town.rows(code, "select 1 from identity where household_id = :h and name like '目印%'", h=home))  # type: ignore[misc]
    return home


async def child(town: Town, home: UUID) -> UUID:
    (row,) = await town.rows("intake", "select id from member where household_id = :h and role = 'child'", h=home)
    found: UUID = row.id
    return found


async def write(town: Town, code: str, case: str, staff: Staff, kind: str, value: str, who: str, **more: Any) -> None:
    """事実（根拠つき）と、支援経過。"""
    fact = {"fact_id": str(uuid4()), "as_of": "今日", "confidence": "confirmed", "legal_basis": "INTERNAL_69_2_2", "evidence": EVIDENCE}
    answer = await town.ask(code, "POST", f"{case}/facts", staff, data=fact | {"kind": kind, "value": value, "member_id": who} | more)
    assert answer.status_code == 303, answer.text
    note = {"note_id": str(uuid4()), "happened_on": "今日", "method": "visit", "partner": "本人", "shared": NOTE, "private": PRIVATE}
    answer = await town.ask(code, "POST", f"{case}/notes", staff, data=note | {"next_action": NOTE, "next_due": "+7"})
    assert answer.status_code == 303, answer.text


async def watch(town: Town, home: UUID) -> None:
    (referral,) = await eventually(lambda: town.rows("outreach", "select referral_id from referral where household_id = :h", h=home))
    plan = uuid4()
    accepted = {"version": "1", "plan_id": str(plan), "tier": "B", "member_id": "household"}
    answer = await town.ask("outreach", "POST", f"/outreach/referrals/{referral.referral_id}/accept", VISITOR, data=accepted)
    assert answer.status_code == 303, answer.text
    made = {"version": "1", "check_in_id": str(uuid4()), "outcome": "met", "memo": MEMO}
    answer = await town.ask("outreach", "POST", f"/outreach/watch/{plan}/check-ins", VISITOR, data=made)
    assert answer.status_code == 303, answer.text


async def ends(town: Town, home: UUID, years: int) -> None:
    """すべてが終わり、それから `years` 年がたった。終わりは、窓口が知らせる。"""
    for code, staff in (("cases-elderly", ELDERLY), ("cases-poverty", POVERTY)):
        (case,) = await town.rows(code, "select case_id, version from case_file where household_id = :h", h=home)
        base = next(unit.base for unit in all_units() if unit.code == code)
        closing = {"version": str(case.version), "close_reason": "7"}
        answer = await town.ask(code, "POST", f"{base}/cases/{case.case_id}/close", staff, data=closing)
        assert answer.status_code == 303, answer.text
    (plan,) = await town.rows("outreach", "select plan_id, version from watch where household_id = :h", h=home)
    over = {"version": str(plan.version), "reason": ENDED}
    answer = await town.ask("outreach", "POST", f"/outreach/watch/{plan.plan_id}/end", VISITOR, data=over)
    assert answer.status_code == 303, answer.text
    await eventually(lambda: ended_everywhere(town, home))
    for code, table, columns in AGED:
        moved = ", ".join(f"{column} = {column} - make_interval(years => {years})" for column in columns)
        await change(town, code, f"update {table} set {moved} where {'id' if table == 'household' else 'household_id'} = :h", h=home)


AGED = (
    ("intake", "household", ("registered_at",)), ("intake", "consultation", ("received_at", "received_on", "changed_at")),
    ("intake", "referral", ("made_on", "answered_on")), ("intake", "involved", ("since", "until")),
    ("cases-elderly", "case_file", ("opened_on", "closed_on")), ("cases-poverty", "case_file", ("opened_on", "closed_on")),
    ("outreach", "watch", ("planned_on", "ended_on")),
)  # fmt: skip


async def ended_everywhere(town: Town, home: UUID) -> bool:
    rows = await town.rows("intake", "select until from involved where household_id = :h", h=home)
    answered = await town.rows("intake", "select 1 from referral where household_id = :h and status = 'accepted'", h=home)
    return len(rows) == 3 and all(row.until for row in rows) and len(answered) == 3


async def change(town: Town, code: str, statement: str, **values: Any) -> None:
    async with town.db(code).transaction() as tx:
        await tx.execute(text(statement), values)


async def erase(town: Town, home: UUID, reason: str = "period_ended") -> None:
    path = f"/intake/retention/households/{home}"
    page = (await town.ask("intake", "GET", path, MANAGER)).text
    seen = page.split('name="seen" value="')[1].split('"')[0]
    answer = await town.ask("intake", "POST", f"{path}/erase", MANAGER, data={"reason": reason, "sure": "1", "seen": seen})
    assert answer.status_code == 303, answer.text
    await eventually(lambda: answered(town, home), timeout=20)


async def answered(town: Town, home: UUID) -> bool:
    """Every unit has sent its receipt."""
    sql = "select r.done_on from erasure e join erasure_receipt r on r.erasure_id = e.id where e.household_id = :h"
    rows = await town.rows("intake", sql, h=home)
    return len(rows) == 7 and all(row.done_on for row in rows)


async def words(town: Town) -> dict[tuple[str, str], set[str]]:
    return {(code, table): found for code in town.apps for table, found in (await found_in(town.db(code), WORDS)).items()}


async def tables(town: Town, home: UUID) -> dict[str, set[str]]:
    """Where the number of the household still stands, beside the places that are declared."""
    left = {}
    for code in town.apps:
        found = {table for table in await found_in(town.db(code), [str(home)]) if not is_declared(code, table)}
        if found:
            left[code] = found
    return left


async def wires(town: Town) -> list[str]:
    """Every message of every stream: subject, headers, payload."""
    client = await nats.connect(town.settings["intake"].nats_url.get_secret_value())
    try:
        found, js = [], client.jetstream()
        for unit in all_units():
            state = (await js.stream_info(unit.stream)).state
            for seq in range(state.first_seq or 1, state.last_seq + 1):
                message = await js.get_msg(unit.stream, seq)
                found.append(f"{message.subject} {message.headers} {(message.data or b'').decode()}")
        return found
    finally:
        await client.close()


async def test_of_an_erased_household_no_unit_keeps_a_word_and_no_table_but_the_declared_ones_its_number(town: Town) -> None:
    home = await a_story(town)
    before = {code for code, _ in await words(town)}
    assert before >= {"intake", "cases-elderly", "cases-poverty", "outreach"}, "the words must have been everywhere"
    await ends(town, home, 7)
    await erase(town, home)
    assert await words(town) == {}
    assert await tables(town, home) == {}
    assert not [wire for wire in await wires(town) if any(word in wire for word in WORDS)]
    kept = await town.rows(
        "intake", "select kept_under from erasure_receipt r join erasure e on e.id = r.erasure_id where e.household_id = :h", h=home
    )
    assert {tuple(row.kept_under) for row in kept} == {()}


async def test_what_a_law_keeps_stays_where_it_was_written_and_nowhere_else(town: Town) -> None:
    home = await a_story(town)
    await ends(town, home, 2)
    about: dict[str, Any] = {"household_id": home, "legal_basis": LegalBasis.INTERNAL_69_2_2}
    await town.say("intake", ConflictDeclared(**about, conflict_id=uuid4(), staff=StaffId("ito"), kind=ConflictKind.RELATIVE))
    guards = "select 1 from conflict where household_id = :h and cleared_on is null"
    for code in ("cases-elderly", "notify"):
        await eventually(lambda code=code: town.rows(code, guards, h=home))  # type: ignore[misc]
    await erase(town, home, "request")
    assert not await town.rows("notify", guards, h=home), "nothing is kept there that it would guard"
    assert (await made_again(town, "cases-elderly", "rights")).equal
    assert await town.rows("cases-elderly", guards, h=home), "who may not see the record still may not while it is kept"
    found = await words(town)
    assert {code for code, _ in found} == {"cases-elderly", "cases-poverty", "outreach"}
    assert {table for _, table in found} <= {"note", "fact", "case_file", "check_in", "watch"}
    assert set().union(*found.values()) == {"目印"}, "the record of the trade, no name"
    page = (await town.ask("intake", "GET", "/intake/retention/receipts", MANAGER)).text
    assert "ケースの記録" in page
    assert "見守りの記録" in page
    for code in ("cases-elderly", "cases-poverty", "outreach"):
        table = "watch" if code == "outreach" else "case_file"
        await change(town, code, "update kept_case set due_on = current_date" if table == "case_file" else "select 1")
        day = "ended_on" if table == "watch" else "closed_on"
        await change(town, code, f"update {table} set {day} = {day} - make_interval(years => 7) where household_id = :h", h=home)
        await change(town, code, "update timer set due_at = now(), try_at = now() where kind = 'erasure' and key = :h", h=str(home))
    await eventually(lambda: nothing_kept(town, home), timeout=20)
    assert await words(town) == {}
    assert await tables(town, home) == {}


async def nothing_kept(town: Town, home: UUID) -> bool:
    sql = "select r.kept_under from erasure e join erasure_receipt r on r.erasure_id = e.id where e.household_id = :h"
    return all(not row.kept_under for row in await town.rows("intake", sql, h=home))


async def test_events_that_come_again_or_late_and_projections_made_again_bring_nothing_back(town: Town) -> None:
    home = await a_story(town)
    await ends(town, home, 7)
    await erase(town, home)
    receipts = await town.rows("notify", "select count(*) as n from outbox where household = :h and channel = 'receipt'", h=home)
    # the numbers a household stands at are lost, and every stream is read from its beginning: all its events are new again
    for code in town.apps:
        await change(town, code, "delete from consumer_subject where household = :h", h=home)
        async with town.db(code).transaction() as tx:
            for row in await tx.rows(text("select name from consumer_cursor")):
                await positions.rewind(tx, row.name, 0)
    # and a desk says something it had not yet said
    (case,) = await town.rows("cases-elderly", "select payload from outbox where household = :h and type like '%case.opened%'", h=home)
    late = CaseOpened.model_validate_json(bytes(case.payload))
    await town.say("cases-elderly", late.model_copy(update={"case_id": uuid4()}))
    await eventually(lambda: read_to_the_end(town, home), timeout=30)
    for code, name in (
        ("cases-elderly", "households"),
        ("cases-elderly", "involvement"),
        ("cases-elderly", "rights"),
        ("notify", "knowledge"),
        ("intake", "involvement"),
    ):
        assert (await made_again(town, code, name)).equal, f"{code} {name}"
    assert await words(town) == {}
    assert await tables(town, home) == {}
    again = await town.rows("notify", "select count(*) as n from outbox where household = :h and channel = 'receipt'", h=home)
    assert again == receipts, "heard twice, answered once"


async def read_to_the_end(town: Town, home: UUID) -> bool:
    """notify and intake have passed over what the desk said late."""
    sql = "select max(last_seq) as seq from consumer_subject where source = 'cases-elderly' and channel = 'case' and household = :h"
    (said,) = await town.rows("cases-elderly", "select max(seq) as seq from outbox where channel = 'case' and household = :h", h=home)
    heard = [(await town.rows(code, sql, h=home))[0].seq for code in ("notify", "intake", "cases-poverty")]
    return heard == [said.seq] * 3


async def made_again(town: Town, code: str, name: str) -> Rebuilt:
    unit = next(unit for unit in all_units() if unit.code == code)
    link, place = Link(code, town.settings[code]), Place(unit, town.settings[code])
    client = await nats.connect(town.settings[code].nats_url.get_secret_value())
    keeping = asyncio.create_task(link.keep())
    try:
        await link.up.wait()
        return await rebuild(town.db(code), link, api_of(client), handlers_of(place, town.db(code)), name)
    finally:
        keeping.cancel()
        await link.close()
        await client.close()


async def test_an_answer_about_names_that_is_under_way_when_the_household_goes_brings_nothing_back(town: Town) -> None:
    home = await a_story(town)
    await ends(town, home, 7)
    # the desk asks again, and its question stays on its way until the erasure is done everywhere
    (asked,) = await town.rows("cases-elderly", "select key, payload from intent where payload->>'household' = :h limit 1", h=str(home))
    await erase(town, home)
    await change(
        town, "cases-elderly",
        "update intent set state = 'pending', settled_at = null, try_at = now(), claimed_until = null, attempts = 0 where key = :key", key=asked.key,
    )  # fmt: skip
    done = "select 1 from intent where key = :key and state = 'done'"
    await eventually(lambda: town.rows("cases-elderly", done, key=asked.key), timeout=20)
    assert await words(town) == {}
    assert await tables(town, home) == {}
