"""同意書の写しの画面: 付ける、見る、だれに見えるか。ファイルの名前はどこにも残らず、消去でともに消える。"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import TextClause, text

from services.intake import routes_scan
from services.intake.retention import EraseReason
from shared.runtime.auth import Staff
from tests.erasing import found_in
from tests.intake.conftest import CASEWORKER, COLLEAGUE, COORDINATOR, MANAGER, RECEPTION, Desk
from tests.intake.papers import HTML, SVG, jpeg, pdf, png
from tests.intake.test_consent_at_the_desk import family, paper

OFFICER = Staff("d1", "試験 保護", frozenset({"dv_officer"}))
OUTREACH = Staff("o1", "試験 訪問", frozenset({"outreach"}))
FILE_NAME = "見本文子さん_同意書（長男同席）.pdf"
PHRASE = "紙に書かれた合言葉"


@dataclass
class Sheet:
    """A written consent of 見本 文子 and where its scans are."""

    desk: Desk
    household: UUID
    consent: UUID

    @property
    def consents(self) -> str:
        return f"/intake/households/{self.household}/consents"

    @property
    def path(self) -> str:
        return f"{self.consents}/{self.consent}/scans"

    async def send(self, *contents: bytes, name: str = FILE_NAME, kind: str = "application/pdf", staff: Staff = RECEPTION, **given: Any) -> Any:
        files = [("scan", (name, content, kind)) for content in contents]
        return await self.desk.ask("POST", self.path, staff, files=files, **given)

    async def kept(self) -> list[Any]:
        return await self.desk.rows("select * from consent_scan order by added_at, id")

    async def only(self) -> str:
        (row,) = await self.kept()
        return f"{self.path}/{row.id}"

    async def audited(self, kind: str = "consent_scan") -> list[tuple[str, str]]:
        rows = await self.desk.rows("select actor, action from audit where object_kind = :kind order by at, actor", kind=kind)
        return [(row.actor, row.action) for row in rows]


async def written(desk: Desk, **more: Any) -> Sheet:
    made, path, people = await family(desk)
    form = paper(people["見本 文子"], **more)
    assert (await desk.post(path, form)).status_code == 303
    return Sheet(desk, made.household_id, UUID(form["consent_id"]))


@pytest.fixture
async def sheet(desk: Desk) -> Sheet:
    return await written(desk)


async def test_a_scan_is_kept_with_its_consent_and_the_list_says_when_and_who(sheet: Sheet) -> None:
    assert "写しなし" in (await sheet.desk.get(sheet.consents)).text
    answer = await sheet.send(pdf(PHRASE))
    assert (answer.status_code, answer.headers["location"]) == (303, sheet.path)
    for path in (sheet.consents, sheet.path):
        page = (await sheet.desk.get(path)).text
        assert "写しなし" not in page
        assert "試験 受付" in page
    (row,) = await sheet.kept()
    assert (row.consent_id, row.household_id, row.media_type, row.bytes) == (sheet.consent, sheet.household, "application/pdf", len(pdf(PHRASE)))
    assert await sheet.audited() == [("r1", "create")]


async def test_a_scan_comes_back_as_a_file_that_nothing_runs_in_and_that_names_nobody(sheet: Sheet) -> None:
    await sheet.send(jpeg(), name="見本.jpg", kind="text/html")
    answer = await sheet.desk.get(await sheet.only(), COLLEAGUE)
    assert (answer.status_code, answer.content) == (200, jpeg())
    headers = answer.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-disposition"].startswith('attachment; filename="consent-')
    assert headers["content-disposition"].isascii()
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert await sheet.audited() == [("r1", "create"), ("r2", "view")]


async def test_several_pages_are_kept_in_one_sending_and_the_second_press_adds_none(sheet: Sheet) -> None:
    for _ in range(2):
        assert (await sheet.send(png(1), png(2), png(2), jpeg())).status_code == 303
    assert [bytes(row.content) for row in await sheet.kept()] == [png(1), png(2), jpeg()], "in the order of the pages"
    assert "試験 受付（3件）" in (await sheet.desk.get(sheet.consents)).text
    assert (await sheet.send(png(2), name="別の名前.png", staff=COLLEAGUE)).status_code == 303
    assert await sheet.audited() == [("r1", "create")] * 3


async def test_ten_presses_at_once_are_one_scan(sheet: Sheet) -> None:
    answers = await asyncio.gather(*(sheet.send(pdf()) for _ in range(10)))
    assert {one.status_code for one in answers} == {303}
    assert len(await sheet.kept()) == len(await sheet.audited()) == 1


async def test_two_who_add_at_once_do_not_pass_the_limit_together(sheet: Sheet) -> None:
    answers = await asyncio.gather(*(sheet.send(*(png(10 * n + k) for k in range(4))) for n in range(3)))
    assert sorted(one.status_code for one in answers) == [303, 303, 422]
    assert len(await sheet.kept()) == 8


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ([HTML], "PDF・JPEG・PNG のどれでもありません"),
        ([SVG], "PDF・JPEG・PNG のどれでもありません"),
        ([HTML + pdf()], "PDF・JPEG・PNG のどれでもありません"),
        ([b""], "中身のないファイルです"),
        ([pdf()[:-8]], "途中で切れています"),
        ([pdf(), SVG], "2つめのファイル：PDF・JPEG・PNG のどれでもありません"),
        ([pdf("大" * 1_800_000)], "1つのファイルは 5 MB までです"),
        ([png(n) for n in range(11)], "写しは一つの同意に 10 件までです（いま 0 件）"),
        ([], "写しのファイルを選んでください"),
    ],
)
async def test_what_is_refused_is_told_at_the_field_and_nothing_is_kept(sheet: Sheet, contents: list[bytes], sentence: str) -> None:
    """Name and declared type say PDF each time."""
    for htmx in (False, True):
        answer = await sheet.send(*contents, htmx=htmx, headers={} if htmx else {"sec-fetch-mode": "navigate"})
        assert answer.status_code == 422
        assert sentence in answer.text
        assert 'href="#f-scan"' in answer.text
        assert ("<html" in answer.text) is not htmx
        assert "見本文子さん" not in answer.text
    assert await sheet.kept() == []
    assert await sheet.audited() == []


async def test_no_chosen_file_is_not_an_empty_file(sheet: Sheet) -> None:
    assert "写しのファイルを選んでください" in (await sheet.send(b"", name="", kind="application/octet-stream")).text
    assert "写しのファイルを選んでください" in (await sheet.desk.post(sheet.path, {"scan": "見本.pdf"})).text


@pytest.mark.parametrize("missing", [30, 80, 200])
async def test_a_sending_that_breaks_off_keeps_nothing_and_says_so(sheet: Sheet, missing: int) -> None:
    whole = b'--x\r\nContent-Disposition: form-data; name="scan"; filename="a.pdf"\r\n\r\n' + pdf("頁" * 40) + b"\r\n--x--\r\n"
    answer = await sheet.desk.ask("POST", sheet.path, content=whole[:-missing], headers={"content-type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, "途中で切れていて" in answer.text) == (400, True)
    nameless = await sheet.desk.ask("POST", sheet.path, content=whole, headers={"content-type": "multipart/form-data"})
    assert nameless.status_code == 400
    assert await sheet.kept() == []


async def test_this_door_alone_takes_a_large_body_and_says_its_own_limit(sheet: Sheet) -> None:
    large = pdf("大" * 1_200_000)
    assert (await sheet.send(large)).status_code == 303
    elsewhere = await sheet.desk.ask("POST", sheet.consents, files=[("scan", ("a.pdf", large, "application/pdf"))])
    assert (elsewhere.status_code, "1 MB までにしてください" in elsewhere.text) == (413, True)
    assert "<html" in elsewhere.text, "whoever has no JavaScript reads a page"
    whole = pdf("大" * (routes_scan.AT_ONCE // 3))
    assert "20 MB までにしてください" in (await sheet.send(whole)).text

    async def hidden() -> Any:
        for _ in range(400):
            yield b"x" * 65536

    answer = await sheet.desk.ask("POST", sheet.path, content=hidden(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code in (400, 413)
    assert len(await sheet.kept()) == 1


async def test_another_site_cannot_add_one(sheet: Sheet) -> None:
    answer = await sheet.send(pdf(), headers={"sec-fetch-site": "cross-site"})
    assert (answer.status_code, await sheet.kept()) == (403, [])


async def test_an_oral_consent_an_unknown_one_and_one_of_another_household_have_no_paper(sheet: Sheet) -> None:
    oral = await written(sheet.desk, form="oral", form_key=str(uuid4()))
    for answer in (await sheet.desk.get(oral.path), await oral.send(pdf())):
        assert (answer.status_code, "書面の同意だけです" in answer.text) == (422, True)
    for stranger in (
        Sheet(sheet.desk, sheet.household, uuid4()),
        Sheet(sheet.desk, oral.household, sheet.consent),
        Sheet(sheet.desk, uuid4(), uuid4()),
    ):
        assert (await stranger.send(pdf())).status_code == 404
        assert (await sheet.desk.get(stranger.path)).status_code == 404
    await sheet.send(pdf())
    (row,) = await sheet.kept()
    assert (await sheet.desk.get(f"{oral.path}/{row.id}")).status_code == 422
    assert (await sheet.desk.get(f"{sheet.path}/{uuid4()}")).status_code == 404


@pytest.mark.parametrize("staff", [CASEWORKER, MANAGER, OUTREACH], ids=lambda staff: next(iter(staff.roles)))
async def test_who_does_not_receive_neither_adds_nor_sees_one(sheet: Sheet, staff: Staff) -> None:
    await sheet.send(pdf(PHRASE))
    one = await sheet.only()
    for answer in (await sheet.desk.get(one, staff), await sheet.desk.get(sheet.path, staff), await sheet.send(png(), staff=staff)):
        assert answer.status_code == 403
        assert PHRASE not in answer.text
    assert len(await sheet.kept()) == 1


PROTECT = text(
    "insert into protection (protection_id, household_id, member_id, kind, since) "
    "select gen_random_uuid(), household_id, id, 'dv', current_date from member where household_id = :home limit 1"
)
BREAK = text(
    "insert into break_glass (access_id, household_id, staff, reason, opened_at, until) "
    "values (gen_random_uuid(), :home, 'c1', 'life', now(), now() + interval '1 hour')"
)


async def happens(sheet: Sheet, *statements: TextClause) -> None:
    async with sheet.desk.db.transaction() as tx:
        for statement in statements:
            await tx.execute(statement, {"home": sheet.household})


async def test_the_scan_of_a_protected_household_is_not_there_but_for_the_one_who_protects_it(sheet: Sheet) -> None:
    await sheet.send(pdf(PHRASE))
    one = await sheet.only()
    await happens(sheet, PROTECT)
    for staff in (RECEPTION, COORDINATOR):
        hidden, other = await sheet.desk.get(one, staff), str(uuid4())
        nowhere = await sheet.desk.get(one.replace(str(sheet.household), other), staff)
        assert hidden.text == nowhere.text.replace(other, str(sheet.household)), "nothing tells it from a household that does not exist"
        for answer in (await sheet.desk.get(one, staff), await sheet.desk.get(sheet.path, staff), await sheet.send(png(), staff=staff)):
            assert (answer.status_code, PHRASE in answer.text) == (404, False)
    assert (await sheet.desk.get(one, OFFICER)).content == pdf(PHRASE)
    assert (await sheet.send(png(), staff=OFFICER)).status_code == 303


async def test_broken_glass_reads_a_scan_and_adds_none(sheet: Sheet) -> None:
    await sheet.send(pdf(PHRASE))
    await happens(sheet, PROTECT, BREAK)
    assert (await sheet.desk.get(await sheet.only(), COORDINATOR)).content == pdf(PHRASE)
    page = await sheet.desk.get(sheet.path, COORDINATOR)
    assert (page.status_code, 'type="file"' in page.text) == (200, False)
    assert (await sheet.send(png(), staff=COORDINATOR)).status_code == 403


async def test_a_file_name_leaves_no_trace_and_the_paper_stands_in_one_table(sheet: Sheet, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await sheet.send(pdf(PHRASE))
        await sheet.send(HTML)
        await sheet.desk.get(await sheet.only())
        await sheet.desk.get(sheet.path)
    found = await found_in(sheet.desk.db, ["長男同席", "同意書（", PHRASE])
    assert found == {"consent_scan": {PHRASE}}
    said = await sheet.desk.payloads()
    assert not [word for word in ("長男同席", PHRASE, "consent_scan", "%PDF") if word in said + caplog.text]


async def test_what_others_hear_of_a_consent_does_not_change_with_a_scan(sheet: Sheet) -> None:
    before = len(await sheet.desk.said())
    await sheet.send(pdf())
    assert len(await sheet.desk.said()) == before


async def test_the_scan_goes_with_the_household_and_is_counted_before(sheet: Sheet) -> None:
    await sheet.send(pdf(PHRASE), png())
    await happens(sheet, text("update referral set status = 'accepted' where household_id = :home"))
    page = f"/intake/retention/households/{sheet.household}"
    shown = (await sheet.desk.get(page, MANAGER)).text
    assert "<dt>同意書の写し</dt><dd>2 件</dd>" in shown
    seen = shown.split('name="seen" value="')[1].split('"')[0]
    await sheet.send(jpeg())
    form = {"reason": EraseReason.REQUEST.value, "sure": "1", "seen": seen}
    assert (await sheet.desk.post(f"{page}/erase", form, MANAGER)).status_code == 409, "somebody added one after the look"
    again = (await sheet.desk.get(page, MANAGER)).text.split('name="seen" value="')[1].split('"')[0]
    assert (await sheet.desk.post(f"{page}/erase", form | {"seen": again}, MANAGER)).status_code == 303
    assert await sheet.kept() == []
    assert await found_in(sheet.desk.db, [PHRASE]) == {}
    assert (await sheet.send(pdf())).status_code == 404


async def test_a_withdrawn_consent_still_shows_its_paper(sheet: Sheet) -> None:
    await sheet.send(pdf())
    (row,) = await sheet.desk.rows("select member_id from consent where id = :id", id=sheet.consent)
    form = {"withdrawal_id": str(uuid4()), "member_id": str(row.member_id), "scope": "all", "reason": "person_asked"}
    assert (await sheet.desk.post(sheet.consents + "/withdraw", form)).status_code == 303
    page = (await sheet.desk.get(sheet.consents)).text
    assert f"{sheet.consent}/scans" in page
    assert "写しなし" not in page


async def test_the_city_may_set_another_size(sheet: Sheet, tmp_path: Any) -> None:
    (tmp_path / "intake.yaml").write_text('consent.scan_bytes: [{value: 100, unit: bytes, from: 2020-01-01, source: "架空市"}]', encoding="utf-8")
    sheet.desk.app.state.settings = sheet.desk.settings.model_copy(update={"city_parameters": tmp_path})
    assert (await sheet.send(pdf("長" * 100))).status_code == 422
