"""T-11、T-12: 保護された世帯は、受け持ちと保護担当のほかには、ないのと同じに見える。"""

import re
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.intake import protection
from services.intake.household import Household, Member, Person
from services.intake.protection import Protection, ReasonForLifting, Urge, a_year_from
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.household import Area, HouseholdRegistered
from shared.contracts.protection import ConflictDeclared, ProtectionDeclared, ProtectionKind, ProtectionLifted
from shared.runtime.auth import Staff
from shared.runtime.problems import ChangedMeanwhile
from tests.intake.conftest import COLLEAGUE, COORDINATOR, MANAGER, RECEPTION, Desk, sheet
from tests.intake.test_consent_at_the_desk import paper
from tests.intake.test_households import home, looked_up
from tests.intake.test_reception import MOTHER_AND_SON

OFFICER = Staff("hogo", "試験 保護", frozenset({"dv_officer"}))
ELSEWHERE = Staff("otto", "試験 元夫", frozenset({"reception", "caseworker"}), frozenset({"poverty"}))


async def protect(desk: Desk, path: str, member: UUID, staff: Staff = RECEPTION, **more: Any) -> None:
    form = {"member_id": str(member), "kind": "shien_sochi", "since": "今日", "send_to": "架空市役所気付", "restrictions": ["no_phone"]} | more
    answer = await desk.post(f"{path}/protection", form, staff)
    assert answer.status_code == 303, answer.text


async def test_t11_whoever_is_not_in_charge_cannot_find_see_or_count_the_household(desk: Desk) -> None:
    path, people = await home(desk)
    record = (await desk.rows("select id from consultation"))[0].id
    await protect(desk, path, people["見本 文子"])
    nowhere, header = f"/intake/households/{uuid4()}", path.replace("/intake/households/", "/intake/_part/household/") + "/header"
    for staff in (ELSEWHERE, COLLEAGUE, COORDINATOR, RECEPTION):
        for hidden, unknown in (
            (path, nowhere),
            (f"{path}/members/{people['見本 文子']}", f"{nowhere}/members/{uuid4()}"),
            (f"{path}/protection", f"{nowhere}/protection"),
            (f"/intake/consultations/{record}", f"/intake/consultations/{uuid4()}"),
        ):
            assert same_refusal(await desk.get(hidden, staff), await desk.get(unknown, staff), hidden)
        shown, other = (
            await desk.get(header, staff, htmx=True),
            await desk.get(nowhere.replace("households", "_part/household") + "/header", staff, htmx=True),
        )
        assert same_refusal(shown, other, header)
        for clue in ({"kana": "ミホン"}, {"phone": "0558-00-0001"}, {"birth": "S18.4.1"}, {"name": "見本"}):
            found = (await desk.post("/intake/households", clue, staff)).text
            assert "文子" not in found
            assert "健一" not in found
        register = (await desk.get("/intake/", staff)).text
        assert "見本" not in register
        assert "R8-0001" not in register
        candidates = await desk.post("/intake/_part/candidates", {**MOTHER_AND_SON, "form_key": str(uuid4())}, staff, htmx=True)
        assert candidates.status_code == 200
        assert path.rsplit("/", 1)[1] not in candidates.text
    assert "見本 文子" in await looked_up_by(desk, OFFICER, kana="ミホン")
    page = (await desk.get(path, OFFICER)).text
    assert "見本 文子" in page
    assert "修善寺" in page


def same_refusal(one: Any, other: Any, path: str) -> bool:
    """An id that was asked for may come back (in the sign-in link); nothing else may differ."""
    blank = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
    assert (one.status_code, blank.sub("", one.text)) == (other.status_code, blank.sub("", other.text)), path
    return one.status_code == 404


async def looked_up_by(desk: Desk, staff: Staff, **clues: str) -> str:
    return (await desk.post("/intake/households", clues, staff)).text


async def test_nothing_that_is_said_names_the_place_and_other_desks_are_told_no_address(desk: Desk) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"], note="相手方は元夫")
    event = (await desk.said())[-1]
    assert isinstance(event, ProtectionDeclared)
    assert event.member_id == people["見本 文子"]
    said = await desk.payloads()
    assert not [word for word in ("元夫", "架空市役所", "no_phone") if word in said]
    masked = protection.masked(
        Household(HouseholdId(uuid4()), Area.TOI, "架空町", (Member(MemberId(uuid4()), Person(phone="0558"), date(2026, 4, 1)),))
    )
    assert (masked.area, masked.town, masked.members[0].person.phone) == (Area.UNKNOWN, "", "")


