"""保存期間の画面: 二段の消去、停止、受領、同意のない相談。消したあと、受付のどの表にも身元は残らない。"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.intake import erasure
from services.intake.disclosure_store import grounds
from services.intake.erasure import with_retention
from services.intake.handlers import _answer
from services.intake.handlers import handlers as plain_handlers
from shared.contracts.case import CaseClosed, CaseOpened, CaseState
from shared.contracts.disclosure import DisclosureRequest, Refused
from shared.contracts.event import CaseId, HouseholdId, LegalBasis
from shared.contracts.receipt import ErasureReceived
from shared.contracts.visit import WatchEnded, WatchPlanned, WatchTier
from shared.messaging import Envelope
from shared.runtime import erasure as erasures
from shared.runtime.retention import periods_on
from tests.erasing import found_in, is_declared
from tests.intake.conftest import CASEWORKER, COORDINATOR, MANAGER, RECEPTION, Desk

NAME, KANA, PHONE, TOWN = "消残 ユリ", "ケシノコリ ユリ", "0558-00-7777", "幻町九丁目"
TEXT, EARLIER, VISITOR = "（架空）庭に赤い三輪車がある。", "（架空）はじめに書いた緑の三輪車。", "訪問 者子"
KEYS = ("ケシノコリ", "消残", "0558007777", "ケシノコリユリ")
WORDS = (NAME, KANA, PHONE, TOWN, TEXT, EARLIER, VISITOR, *KEYS)
HANDLERS = with_retention(plain_handlers, None)
LONG_AGO = 365 * 7


@dataclass
class Home:
    desk: Desk
    id: UUID
    consultation: UUID
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def page(self) -> str:
        return f"/intake/retention/households/{self.id}"

    async def words(self) -> set[str]:
        return set().union(*(await found_in(self.desk.db, WORDS)).values())

    async def tables(self) -> set[str]:
        return {name for name in await found_in(self.desk.db, [str(self.id)]) if not is_declared("intake", name)}

    async def hears(self, event: Any, source: str) -> None:
        now = datetime.now(UTC)
        envelope = Envelope(uuid4(), event.type_name(), source, event.household_id, now, now, event.channel, 1, uuid4())
        async with self.desk.db.transaction() as tx:
            for handler in HANDLERS.events[event.type_name()]:
                await handler(tx, event, envelope)

    async def seen(self) -> str:
        async with self.desk.db.read() as rd:
            return (await erasure.erasure_store.contents(rd, self.id)).mark

    async def erase(self, reason: str = "period_ended", **more: Any) -> Any:
        return await self.desk.post(f"{self.page}/erase", {"reason": reason, "sure": "1", "seen": await self.seen(), **more}, MANAGER)

    async def ages(self, days: int = LONG_AGO) -> "Home":
        """Lets everything have happened so many days earlier."""
        async with self.desk.db.transaction() as tx:
            for statement in (
                "update household set registered_at = registered_at - make_interval(days => :days)",
                "update consultation set received_at = received_at - make_interval(days => :days), "
                "received_on = received_on - cast(:days as integer), changed_at = changed_at - make_interval(days => :days)",
                "update referral set made_on = made_on - cast(:days as integer), answered_on = answered_on - cast(:days as integer)",
                "update involved set since = since - cast(:days as integer), until = until - cast(:days as integer)",
            ):
                await tx.execute(text(statement), {"days": days})
        return self


async def a_home(desk: Desk, **more: Any) -> Home:
    """相談・訂正・別人の決定・下書き・つなぎのある世帯。"""
    given = {"name": NAME, "kana": KANA, "phone": PHONE, "town": TOWN, "text": EARLIER, "visitor_name": VISITOR, "visitor_relation": "姉"}
    consultation = await desk.take(**given | more)
    (row,) = await desk.rows("select household_id from consultation where id = :id", id=consultation)
    async with desk.db.transaction() as tx:
        about = {"id": consultation, "home": row.household_id, "text": TEXT, "old": EARLIER, "name": NAME, "kana": KANA}
        for statement in (
            """insert into consultation_history (consultation_id, version, replaced_at, written_by_name, text, topics, urgency, consent, supports)
            values (:id, 1, now(), '試験 受付', :old, '{}', 'C', 'not_asked', '{}')""",
            """update consultation set text = :text, version = 2, changed_at = received_at, changed_by = 'r1', changed_by_name = '試験 受付'
            where id = :id""",
            """insert into draft (form_key, owner, content, started_at, saved_at) values (gen_random_uuid(), 'r1',
            jsonb_build_object('name', jsonb_build_array(cast(:name as text)), 'kana', jsonb_build_array(cast(:kana as text))), now(), now())""",
        ):
            await tx.execute(text(statement), about)
    return Home(desk, row.household_id, consultation, {"household_id": row.household_id, "legal_basis": LegalBasis.INTERNAL_69_2_2})


@pytest.fixture
async def home(desk: Desk) -> Home:
    return await (await a_home(desk)).ages()


async def test_the_first_step_shows_what_goes_and_changes_nothing(home: Home) -> None:
    page = await home.desk.get(home.page, MANAGER)
    assert page.status_code == 200
    assert "まだ何も消えていません" in page.text
    assert not any(word in page.text for word in WORDS), "ids and counts only"
    assert await home.words() == set(WORDS)
    assert [row.purpose for row in await home.desk.rows("select purpose from audit where action = 'view' and actor = 'm1'")] == ["retention"]


async def test_the_second_step_leaves_no_trace_of_who_it_was(home: Home) -> None:
    answer = await home.erase()
    assert answer.status_code == 303, answer.text
    assert await home.words() == set()
    assert await home.tables() == set()
    (said,) = [event for event in await home.desk.said() if event.name == "household_erased"]
    assert (said.household_id, said.legal_basis) == (home.id, LegalBasis.INTERNAL_69_2_2)
    (row,) = await home.desk.rows("select actor, purpose, household_id from audit where action = 'erase'")
    assert (row.actor, row.purpose, row.household_id) == ("m1", "period_ended", home.id)
    (counted,) = await home.desk.rows("select * from consultation_counted")
    assert (counted.route, counted.urgency, counted.consultations) == ("3", "C", 1)


async def test_only_a_manager_may_look_and_decide(home: Home) -> None:
    for staff in (RECEPTION, COORDINATOR, CASEWORKER):
        assert (await home.desk.get("/intake/retention", staff)).status_code == 403
        assert (await home.desk.get(home.page, staff)).status_code == 403
        refused = await home.desk.post(f"{home.page}/erase", {"reason": "period_ended", "sure": "1"}, staff)
        assert refused.status_code == 403
    assert await home.words() == set(WORDS)


@pytest.mark.parametrize(
    "form", [{}, {"sure": "1"}, {"reason": "period_ended"}, {"sure": "1", "reason": "lead"}, {"sure": "1", "reason": "'; drop table"}]
)
async def test_without_the_tick_or_a_reason_nothing_goes(home: Home, form: dict[str, str]) -> None:
    assert (await home.desk.post(f"{home.page}/erase", form, MANAGER)).status_code == 422
    assert await home.words() == set(WORDS)


async def test_what_changed_after_the_look_must_be_looked_at_again(home: Home) -> None:
    seen = await home.seen()
    async with home.desk.db.transaction() as tx:
        statement = "insert into fact (id, household_id, kind, value, as_of) values (gen_random_uuid(), :home, 'dementia', 'suspected', current_date)"
        await tx.execute(text(statement), {"home": home.id})
    answer = await home.erase(seen=seen)
    assert answer.status_code == 409
    assert await home.words() == set(WORDS)


async def test_a_period_that_runs_is_refused_with_its_reason(desk: Desk) -> None:
    home = await a_home(desk)
    answer = await home.erase()
    assert answer.status_code == 409
    assert "受付の保存期間が終わっていない" in answer.text
    assert (await home.erase("request")).status_code == 303, "a granted request does not wait for it"


async def test_an_open_case_and_an_open_watch_block_until_they_end(home: Home) -> None:
    today = erasures.day_of(datetime.now(UTC))
    case, plan = CaseId(uuid4()), uuid4()
    await home.hears(CaseOpened(**home.about, case_id=case, state=CaseState.ACTIVE, opened_on=today), "cases-elderly")
    await home.hears(
        WatchPlanned(**home.about, plan_id=plan, tier=WatchTier.B, next_due=datetime.now(UTC), planned_on=today), "outreach"
    )  # fmt: skip
    for reason in ("period_ended", "request"):
        refused = (await home.erase(reason)).text
        assert "開いているケースがある" in refused
        assert "続いている見守りがある" in refused
    await home.hears(CaseClosed(**home.about, case_id=case, reason="1", closed_on=today), "cases-elderly")
    await home.hears(WatchEnded(**home.about, plan_id=plan, ended_on=today), "outreach")
    assert "ほかの窓口の保存期間" in (await home.erase()).text
    await home.ages()
    assert (await home.erase()).status_code == 303


async def test_a_referral_nobody_answered_blocks(desk: Desk) -> None:
    home = await (await a_home(desk, refer_to=["cases-elderly"])).ages()
    assert "返事のないつなぎがある" in (await home.erase()).text


async def test_a_hold_stops_the_erasure_is_said_and_audited_and_can_be_lifted(home: Home) -> None:
    assert (await home.desk.post(f"{home.page}/holds", {"reason": "なんとなく"}, MANAGER)).status_code == 422
    assert (await home.desk.post(f"{home.page}/holds", {"reason": "dispute"}, RECEPTION)).status_code == 403
    assert (await home.desk.post(f"{home.page}/holds", {"reason": "dispute"}, MANAGER)).status_code == 303
    assert "消去の停止" in (await home.erase("request")).text
    overview = (await home.desk.get("/intake/retention", MANAGER)).text
    assert "係争中" in overview
    (hold,) = await home.desk.rows("select hold_id from legal_hold")
    assert (await home.desk.post(f"/intake/retention/holds/{hold.hold_id}/lift", {}, MANAGER)).status_code == 422
    for status in (303, 404):
        assert (await home.desk.post(f"/intake/retention/holds/{hold.hold_id}/lift", {"why": "settled"}, MANAGER)).status_code == status
    assert [event.name for event in await home.desk.said()][-2:] == ["hold_placed", "hold_lifted"]
    audited = [
        (row.action, row.purpose) for row in await home.desk.rows("select action, purpose from audit where object_kind = 'legal_hold' order by id")
    ]
    assert audited == [("hold", "dispute"), ("lift", "settled")]
    assert (await home.erase()).status_code == 303


async def test_a_question_about_names_after_the_erasure_is_refused_and_noted(home: Home) -> None:
    await home.erase()
    asked = DisclosureRequest(
        asker="cases-elderly", household_id=HouseholdId(home.id), purpose="referral", legal_basis=LegalBasis.INTERNAL_69_2_2, referral_id=uuid4()
    )
    async with home.desk.db.transaction() as tx:
        assert await grounds(tx, home.id) == []
        answer = await _answer(tx, asked)
    assert answer.refused == Refused.UNKNOWN_HOUSEHOLD
    assert answer.members == ()
    assert (await home.desk.get(f"/intake/households/{home.id}")).status_code == 404
    assert (await home.desk.get(home.page, MANAGER)).status_code == 404


async def test_the_receipts_say_who_answered_who_did_not_and_what_is_kept_until_when(home: Home) -> None:
    await home.erase()
    (made,) = await home.desk.rows("select id from erasure")
    page = (await home.desk.get("/intake/retention/receipts", MANAGER)).text
    assert "返事のない窓口 2" in page
    said = ErasureReceived(
        **home.about, erasure_id=made.id, removed=4, kept_under=("case",), kept_until=date(2033, 3, 31), done_on=date(2032, 4, 1)
    )  # fmt: skip
    await home.hears(said, "cases-elderly")
    page = (await home.desk.get("/intake/retention/receipts", MANAGER)).text
    assert "返事のない窓口 1" in page
    assert "ケースの記録" in page
    assert "R15.3.31 まで" in page
    await home.hears(said.model_copy(update={"removed": 5, "kept_under": (), "kept_until": None, "done_on": date(2033, 4, 1)}), "cases-elderly")
    (row,) = await home.desk.rows("select * from erasure_receipt where unit = 'cases-elderly'")
    assert (row.removed, row.kept_under, row.kept_until) == (9, [], None)


async def test_the_overview_lists_what_is_due_by_number_and_why_it_waits(home: Home) -> None:
    page = (await home.desk.get("/intake/retention", MANAGER)).text
    assert str(home.id) in page
    assert "消せます" in page
    assert not any(word in page for word in WORDS)
    (row,) = await home.desk.rows("select receipt_no from consultation")
    found = await home.desk.post("/intake/retention", {"receipt_no": row.receipt_no}, MANAGER)
    assert found.headers["location"] == home.page
    assert (await home.desk.post("/intake/retention", {"receipt_no": "R1-9999' or '1'='1"}, MANAGER)).status_code == 404


async def test_the_dry_run_of_the_unit_names_nobody(home: Home) -> None:
    today = erasures.day_of(datetime.now(UTC))
    async with home.desk.db.read() as rd:
        found = await erasures.plan(rd, HANDLERS.keepers, today, periods_on(today))
    kinds = {(one.record_class.value, one.household_id) for one in found}
    assert ("consultation", home.id) in kinds
    assert not any(word in repr(found) for word in WORDS)


async def sweep(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        await erasure.sweep_leads(tx, erasures.day_of(tx.now), None)


async def test_a_lead_nobody_took_up_is_shown_at_six_months_and_gone_at_twelve(desk: Desk) -> None:
    home = await (await a_home(desk)).ages(190)
    assert "続ける" in (await desk.get("/intake/retention", MANAGER)).text
    await sweep(desk)
    assert await home.words() == set(WORDS)
    await home.ages(190)
    await sweep(desk)
    assert await home.words() == set()
    assert [event.name for event in await desk.said()][-1] == "household_erased"
    (row,) = await desk.rows("select reason, decided_by from erasure")
    assert (row.reason, row.decided_by) == ("lead", "unit:intake")


async def test_a_lead_that_a_person_keeps_stays(desk: Desk) -> None:
    home = await (await a_home(desk)).ages(380)
    assert (await desk.post(f"/intake/retention/leads/{home.consultation}/keep", {}, MANAGER)).status_code == 303
    await sweep(desk)
    assert await home.words() == set(WORDS)


@pytest.mark.parametrize("more", [{"route": "1"}, {"consent": "given"}, {"refer_to": ["cases-elderly"]}])
async def test_what_is_no_lead_is_not_swept(desk: Desk, more: dict[str, Any]) -> None:
    home = await (await a_home(desk, **more)).ages(800)
    await sweep(desk)
    assert TEXT in await home.words()


async def test_of_a_household_with_another_consultation_only_the_lead_goes(desk: Desk) -> None:
    home = await (await a_home(desk)).ages(380)
    await desk.take(name=NAME, kana=KANA, household_id=str(home.id), route="1", text="（架空）本人の相談")
    await sweep(desk)
    words = await home.words()
    assert TEXT not in words
    assert NAME in words
    assert [event.name for event in await desk.said()][-1] == "withdrawn"


async def test_the_register_import_may_bring_a_resident_back_only_as_a_new_household(home: Home) -> None:
    await home.erase()
    assert await home.desk.rows("select 1 from household") == []
    async with home.desk.db.transaction() as tx:
        assert await erasures.erased_among(tx, [home.id]) == {home.id}


async def test_who_was_told_and_who_broke_the_glass_is_kept_for_the_period_of_the_audit(home: Home) -> None:
    async with home.desk.db.transaction() as tx:
        about = {"home": home.id, "other": uuid4(), "day": datetime(2026, 11, 26, 3, tzinfo=UTC)}
        for statement in (
            """insert into glass_request (access_id, household_id, known, staff, staff_name, reason, note, asked_at, state)
            select gen_random_uuid(), h, true, 'c1', '試験 担当', 'LIFE', '', :day, 'reviewed'
            from unnest(array[cast(:home as uuid), cast(:other as uuid)]) as h""",
            """insert into disclosure (id, at, asker, household_id, purpose, legal_basis)
            values (gen_random_uuid(), :day, 'cases-elderly', :home, 'referral', 'INTERNAL_69_2_2')""",
        ):
            await tx.execute(text(statement), about if ":other" in statement else {k: v for k, v in about.items() if k != "other"})
    assert (await home.erase()).status_code == 303
    counts = "select (select count(*) from glass_request) as glasses, (select count(*) from disclosure) as told"
    for on, left in ((date(2032, 3, 31), (2, 1)), (date(2032, 4, 1), (1, 0))):
        async with home.desk.db.transaction() as tx:
            await erasure.erasure_store.forget_accesses(tx, on, periods_on(on))
        assert await home.desk.rows(counts) == [left], on
