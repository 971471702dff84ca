"""The canary's way through every flow of every desk, as people really type: with mistakes, twice, and where they have no right to be."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from httpx2 import ASGITransport, AsyncClient, Response

from shared.runtime.auth import Staff
from shared.runtime.testing import eventually, signed_cookies
from tests.intake.papers import pdf
from tests.journeys.conftest import Town
from tests.rights.canary_clues import Canary
from tests.rights.canary_places import Seen

RECEPTION = Staff("r1", "試験 受付", frozenset({"reception"}))
ELDERLY = Staff("e1", "試験 高齢", frozenset({"caseworker"}), frozenset({"elderly"}))
POVERTY = Staff("p1", "試験 暮子", frozenset({"caseworker"}), frozenset({"poverty"}))
CENTER = Staff("c1", "試験 調整", frozenset({"coordinator"}))
OUTREACH = Staff("o1", "試験 訪問", frozenset({"outreach"}))
OFFICER = Staff("h1", "試験 保護", frozenset({"dv_officer"}))
MANAGER = Staff("m1", "試験 管理", frozenset({"manager"}))
NIGHT = Staff("n1", "試験 夜勤", frozenset({"caseworker"}), frozenset({"children"}))
SAVED, GONE, AGAIN = {200, 201, 204, 303}, {403, 404}, {422}


@dataclass
class Journey:
    town: Town
    canary: Canary
    seen: list[Seen] = field(default_factory=list)
    household: UUID = field(default_factory=uuid4)
    consultation: UUID = field(default_factory=uuid4)

    async def ask(
        self, method: str, unit: str, path: str, staff: Staff | None, expect: set[int], form: dict[str, Any] | None = None, *,
        files: list[Any] | None = None, part: bool = False, typed: bool = False, own: bool = True, accept: str = "text/html", **headers: str,
    ) -> Response:  # fmt: skip
        """One request, remembered; `files` with their names. `own=False`: the answer must not show the person, whatever its status."""
        given = {"accept": accept, "sec-fetch-site": "same-origin"} | (signed_cookies(staff, self.town.settings[unit]) if staff else {})
        given |= {"hx-request": "true"} if part else {}
        transport = ASGITransport(self.town.apps[unit], raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            given |= {k.replace("_", "-"): v for k, v in headers.items()}
            answer = await client.request(method, path, data=form, files=files, headers=given)
        assert answer.status_code in expect, (method, unit, path, answer.status_code, answer.text[-3000:])
        self.seen.append(Seen(unit, answer, typed, own and answer.status_code in {*SAVED, 409, 422}))
        return answer

    async def get(self, unit: str, path: str, staff: Staff, expect: set[int] = SAVED, **given: Any) -> Response:
        return await self.ask("GET", unit, path, staff, expect, **given)

    async def post(self, unit: str, path: str, staff: Staff, form: dict[str, Any], expect: set[int] = SAVED, **given: Any) -> Response:
        return await self.ask("POST", unit, path, staff, expect, form, **given)

    async def one(self, unit: str, sql: str, **values: Any) -> Any:
        """The one row that will be there."""
        (row,) = await eventually(lambda: self.town.rows(unit, sql, **values), timeout=60)
        return row

    @property
    def home(self) -> str:
        return f"/intake/households/{self.household}"

    @property
    def record(self) -> str:
        return f"/intake/consultations/{self.consultation}"

    def sheet(self, **more: Any) -> dict[str, Any]:
        who = self.canary
        return {
            "form_key": str(uuid4()), "route": "3", "role": "head", "name": who.name, "kana": who.kana, "birth": who.born, "area": "SHUZENJI",
            "town": f"{who.town}9001", "phone": who.phone, "text": who.sentence("母の話"), "topics": ["12", "13"], "urgency": "C",
            "consent": "given", "visitor_name": f"{who.visitor} 洋", "visitor_relation": who.sentence("いとこ")[:20],
            "visitor_phone": who.visitor_phone, "member-0-role": "child", "member-0-name": f"{who.family} 長太郎",
            "member-0-kana": f"{who.family_kana} チョウタロウ", "member-0-birth": "S48.5.5",
        } | more  # fmt: skip

    # ── 受付

    async def consulted(self, *refer_to: str) -> None:
        form = self.sheet(refer_to=list(refer_to))
        await self.post("intake", "/intake/_part/draft", RECEPTION, form, part=True)
        await self.post("intake", "/intake/new", RECEPTION, form)
        row = await self.one("intake", "select id, household_id from consultation where form_key = :key", key=UUID(form["form_key"]))
        self.consultation, self.household = row.id, row.household_id
        assert (await self.post("intake", "/intake/new", RECEPTION, form)).status_code == 200, "twice is once"

    async def mistaken_at_the_reception(self) -> None:
        who = self.canary
        wrong = self.sheet(birth=f"{who.born}ごろ {who.name}", urgency=who.name, topics=[who.mark], consent=who.phone, household_id=who.name)
        for accept in ("text/html", "application/json"):
            await self.post("intake", "/intake/new", RECEPTION, wrong, AGAIN, accept=accept)
        kept = self.sheet()
        await self.post("intake", "/intake/_part/draft", RECEPTION, kept, part=True)
        await self.post("intake", "/intake/_part/candidates", RECEPTION, kept, part=True)
        await self.post("intake", "/intake/_part/candidates", RECEPTION, kept | {"link": str(self.household)}, part=True)
        await self.get("intake", f"/intake/new?draft={kept['form_key']}", RECEPTION)
        await self.get("intake", "/intake/", RECEPTION)
        gone = self.sheet()
        await self.post("intake", "/intake/_part/draft", RECEPTION, gone, part=True)
        await self.post("intake", f"/intake/drafts/{gone['form_key']}/discard", RECEPTION, {})

    async def looked_up(self) -> None:
        who = self.canary
        for clue in (
            {"kana": who.family_kana},
            {"name": who.family},
            {"phone": who.phone},
            {"birth": who.born},
            {"name": who.name, "kana": who.kana},
        ):
            page = await self.post("intake", "/intake/households", RECEPTION, clue)
            assert who.family in page.text
        await self.post("intake", "/intake/households", RECEPTION, {"birth": f"{who.born}ごろ", "kana": who.name}, AGAIN)

    async def corrected(self) -> None:
        who = self.canary
        form = {"text": who.sentence("訂正"), "topics": ["12"], "urgency": "C", "consent": "given", "version": "1"}
        await self.get("intake", self.record, RECEPTION)
        await self.post("intake", f"{self.record}/correct", RECEPTION, form)
        await self.post("intake", f"{self.record}/correct", RECEPTION, form | {"text": who.sentence("後の訂正")}, {409})
        await self.post("intake", f"{self.record}/correct", RECEPTION, form | {"urgency": who.name, "topics": [who.mark]}, AGAIN)
        await self.post("intake", f"{self.record}/correct", RECEPTION, form | {"text": who.sentence("後"), "version": "1"}, {409}, accept="*/*")
        await self.post("intake", f"{self.record}/referrals", RECEPTION, {"refer_to": [who.name]}, {404, 409, 422}, accept="*/*")

    async def household_corrected(self) -> None:
        who = self.canary
        member = await self.one("intake", "select id, version from member where household_id = :h and role = 'head'", h=self.household)
        son = await self.one("intake", "select id from member where household_id = :h and role = 'child'", h=self.household)
        path, form = f"{self.home}/members/{member.id}", {"name": who.name, "kana": who.kana, "birth": who.born, "role": "head", "phone": who.phone}
        await self.get("intake", self.home, RECEPTION)
        await self.get("intake", f"/intake/_part/household/{self.household}/header", MANAGER, part=True)
        await self.get("intake", path, RECEPTION)
        await self.post("intake", path, RECEPTION, form | {"version": str(member.version), "sex": "2"})
        await self.post("intake", path, RECEPTION, form | {"version": str(member.version), "sex": "1"}, {409})
        await self.post("intake", path, RECEPTION, form | {"birth": who.name, "version": "9"}, AGAIN)
        await self.post("intake", f"{self.home}/members", RECEPTION, {"name": who.name, "birth": f"{who.phone}歳"}, AGAIN)
        await self.post("intake", f"{self.home}/members", RECEPTION, {"name": f"{who.family} 末子", "kana": who.kana, "role": "child"})
        await self.post(
            "intake", f"{self.home}/members/{son.id}/leave", RECEPTION, {"reason": "moved_out", "effective_on": who.name}, AGAIN, own=False
        )
        await self.post("intake", f"{self.home}/members/{son.id}/leave", RECEPTION, {"reason": "moved_out", "effective_on": "今日"})

    async def withdrawn(self) -> None:
        who, form = self.canary, {"reason": "person_asked", "note": self.canary.sentence("取り消す事情")}
        await self.post("intake", f"{self.record}/withdraw", RECEPTION, {"reason": who.name, "note": who.mark}, AGAIN, own=False)
        await self.post("intake", f"{self.record}/withdraw", RECEPTION, form)
        await self.post("intake", f"{self.record}/withdraw", RECEPTION, form, {409}, own=False)

    # ── 同意書

    async def signed(self) -> None:
        """署名のある紙: 氏名は紙の中にも、ファイルの名前にもある。付ける、断られる、見る、付けまちがえて二人で取り消す。"""
        who = self.canary
        head = await self.one("intake", "select id from member where household_id = :h and role = 'head'", h=self.household)
        form = {
            "consent_id": str(uuid4()), "member_id": str(head.id), "purposes": ["consultation", "outreach"], "form": "written", "given_by": "self",
            "recipients": ["cases-elderly", "outreach"], "explained_by": "試験 受付", "obtained_on": "今日", "valid_to": "",
        }  # fmt: skip
        await self.post("intake", f"{self.home}/consents", RECEPTION, form | {"valid_to": who.name, "explained_by": who.phone}, AGAIN)
        await self.post("intake", f"{self.home}/consents", RECEPTION, form)
        scans = f"{self.home}/consents/{form['consent_id']}/scans"
        paper, name = pdf(f"{who.name} {who.kana} {who.phone} {who.sentence('同意')}"), f"{who.name}さんの同意書（{who.mark}）.pdf"
        await self._sent(scans, (name, paper), {303})
        await self._sent(scans, (name, f"<html>{who.name}".encode()), AGAIN)
        await self._sent(scans, (name, paper), {400}, content_type="multipart/form-data")
        await self._sent(scans, (name, paper), {403}, staff=ELDERLY)
        await self.get("intake", scans, RECEPTION)
        scan = await self.one("intake", "select id from consent_scan where household_id = :h", h=self.household)
        assert who.name.encode() in (await self.get("intake", f"{scans}/{scan.id}", CENTER)).content
        await self.get("intake", f"{scans}/{scan.id}", ELDERLY, GONE, own=False)
        await self.post("intake", f"{scans}/removals", RECEPTION, {"scan_id": who.name, "reason": who.mark}, AGAIN)
        await self._sent(scans, (name, paper + b"%wrong"), {303})
        wrong = await self.one("intake", "select id from consent_scan where household_id = :h and id <> :s", h=self.household, s=scan.id)
        await self.post("intake", f"{scans}/removals", RECEPTION, {"scan_id": str(wrong.id), "reason": "wrong_person"})
        row = await self.one("intake", "select id from consent_scan_removal where scan_id = :s", s=wrong.id)
        assert who.name in (await self.get("intake", "/intake/scan-removals", MANAGER)).text
        await self.post("intake", f"/intake/scan-removals/{row.id}/confirm", RECEPTION, {}, {403}, own=False)
        await self.post("intake", f"/intake/scan-removals/{row.id}/confirm", MANAGER, {})
        await self.post("intake", f"/intake/scan-removals/{row.id}/confirm", MANAGER, {}, {409}, own=False)
        await self.get("intake", f"{scans}/{wrong.id}", RECEPTION, {404}, own=False)
        await self.get("intake", scans, RECEPTION)

    async def _sent(self, scans: str, file: tuple[str, bytes], expect: set[int], *, staff: Staff = RECEPTION, **headers: str) -> None:
        name, content = file
        own = staff is RECEPTION and 400 not in expect
        await self.ask("POST", "intake", scans, staff, expect, files=[("scan", (name, content, "application/pdf"))], own=own, **headers)

    # ── 窓口

    async def arrived(self, unit: str) -> tuple[str, int]:
        """The referral as the desk has it: its id and version."""
        row = await self.one(unit, "select referral_id, version from referral where household_id = :h", h=self.household)
        return str(row.referral_id), row.version

    async def told(self, unit: str) -> None:
        await self.one(unit, "select count(*) from identity where household_id = :h having count(*) > 0", h=self.household)

    async def worked_at_the_desk(self) -> str:
        """高齢の窓口: 保留、受理、経過、事実、段階、訂正、二人目の人。"""
        unit, base, who = "cases-elderly", "/d/elderly", self.canary
        referral, version = await self.arrived(unit)
        await self.told(unit)
        await self.get(unit, f"{base}/referrals", ELDERLY)
        await self.post(unit, f"{base}/referrals/{referral}/hold", ELDERLY, {"version": str(version)})
        answer = await self.post(unit, f"{base}/referrals/{referral}/accept", ELDERLY, {"version": str(version + 1)})
        await self.post(unit, f"{base}/referrals/{referral}/accept", ELDERLY, {"version": "1"}, {303, 409}, own=False)
        case = str(answer.headers["location"])
        assert who.name in (await self.get(unit, case, ELDERLY)).text
        await self._noted(unit, case)
        await self._facts(unit, case)
        for path in ("/", "/?tab=team", f"/cases/{case.rsplit('/', 1)[1]}?tab=facts"):
            await self.get(unit, base + path, ELDERLY)
        for staff in (POVERTY, NIGHT, OUTREACH):
            await self.get(unit, case, staff, GONE, own=False)
            await self.post(unit, f"{case}/notes", staff, {"shared": who.sentence("他人の記録")}, GONE, own=False)
        return case

    async def _noted(self, unit: str, case: str) -> None:
        who, note = self.canary, str(uuid4())
        form = {
            "note_id": note, "method": "phone", "partner": who.visitor, "shared": who.sentence("共有"), "private": who.sentence("所見"),
            "minutes": "15", "next_action": who.sentence("次")[:60], "next_due": "+3",
        }  # fmt: skip
        await self.post(unit, f"{case}/notes", ELDERLY, form)
        await self.post(unit, f"{case}/notes", ELDERLY, form | {"note_id": str(uuid4()), "corrects": note, "shared": who.sentence("直した")})
        await self.post(unit, f"{case}/notes", ELDERLY, form | {"note_id": str(uuid4()), "corrects": note}, {409}, own=False)
        await self.post(unit, f"{case}/notes", ELDERLY, form | {"note_id": str(uuid4()), "minutes": who.phone, "happened_on": who.name}, AGAIN)
        await self.post(unit, f"{case}/notes", ELDERLY, form | {"note_id": who.name, "method": who.name}, AGAIN)

    async def _facts(self, unit: str, case: str) -> None:
        who = self.canary
        head = await self.one("intake", "select id from member where household_id = :h and role = 'head'", h=self.household)
        form = {"as_of": "今日", "confidence": "confirmed", "legal_basis": "INTERNAL_69_2_2", "evidence": who.sentence("証の控え")}
        known = {"fact_id": str(uuid4()), "kind": "care_level", "value": "care2", "member_id": str(head.id)}
        concern = {"fact_id": str(uuid4()), "kind": "child_concern", "value": "yes", "member_id": "household"}
        await self.post(unit, f"{case}/facts", ELDERLY, form | known)
        await self.post(unit, f"{case}/facts", ELDERLY, form | concern)
        await self.post(unit, f"{case}/facts", ELDERLY, form | known | {"fact_id": str(uuid4()), "value": who.name, "since": who.name}, AGAIN)
        await self.post(unit, f"{case}/facts", ELDERLY, form | known | {"fact_id": str(uuid4()), "kind": who.mark}, AGAIN)
        await self.post(unit, f"{case}/facts/{concern['fact_id']}/retract", ELDERLY, {})

    async def approved(self, case: str) -> None:
        """本人の利益による提供: 求める、取り下げる、承認されない、承認される。書いたわけと一言は、窓口の中だけに残る。"""
        unit, who, part = "cases-elderly", self.canary, {"legal_basis": "BENEFIT_69_2_4", "harm_checked": "1"}
        head = await self.one("intake", "select id from member where household_id = :h and role = 'head'", h=self.household)
        words = {"evidence": who.sentence("見た紙"), "harm_note": who.sentence("おそれ"), "why_not_asked": who.sentence("聞けないわけ")}
        fact = {"kind": "dementia", "value": "diagnosed", "member_id": str(head.id), "as_of": "今日", "confidence": "confirmed"} | part | words
        await self.post(unit, f"{case}/facts", ELDERLY, fact | {"fact_id": str(uuid4()), "why_not_asked": ""}, AGAIN)
        ids = [str(uuid4()) for _ in range(3)]
        for one in ids:
            await self.post(unit, f"{case}/facts", ELDERLY, fact | {"fact_id": one})
        await self.post(unit, f"{case}/approvals/{ids[0]}/withdraw", ELDERLY, {})
        assert who.mark in (await self.get(unit, "/d/elderly/approvals", MANAGER)).text
        assert who.family not in (await self.get(unit, "/d/elderly/approvals", MANAGER, part=True)).text
        base = f"/d/elderly/approvals/{ids[1]}"
        await self.post(unit, f"{base}/decline", MANAGER, {"reason": who.name, "words": who.sentence("一言")}, AGAIN, part=True)
        await self.post(unit, f"{base}/decline", MANAGER, {"reason": "tell_less", "words": who.sentence("一言")})
        await self.post(unit, f"{base}/approve", MANAGER, {}, {409}, own=False)
        await self.post(unit, f"/d/elderly/approvals/{ids[2]}/approve", ELDERLY, {}, GONE, own=False)
        await self.post(unit, f"/d/elderly/approvals/{ids[2]}/approve", MANAGER, {})
        await self.get(unit, case, ELDERLY)

    async def closed(self, case: str) -> None:
        unit, row = "cases-elderly", await self.one("cases-elderly", "select version from case_file where household_id = :h", h=self.household)
        version, who = row.version, self.canary
        await self.post(unit, f"{case}/state", ELDERLY, {"version": str(version), "state": who.name, "watch_on": who.name}, AGAIN)
        await self.post(unit, f"{case}/state", ELDERLY, {"version": str(version), "state": "SCREENED"})
        await self.post(unit, f"{case}/take", ELDERLY, {"version": str(version)}, {409}, own=False)
        await self.post(unit, f"{case}/close", ELDERLY, {"version": str(version + 1), "close_reason": who.name}, {409, 422})
        await self.post(unit, f"{case}/close", ELDERLY, {"version": str(version + 1), "close_reason": "3"})
        await self.post(
            unit, f"{case}/notes", ELDERLY, {"note_id": str(uuid4()), "method": "phone", "shared": who.sentence("遅い")}, {409}, own=False
        )

    async def declined_at_another_desk(self) -> None:
        unit, base, who = "cases-poverty", "/d/poverty", self.canary
        referral, version = await self.arrived(unit)
        await self.told(unit)
        await self.get(unit, f"{base}/", POVERTY)
        await self.post(unit, f"{base}/referrals/{referral}/decline", POVERTY, {"version": str(version), "reason": who.name}, AGAIN, own=False)
        await self.post(unit, f"{base}/referrals/{referral}/decline", POVERTY, {"version": str(version), "reason": "not_ours"})
        await self.post(unit, f"{base}/referrals/{referral}/accept", POVERTY, {"version": str(version)}, {409}, own=False)

    async def at_the_center(self) -> None:
        unit, base = "cases-center", "/center"
        referral, version = await self.arrived(unit)
        await self.told(unit)
        await self.get(unit, f"{base}/", CENTER)
        await self.get(unit, f"{base}/meetings", CENTER)
        await self.post(unit, f"{base}/referrals/{referral}/accept", CENTER, {"version": str(version)})

    async def watched(self) -> str:
        unit, base, who = "outreach", "/outreach", self.canary
        referral, version = await self.arrived(unit)
        await self.told(unit)
        head = await self.one(unit, "select member_id from member where household_id = :h and role = 'head'", h=self.household)
        plan = {"version": str(version), "plan_id": str(uuid4()), "member_id": str(head.member_id), "tier": "B"}
        await self.get(unit, f"{base}/referrals/{referral}/plan", OUTREACH)
        await self.post(unit, f"{base}/referrals/{referral}/accept", OUTREACH, plan | {"tier": who.name, "member_id": who.name}, AGAIN)
        watch = str((await self.post(unit, f"{base}/referrals/{referral}/accept", OUTREACH, plan)).headers["location"])
        seen = {"check_in_id": str(uuid4()), "outcome": "met", "memo": who.sentence("玄関先")}
        assert who.name in (await self.get(unit, watch, OUTREACH)).text
        await self.post(unit, f"{watch}/check-ins", OUTREACH, seen | {"version": "1"})
        await self.post(unit, f"{watch}/check-ins", OUTREACH, seen | {"check_in_id": str(uuid4()), "version": "1"}, {409}, own=False)
        late = seen | {"check_in_id": str(uuid4()), "version": "2", "on": who.name, "clock": who.family, "outcome": who.mark}
        await self.post(unit, f"{watch}/check-ins", OUTREACH, late, AGAIN)
        await self.post(unit, f"{watch}/tier", OUTREACH, {"version": "2", "tier": "C"})
        wrong = {"fact_id": str(uuid4()), "consent_of": str(head.member_id), "word": who.name, "heard_on": who.family}
        await self.post(unit, f"{watch}/consent", OUTREACH, wrong, AGAIN)
        await self.post(unit, f"{watch}/consent", OUTREACH, wrong | {"fact_id": who.name, "consent_of": who.mark}, AGAIN)
        await self.post(unit, f"{watch}/ask", OUTREACH, {})
        await self.get(unit, f"{base}/watch", OUTREACH)
        await self.get(unit, watch, POVERTY, GONE, own=False)
        return watch

    async def watch_ended(self, watch: str) -> None:
        await self.post("outreach", f"{watch}/end", OUTREACH, {"version": "3", "reason": ""}, AGAIN)
        await self.post("outreach", f"{watch}/end", OUTREACH, {"version": "3", "reason": self.canary.sentence("終える理由")})
        await self.post("outreach", f"{watch}/tier", OUTREACH, {"version": "4", "tier": "A"}, {409}, own=False)

    async def at_the_inbox(self) -> None:
        """気づき: どの頁にも人は出ない。"""
        alert = await self.one("notify", "select id from alert where household_id = :h order by rule_id limit 1", h=self.household)
        page = f"/inbox/alerts/{alert.id}"
        for path in ("/", "/inbox", page, f"{page}/calls"):
            await self.get("notify", path, CENTER)
        await self.get("notify", f"/_part/household/{self.household}/alerts", ELDERLY, part=True)
        for form in ({"revision": "1", "reason": self.canary.name}, {"revision": self.canary.name}):
            for part in (True, False):
                await self.post("notify", f"{page}/dismiss", CENTER, form, {409, 422}, part=part)
        await self.get("notify", f"/inbox/alerts/{uuid4()}", CENTER, {404})

    # ── 保護・緊急閲覧

    async def guarded(self) -> None:
        who = self.canary
        member = await self.one("intake", "select id from member where household_id = :h and role = 'head'", h=self.household)
        form = {
            "member_id": str(member.id), "kind": "shien_sochi", "since": "今日", "send_to": f"{who.town}気付", "restrictions": ["no_phone"],
            "note": who.sentence("相手方"),
        }  # fmt: skip
        await self.get("intake", f"{self.home}/protection", RECEPTION)
        await self.post("intake", f"{self.home}/protection", RECEPTION, form | {"kind": who.name, "since": who.name}, AGAIN)
        await self.post("intake", f"{self.home}/protection", RECEPTION, form)
        await self.get("intake", "/intake/protection/declared", RECEPTION)
        await self._hidden()
        await self.get("intake", "/intake/protections", OFFICER)
        one = await self.one("intake", "select protection_id from protection_note where household_id = :h", h=self.household)
        path = f"/intake/protections/{one.protection_id}"
        await self.post("intake", f"{path}/renew", OFFICER, {"expires_on": who.name, "version": "1"}, AGAIN, own=False)
        await self.post("intake", f"{path}/renew", OFFICER, {"expires_on": "+300", "version": "1"})
        await self.post("intake", f"{path}/renew", OFFICER, {"expires_on": "+301", "version": "1"}, {409}, own=False)
        await self.post("intake", f"{self.home}/conflicts", OFFICER, {"staff": who.name, "kind": "relative"}, AGAIN)
        await self.post("intake", f"{self.home}/conflicts", OFFICER, {"staff": NIGHT.sub, "kind": "relative"})
        await self._hidden(NIGHT)
        await self._glass()
        conflict = await self.one("intake", "select conflict_id from conflict where household_id = :h", h=self.household)
        await self.post("intake", f"{self.home}/conflicts/{conflict.conflict_id}/clear", OFFICER, {})
        await self.post("intake", f"{path}/lift", OFFICER, {"reason": "", "version": "2"}, AGAIN, own=False)
        await self.post("intake", f"{path}/lift", OFFICER, {"reason": who.sentence("終える理由"), "version": "2"})

    async def _hidden(self, *more: Staff) -> None:
        for staff in (RECEPTION, CENTER, *more):
            for path in (self.home, self.record, f"{self.home}/protection"):
                await self.get("intake", path, staff, GONE, own=False)
            await self.get("intake", f"/intake/_part/household/{self.household}/header", staff, GONE, part=True, own=False)

    async def _glass(self) -> None:
        who, form = self.canary, {"number": str(self.household), "reason": "life", "note": self.canary.sentence("開く事情")}
        await self.post("intake", "/intake/glass", POVERTY, form | {"reason": who.name}, AGAIN)
        await self.post("intake", "/intake/glass", POVERTY, form | {"number": who.name})
        await self.post("intake", "/intake/glass", POVERTY, form)
        await self.get("intake", "/intake/glass", POVERTY)
        await self.get("intake", "/intake/glass/waiting", OFFICER)
        sql = "select access_id from glass_request where note = :note and known = :known"
        real, unreal = [await self.one("intake", sql, note=form["note"], known=known) for known in (True, False)]
        await self.post("intake", f"/intake/glass/{unreal.access_id}/refuse", OFFICER, {})
        await self.post("intake", f"/intake/glass/{real.access_id}/witness", OFFICER, {})
        await self.post("intake", f"/intake/glass/{real.access_id}/witness", OFFICER, {}, {409}, own=False)
        await self.get("intake", self.home, POVERTY)
        await self.get("intake", "/intake/glass/reviews", MANAGER)
        await self.post("intake", f"/intake/glass/{real.access_id}/review", MANAGER, {"verdict": who.name}, AGAIN, own=False)
        await self.post("intake", f"/intake/glass/{real.access_id}/review", MANAGER, {"verdict": "justified"})

    # ── 閲覧の記録

    async def audited(self) -> None:
        """監査は番号と区分だけ: だれの頁にも、たずねる便りにも答えにも、人は出ない。"""
        unit, form = "cases-center", {"why": "breach", "first": "-90", "last": "今日", "actor": ""}
        await self.get(unit, "/center/seen", MANAGER)
        for path in ("/center/seen", "/center/seen/breach"):
            assert "ケースを見た" in (await self.post(unit, path, MANAGER, form | {"about": str(self.household)})).text
            await self.post(unit, path, MANAGER, form | {"about": self.canary.name, "actor": self.canary.family}, AGAIN, typed=True)
        await self.get(unit, "/center/seen/unusual", MANAGER)
        await self.post(unit, "/center/seen", ELDERLY, form | {"about": str(self.household)}, {403}, own=False)

    # ── うまくいかないとき

    async def typed_into_addresses(self) -> None:
        """氏名をアドレス欄に打つ人がいる。返るのはその人の画面だけで、記録にも足あとにも残らない。"""
        said = quote(self.canary.name)
        for unit, base in (("intake", "/intake"), ("cases-elderly", "/d/elderly"), ("outreach", "/outreach"), ("notify", "/inbox")):
            staff = {"intake": RECEPTION, "cases-elderly": ELDERLY, "outreach": OUTREACH}.get(unit, CENTER)
            for path in (f"{base}/households/{said}", f"{base}/cases/{said}", f"{base}/{said}?q={said}", f"{base}/?page={said}&tab={said}"):
                for accept in ("text/html", "application/json"):
                    await self.get(unit, path, staff, {*SAVED, 307, 404, 422}, typed=True, accept=accept)
                await self.ask("GET", unit, path, None, {303, 307, 404, 422}, typed=True)
        await self.get("intake", f"/intake/?since={said}&until={quote(self.canary.town)}", RECEPTION, typed=True)

    async def refused(self) -> None:
        who, form = self.canary, self.sheet()
        await self.ask("POST", "intake", "/intake/new", None, {303, 401}, form, own=False)
        await self.ask("POST", "intake", "/intake/_part/draft", None, {401}, form, part=True, own=False)
        await self.ask("POST", "intake", "/intake/new", RECEPTION, {403}, form, sec_fetch_site="cross-site", own=False)
        await self.ask("DELETE", "intake", self.home, RECEPTION, {405}, own=False)
        await self.post("intake", "/intake/new", RECEPTION, form | {"text": who.sentence("長い話") * 60_000}, {413}, own=False)
        await self.post("intake", "/intake/new", ELDERLY, form, {403}, own=False)
        await self.get("intake", f"/intake/households/{uuid4()}", RECEPTION, {404}, own=False)

    async def failed(self, expect: int) -> None:
        """A bug, or a database that is away, in the middle of what was typed."""
        for accept in ("text/html", "application/json"):
            await self.post("intake", "/intake/new", RECEPTION, self.sheet(), {expect}, own=False, accept=accept)
            await self.post("intake", "/intake/_part/draft", RECEPTION, self.sheet(), {expect}, own=False, part=True, accept=accept)
            await self.post("intake", "/intake/households", RECEPTION, {"name": self.canary.name}, {expect}, own=False, accept=accept)