async def test_t12_the_protection_goes_on_when_the_measure_lapses_and_the_officer_is_told(desk: Desk) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"], since="R6.4.1", expires_on="R7.3.31")
    assert (await desk.get(path, COLLEAGUE)).status_code == 404
    listed = (await desk.get("/intake/protections", OFFICER)).text
    assert Urge.LAPSED.label in listed
    assert "文子" not in await looked_up(desk, kana="ミホン")


async def test_only_the_officer_extends_and_lifts_with_a_reason_and_the_area_is_said_again(desk: Desk) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"])
    one = (await desk.rows("select protection_id from protection"))[0].protection_id
    for staff in (RECEPTION, COORDINATOR, MANAGER):
        assert (
            await desk.post(f"/intake/protections/{one}/lift", {"reason": "もう大丈夫と聞いたので終える", "version": "1"}, staff)
        ).status_code == 403
    short = await desk.post(f"/intake/protections/{one}/lift", {"reason": "終了", "version": "1"}, OFFICER)
    assert (short.status_code, ReasonForLifting.sentence in short.text) == (422, True)
    assert (await desk.post(f"/intake/protections/{one}/renew", {"expires_on": "R15.3.31", "version": "1"}, OFFICER)).status_code == 303
    stale = await desk.post(f"/intake/protections/{one}/lift", {"reason": "本人と警察に確かめて終える", "version": "1"}, OFFICER)
    assert stale.status_code == 409
    assert (await desk.post(f"/intake/protections/{one}/lift", {"reason": "本人と警察に確かめて終える", "version": "2"}, OFFICER)).status_code == 303
    lifted, registered = (await desk.said())[-2:]
    assert isinstance(lifted, ProtectionLifted)
    assert isinstance(registered, HouseholdRegistered)
    assert registered.area is Area.SHUZENJI
    assert "文子" in await looked_up(desk, kana="ミホン")


async def test_a_relative_is_shown_nothing_not_even_as_manager_or_officer(desk: Desk) -> None:
    path, _ = await home(desk)
    answer = await desk.post(
        f"{path}/conflicts", {"staff": "hogo", "kind": "relative"}, Staff("b1", "試験 部長", frozenset({"dv_officer", "manager"}))
    )
    assert answer.status_code == 303
    assert isinstance((await desk.said())[-1], ConflictDeclared)
    assert (await desk.get(path, OFFICER)).status_code == 404
    assert "文子" not in await looked_up_by(desk, OFFICER, kana="ミホン")
    assert (await desk.get(path, RECEPTION)).status_code == 200


@pytest.mark.parametrize(
    ("given", "field"),
    [({"member_id": "x"}, "保護する人を選んでください"), ({"kind": ""}, "保護の種類を選んでください"), ({"since": "+3"}, "今日までの日付"),
     ({"since": "いつか"}, "日付として読めません"), ({"since": "R8.4.1", "expires_on": "R7.4.1"}, "始まりより後")],
)  # fmt: skip
async def test_a_form_that_is_wrong_comes_back_as_it_was_typed(desk: Desk, given: dict[str, str], field: str) -> None:
    path, people = await home(desk)
    form = {"member_id": str(people["見本 文子"]), "kind": "shien_sochi", "since": "今日", "note": "髙𠮷さんの事情"} | given
    answer = await desk.post(f"{path}/protection", form)
    assert answer.status_code == 422
    assert field in answer.text
    assert "髙𠮷さんの事情" in answer.text
    assert not await desk.rows("select 1 from protection")


@pytest.mark.parametrize(
    ("since", "last"),
    [(date(2026, 4, 1), date(2027, 3, 31)), (date(2024, 2, 29), date(2025, 2, 28)), (date(2023, 3, 1), date(2024, 2, 29))],
)
def test_the_measure_lasts_a_year(since: date, last: date) -> None:
    assert a_year_from(since) == last


def test_the_month_before_the_end_and_the_day_after() -> None:
    one = Protection(uuid4(), HouseholdId(uuid4()), MemberId(uuid4()), ProtectionKind.SHIEN_SOCHI, date(2026, 4, 1), date(2027, 3, 31))
    days = {31: Urge.NONE, 30: Urge.SOON, 0: Urge.SOON, -1: Urge.LAPSED}
    assert {left: one.urge(date(2027, 3, 31) - timedelta(days=left), 30) for left in days} == days


def test_two_officers_do_not_overwrite_each_other() -> None:
    one = Protection(uuid4(), HouseholdId(uuid4()), MemberId(uuid4()), ProtectionKind.SHIEN_SOCHI, date(2026, 4, 1), date(2027, 3, 31), version=2)
    with pytest.raises(ChangedMeanwhile):
        protection.renew(one, date(2028, 3, 31), seen_version=1, today=date(2027, 3, 1))


MOVED = {"name": "見本 文子", "kana": "ミホン フミコ", "birth": "S18.4.1", "area": "TOI", "town": "新しい町"}


async def seen_by(desk: Desk, household: UUID, staff: Staff) -> int:
    return (await desk.get(f"/intake/households/{household}", staff)).status_code


async def test_protection_follows_whoever_is_registered_in_a_household_of_their_own(desk: Desk) -> None:
    """移った先の世帯も、はじめから伏せられる。圏域はどの出来事にも載らない。"""
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"])
    answer = await desk.post("/intake/new", sheet(**MOVED), COLLEAGUE)
    assert answer.headers["location"] == "/intake/protection/declared"
    (new,) = await desk.rows("select household_id from consultation order by receipt_no desc limit 1")
    assert await seen_by(desk, new.household_id, COLLEAGUE) == await seen_by(desk, new.household_id, RECEPTION) == 404
    assert await seen_by(desk, new.household_id, OFFICER) == 200
    (declared,) = [one for one in await desk.said() if isinstance(one, ProtectionDeclared) and one.household_id == new.household_id]
    assert declared.expires_on == a_year_from(declared.since)
    assert {one.area for one in await desk.said() if isinstance(one, HouseholdRegistered) and one.household_id == new.household_id} == {Area.UNKNOWN}


@pytest.mark.parametrize("changes", [{"birth": "S18.4.2"}, {"name": "見本 文代", "kana": "ミホン フミヨ"}, {"birth": ""}])
async def test_protection_follows_nobody_else(desk: Desk, changes: dict[str, str]) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"])
    await desk.take(**MOVED | changes)
    (new,) = await desk.rows("select household_id from consultation order by receipt_no desc limit 1")
    assert await seen_by(desk, new.household_id, COLLEAGUE) == 200


async def test_protection_follows_into_a_household_that_is_there_and_when_a_name_becomes_known(desk: Desk) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"])
    form = {"name": "見本 文子", "kana": "", "birth": "S18.4.1", "role": "other"}
    for later in (False, True):
        await desk.take(name=f"架空 節子{later}", kana="")
        (new,) = await desk.rows("select household_id from consultation order by receipt_no desc limit 1")
        there = f"/intake/households/{new.household_id}/members"
        if later:
            assert (await desk.post(there, form | {"name": "氏名 不詳"})).headers["location"] == f"/intake/households/{new.household_id}"
            (row,) = await desk.rows("select id, version from member where household_id = :h and name = '氏名 不詳'", h=new.household_id)
            there, form = f"{there}/{row.id}", form | {"version": str(row.version)}
        assert (await desk.post(there, form)).headers["location"] == "/intake/protection/declared"
        assert await seen_by(desk, new.household_id, RECEPTION) == 404


async def test_a_declared_protection_reaches_the_household_where_the_person_was_registered_before(desk: Desk) -> None:
    """She came to the shelter's desk first, and asked for the measure afterwards. Whoever left there, or is another person, stays as it was."""
    (path, people), where = await home(desk), {}
    for who, changes in {"moved": MOVED, "namesake": MOVED | {"birth": "S18.4.2"}, "gone": MOVED}.items():
        await desk.take(**changes)
        (new,) = await desk.rows("select household_id from consultation order by receipt_no desc limit 1")
        where[who] = new.household_id
    async with desk.db.transaction() as tx:
        await tx.execute(text("update member set left_on = current_date, left_reason = 'moved_out' where household_id = :h"), {"h": where["gone"]})
    await protect(desk, path, people["見本 文子"])
    assert {who: await seen_by(desk, household, COLLEAGUE) for who, household in where.items()} == {"moved": 404, "namesake": 200, "gone": 200}
    declared = [one for one in await desk.said() if isinstance(one, ProtectionDeclared)]
    assert {one.household_id for one in declared} == {UUID(path.rsplit("/", 1)[1]), where["moved"]}
    assert len({one.expires_on for one in declared}) == 1
    audited = await desk.rows("select household_id from audit where action = 'protect'")
    assert {row.household_id for row in audited} == {one.household_id for one in declared}


async def test_a_renewal_reaches_the_household_into_which_the_protection_followed(desk: Desk) -> None:
    """Another person's protection keeps its own day."""
    path, people = await home(desk)
    await desk.take(**MOVED | {"birth": "S18.4.2"})
    (namesake,) = await desk.rows("select m.id, m.household_id from member m where birth = '1943-04-02'")
    await protect(desk, f"/intake/households/{namesake.household_id}", namesake.id)
    await protect(desk, path, people["見本 文子"])
    await desk.post("/intake/new", sheet(**MOVED), COLLEAGUE)
    mine = f"select protection_id, household_id, expires_on, member_id = '{people['見本 文子']}' as hers from protection"
    first = next(row for row in await desk.rows(mine) if row.hers)
    answer = await desk.post(f"/intake/protections/{first.protection_id}/renew", {"expires_on": "R15.3.31", "version": "1"}, OFFICER)
    assert answer.status_code == 303
    renewed = [row for row in await desk.rows(mine) if row.expires_on == date(2033, 3, 31)]
    assert {row.household_id for row in renewed} > {first.household_id}
    assert len(renewed) == 2
    audited = await desk.rows("select household_id from audit where action = 'renew'")
    assert {row.household_id for row in audited} == {row.household_id for row in renewed}
    assert len(await desk.rows(mine)) == 3


async def test_a_protection_that_was_lifted_follows_nobody(desk: Desk) -> None:
    path, people = await home(desk)
    await protect(desk, path, people["見本 文子"])
    (one,) = await desk.rows("select protection_id from protection_note")
    await desk.post(f"/intake/protections/{one.protection_id}/lift", {"reason": "本人に電話で確かめた。もう要らない。", "version": "1"}, OFFICER)
    await desk.take(**MOVED)
    (new,) = await desk.rows("select household_id from consultation order by receipt_no desc limit 1")
    assert await seen_by(desk, new.household_id, COLLEAGUE) == 200


async def test_a_number_another_desk_tells_leads_to_the_household_and_that_of_a_protected_one_is_no_number(desk: Desk) -> None:
    path, people = await home(desk)
    (row,) = await desk.rows("select receipt_no from consultation")
    wide = row.receipt_no.translate({ord(c): ord(c) + 0xFEE0 for c in "R0123456789"})
    for number in (path.rsplit("/", 1)[1], f" {path.rsplit('/', 1)[1].upper()} ", row.receipt_no, wide):
        assert (await desk.post("/intake/households/by-number", {"number": number})).headers["location"] == path, number
    unknown = [await desk.post("/intake/households/by-number", {"number": number}) for number in ("", "R8-9999", "a\x00b", str(uuid4()))]
    await protect(desk, path, people["見本 文子"])
    hidden = await desk.post("/intake/households/by-number", {"number": row.receipt_no})
    for answer in (*unknown, hidden):
        assert (answer.status_code, "この番号の世帯は見つかりません" in answer.text) == (422, True)


async def test_whoever_has_a_glass_reads_a_protected_household_without_its_place_and_writes_nothing(desk: Desk) -> None:
    path, people = await home(desk)
    (row,) = await desk.rows("select phone from member where id = :id", id=people["見本 文子"])
    await protect(desk, path, people["見本 文子"])
    household = UUID(path.rsplit("/", 1)[1])
    opened = {"access_id": uuid4(), "household_id": household, "staff": COLLEAGUE.sub}
    async with desk.db.transaction() as tx:
        sql = """insert into break_glass (access_id, household_id, staff, reason, opened_at, until)
                 values (:access_id, :household_id, :staff, 'life', now(), now() + interval '1 hour')"""
        await tx.execute(text(sql), opened)
    shown = [await desk.get(path, COLLEAGUE), await desk.get("/intake/", COLLEAGUE), await desk.get(f"{path}/protection", COLLEAGUE)]
    shown.append(await desk.post("/intake/households", {"kana": "ミホン"}, COLLEAGUE))
    candidates = MOTHER_AND_SON | {"form_key": str(uuid4()), "phone": "", "town": ""}
    shown.append(await desk.post("/intake/_part/candidates", candidates, COLLEAGUE, htmx=True))
    for page in shown:
        assert page.status_code == 200
        assert row.phone not in page.text
        assert "架空市役所気付" not in page.text
    assert (await desk.get(f"{path}/members/{people['見本 文子']}", COLLEAGUE)).status_code == 403
    (one,) = await desk.rows("select id from consultation where household_id = :h", h=household)
    record, said = f"/intake/consultations/{one.id}", len(await desk.said())
    for door, form in {
        f"{path}/members": {"name": "見本 次郎"},
        f"{path}/consents": paper(people["見本 文子"]),
        f"{path}/consents/withdraw": {"withdrawal_id": str(uuid4()), "member_id": str(people["見本 文子"]), "scope": "all", "reason": "person_asked"},
        f"{record}/correct": {"version": "1", "text": "書きかえ", "urgency": "C", "consent": "given"},
        f"{record}/withdraw": {"reason": "mistake", "note": ""},
        f"{record}/referrals": {"refer_to": "cases-poverty"},
        "/intake/new": sheet(household_id=str(household)),
    }.items():
        assert (await desk.post(door, form, COLLEAGUE)).status_code == 403, door
    assert len(await desk.said()) == said
