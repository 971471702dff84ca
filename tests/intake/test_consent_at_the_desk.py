"""同意の画面: 書く、撤回を受ける、受領を待つ、取り直す、本人に渡す紙。"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.intake.consent_handlers import hear_consents
from services.intake.involved import hear_involvement
from services.intake.receipt_number import local_day
from shared.contracts.case import CaseClosed, CaseOpened, FactRecorded, FactRetracted
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, ReceiptsMissed
from shared.contracts.event import Event, LegalBasis
from shared.contracts.receipt import WithdrawalReceived
from shared.messaging import Envelope, Handlers, Timer
from shared.runtime.database import Transaction
from tests.intake.conftest import CASEWORKER, Desk, sheet
from tests.intake.test_disclosure import INTERNAL, ask, referred

CONSENT = LegalBasis.CONSENT
HANDLERS = Handlers()
hear_consents(HANDLERS, None)
hear_involvement(HANDLERS)


async def hear(desk: Desk, event: Event, source: str, *, at: datetime | None = None, times: int = 1) -> None:
    for _ in range(times):
        async with desk.db.transaction() as tx:
            await handled(tx, event, source, at or datetime.now(UTC))


async def handled(tx: Transaction, event: Event, source: str, moment: datetime) -> None:
    for handler in HANDLERS.events[event.type_name()]:
        await handler(tx, event, Envelope(uuid4(), event.type_name(), source, event.household_id, moment, moment, event.channel, 1, uuid4()))


async def family(desk: Desk, **more: Any) -> tuple[Any, str, dict[str, UUID]]:
    """The referral, the path of the consents, who is who."""
    made = await referred(desk, **more)
    people = {row.name: row.id for row in await desk.rows("select id, name from member")}
    return made, f"/intake/households/{made.household_id}/consents", people


def paper(member: UUID, **more: Any) -> dict[str, Any]:
    return {
        "consent_id": str(uuid4()), "member_id": str(member), "purposes": ["consultation"], "recipients": ["cases-elderly"], "form": "written",
        "given_by": "self", "explained_by": "試験 受付", "obtained_on": "今日", "valid_to": "",
    } | more  # fmt: skip


async def give(desk: Desk, path: str, member: UUID, **more: Any) -> None:
    answer = await desk.post(path, paper(member, **more))
    assert answer.status_code == 303, answer.text


async def withdraw(desk: Desk, path: str, member: UUID, **more: Any) -> UUID:
    form = {"withdrawal_id": str(uuid4()), "member_id": str(member), "scope": "all", "reason": "person_asked"} | more
    answer = await desk.post(path + "/withdraw", form)
    assert answer.status_code == 303, answer.text
    return UUID(form["withdrawal_id"])


def receipt(household: Any, withdrawal: UUID, removed: int = 3, kept: tuple[str, ...] = ("CASE_RECORD",)) -> WithdrawalReceived:
    return WithdrawalReceived(
        household_id=household, legal_basis=INTERNAL, withdrawal_id=withdrawal, removed=removed, kept_under=kept, done_on=local_day(datetime.now(UTC))
    )


async def test_a_consent_is_written_once_however_often_it_is_sent_and_names_only_the_one_who_gave_it(desk: Desk) -> None:
    made, path, people = await family(desk)
    assert (await ask(desk, made, legal_basis=CONSENT)).refused == "consent_missing"
    form = paper(people["見本 健一"])
    for _ in range(2):
        assert (await desk.post(path, form)).status_code == 303
    assert [type(event) for event in (await desk.said())[-2:]].count(ConsentGiven) == 1
    answer = await ask(desk, made, legal_basis=CONSENT)
    assert [person.name for person in answer.members] == ["見本 健一"]
    assert answer.consultation_text is None  # his mother told it
    assert [person.name for person in (await ask(desk, made)).members] == ["見本 文子", "見本 健一"]


async def test_what_the_person_excluded_is_given_to_nobody_but_a_mandatory_report(desk: Desk) -> None:
    made, path, people = await family(desk)
    await give(desk, path, people["見本 文子"], excluded=["address", "phone", "birth", "consultation_text"])
    for basis in (CONSENT, INTERNAL):
        answer = await ask(desk, made, legal_basis=basis)
        mother = answer.members[0]
        assert (answer.address, answer.consultation_text, mother.birth, mother.phone) == (None, None, None, None)
    report = await ask(desk, made, legal_basis=LegalBasis.ABUSE_ELDER)
    assert (report.address, report.members[0].birth is None) == ("架空町9001", False)


@pytest.mark.parametrize("basis", [LegalBasis.STAT, LegalBasis.BENEFIT_69_2_4])
async def test_a_basis_that_cannot_carry_a_name_is_refused_and_logged(desk: Desk, basis: LegalBasis) -> None:
    answer = await ask(desk, await referred(desk), legal_basis=basis)
    assert (answer.refused, answer.members) == ("basis_unlawful", ())
    assert [row.refused for row in await desk.rows("select refused from disclosure")] == ["basis_unlawful"]


async def test_a_form_that_lacks_something_comes_back_as_typed_and_nothing_is_said(desk: Desk) -> None:
    _, path, people = await family(desk)
    before = len(await desk.said())
    answer = await desk.post(path, paper(people["見本 文子"], purposes=[], recipients=["cases-nowhere"], explained_by="<b>説明</b>"))
    assert answer.status_code == 422
    assert "目的を一つ以上" in answer.text
    assert "&lt;b&gt;説明&lt;/b&gt;" in answer.text
    for wrong in ({"member_id": str(uuid4())}, {"form": "x"}, {"obtained_on": "きのうのきのう"}, {"consent_id": "x"}, {"purposes": ["x"]}):
        assert (await desk.post(path, paper(people["見本 文子"]) | wrong)).status_code == 422
    assert len(await desk.said()) == before


async def test_a_withdrawal_stops_the_disclosure_and_says_who_has_not_answered_until_they_have(desk: Desk) -> None:
    made, path, people = await family(desk, consent="given")
    await ask(desk, made, legal_basis=CONSENT)
    gone = await withdraw(desk, path, people["見本 文子"])
    (event,) = [event for event in await desk.said() if isinstance(event, ConsentWithdrawn)]
    assert (event.withdrawal_id, event.recipients) == (gone, ("cases-elderly",))
    assert (await ask(desk, made, legal_basis=CONSENT)).refused == "consent_missing"
    assert "まだ：高齢の窓口" in (await desk.get(path)).text
    await hear(desk, receipt(made.household_id, gone), "cases-poverty")  # was not asked
    assert "まだ：高齢の窓口" in (await desk.get(path)).text
    await hear(desk, receipt(made.household_id, gone), "cases-elderly", times=2)
    page = (await desk.get(path)).text
    assert "まだ：" not in page
    assert "支援の記録" in page
    assert await desk.rows("select 1 from timer where kind = 'receipts'") == []


async def test_a_withdrawal_takes_the_facts_that_were_told_on_consent_back_and_only_those(desk: Desk) -> None:
    _, path, people = await family(desk, consent="given")
    told = {row.kind: row.id for row in await desk.rows("select id, kind from fact")}
    await withdraw(desk, path, people["見本 文子"])
    back = {event.fact_id for event in await desk.said() if isinstance(event, FactRetracted)}
    assert back == {told["care_level"]}  # neither her son's facts nor the household's
    assert (await desk.said())[-1].value == "withdrawn"


async def test_the_second_press_is_one_withdrawal_and_without_a_consent_there_is_none(desk: Desk) -> None:
    _, path, people = await family(desk, consent="given")
    form = {"withdrawal_id": str(uuid4()), "member_id": str(people["見本 文子"]), "scope": "all", "reason": "person_asked"}
    for _ in range(2):
        assert (await desk.post(path + "/withdraw", form)).status_code == 303
    assert len(await desk.rows("select 1 from consent_withdrawal")) == 1
    again = await desk.post(path + "/withdraw", form | {"withdrawal_id": str(uuid4())})
    assert (again.status_code, "いま効いているものはありません" in again.text) == (422, True)
    for wrong in ({"scope": "some"}, {"reason": ""}, {"member_id": "x"}):
        assert (await desk.post(path + "/withdraw", form | wrong | {"withdrawal_id": str(uuid4())})).status_code == 422


async def test_what_a_desk_hears_of_a_withdrawal_reaches_the_others(desk: Desk) -> None:
    made, path, people = await family(desk, consent="given")
    said = FactRecorded(
        household_id=made.household_id, legal_basis=INTERNAL, fact_id=uuid4(), member_id=people["見本 文子"], kind="consent", value="withdrawn",
        as_of=local_day(datetime.now(UTC)), confidence="confirmed",
    )  # fmt: skip
    await hear(desk, said, "cases-poverty", times=2)
    (event,) = [event for event in await desk.said() if isinstance(event, ConsentWithdrawn)]
    assert (event.withdrawal_id, event.recipients, event.reason) == (said.fact_id, ("cases-elderly",), "heard_at_desk")
    assert (await ask(desk, made, legal_basis=CONSENT)).refused == "consent_missing"
    assert "担当の窓口で聞いた" in (await desk.get(path)).text


async def test_a_no_that_overtakes_the_older_yes_of_another_desk_still_counts(desk: Desk) -> None:
    made, _, people = await family(desk)
    about = {"household_id": made.household_id, "member_id": people["見本 健一"], "kind": "consent", "as_of": made.made_on, "confidence": "confirmed"}
    now = datetime.now(UTC)
    no = FactRecorded(**about, legal_basis=INTERNAL, fact_id=uuid4(), value="refused")
    yes = FactRecorded(**about, legal_basis=CONSENT, fact_id=uuid4(), value="given")
    await hear(desk, no, "cases-poverty", at=now)
    await hear(desk, yes, "cases-elderly", at=now - timedelta(minutes=1))
    assert not [event for event in await desk.said() if isinstance(event, ConsentWithdrawn)]
    assert (await ask(desk, made, legal_basis=CONSENT)).refused == "consent_missing"


async def test_a_consent_that_a_desk_heard_is_a_ground_for_the_desk_it_refers_to_and_a_mistake_is_none(desk: Desk) -> None:
    made, _, people = await family(desk)
    onward = made.model_copy(update={"legal_basis": CONSENT, "to": "cases-elderly", "consultation_id": None, "member_ids": (people["見本 健一"],)})
    await hear(desk, onward, "cases-poverty", times=2)
    assert [person.name for person in (await ask(desk, made, legal_basis=CONSENT)).members] == ["見本 健一"]
    (row,) = await desk.rows("select id from consent")
    await hear(desk, FactRetracted(household_id=made.household_id, legal_basis=CONSENT, fact_id=row.id), "cases-poverty")
    assert (await ask(desk, made, legal_basis=CONSENT)).refused == "consent_missing"


async def test_missing_receipts_are_told_after_their_time_without_a_name(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    made, path, people = await family(desk, consent="given")
    gone = await withdraw(desk, path, people["見本 文子"])
    (timer,) = await desk.rows("select kind, key, due_at, household from timer where kind = 'receipts'")
    assert timedelta(days=2, hours=23) < timer.due_at - datetime.now(UTC) < timedelta(days=3, hours=1)
    assert "待っています" in (await desk.get("/intake/consents")).text
    await time_is_up(desk, gone, made.household_id)
    assert "届かない" in (await desk.get("/intake/consents")).text
    assert f"withdrawal={gone}" in caplog.text
    assert "見本" not in caplog.text
    await hear(desk, receipt(made.household_id, gone), "cases-elderly")
    assert "受領はすべて届いています" in (await desk.get("/intake/consents")).text


async def time_is_up(desk: Desk, withdrawal: UUID, household: UUID) -> None:
    async with desk.db.transaction() as tx:
        await HANDLERS.timers["receipts"](tx, Timer("receipts", str(withdrawal), datetime.now(UTC), household))


async def missed(desk: Desk) -> list[ReceiptsMissed]:
    return [event for event in await desk.said() if isinstance(event, ReceiptsMissed)]


async def taken_back(desk: Desk, *units: str) -> tuple[Any, UUID]:
    """The household, and a withdrawal that each of the units was told of."""
    made, path, people = await family(desk, consent="given", refer_to=list(units))
    return made.household_id, await withdraw(desk, path, people["見本 文子"])


async def test_missing_receipts_are_an_event_once_and_every_late_receipt_says_who_is_left(desk: Desk) -> None:
    household, gone = await taken_back(desk, "cases-elderly", "cases-poverty")
    for _ in range(2):
        await time_is_up(desk, gone, household)
    (first,) = await missed(desk)
    assert (first.withdrawal_id, first.units, first.legal_basis) == (gone, ("cases-elderly", "cases-poverty"), INTERNAL)
    for unit in ("cases-poverty", "cases-poverty", "cases-elderly"):
        await hear(desk, receipt(household, gone), unit)
    assert [event.units for event in await missed(desk)] == [first.units, ("cases-elderly",), ()]
    assert {event.since for event in await missed(desk)} == {first.since}


async def test_receipts_that_came_in_time_are_no_event(desk: Desk) -> None:
    household, gone = await taken_back(desk, "cases-elderly")
    await hear(desk, receipt(household, gone), "cases-elderly")
    await time_is_up(desk, gone, household)  # the clock had been read already
    await time_is_up(desk, uuid4(), household)  # erased meanwhile
    assert await missed(desk) == []


async def test_the_last_two_receipts_at_once_still_end_it(desk: Desk) -> None:
    household, gone = await taken_back(desk, "cases-elderly", "cases-poverty")
    await time_is_up(desk, gone, household)
    async with desk.db.transaction() as tx:
        await handled(tx, receipt(household, gone), "cases-elderly", tx.now)
        other = asyncio.create_task(hear(desk, receipt(household, gone), "cases-poverty"))
        await asyncio.sleep(0.3)  # neither sees what the other has not committed
    await other
    assert [len(event.units) for event in await missed(desk)] == [2, 1, 0]


async def test_the_list_shows_whom_to_ask_again_and_only_reception_sees_it(desk: Desk) -> None:
    _, path, people = await family(desk)
    end = datetime.now(UTC) + timedelta(days=20)
    await give(desk, path, people["見本 文子"], valid_to=f"{local_day(end):%Y-%m-%d}")
    await give(desk, path, people["見本 健一"], recipients=["cases-poverty"])
    page = (await desk.get("/intake/consents")).text
    assert "まもなく期間が終わる" in page
    assert "新しいつなぎ先がある" in page
    assert "取り直してください" in (await desk.get(path)).text
    for closed in ("/intake/consents", path):
        assert (await desk.get(closed, CASEWORKER)).status_code == 403


async def test_nobody_is_asked_again_for_a_desk_whose_support_is_over(desk: Desk) -> None:
    """Until it has something to do with them again."""
    _, path, people = await family(desk)
    home = UUID(path.split("/")[3])
    await give(desk, path, people["見本 文子"], valid_to=f"{local_day(datetime.now(UTC) + timedelta(days=20)):%Y-%m-%d}")
    async with desk.db.transaction() as tx:
        await tx.execute(text("update referral set status = 'accepted' where household_id = :home"), {"home": home})
    about: dict[str, Any] = {"household_id": home, "legal_basis": INTERNAL, "case_id": uuid4()}
    begun = {"referral_id": uuid4(), "member_ids": (people["見本 文子"],), "state": "RECEIVED", "opened_on": local_day(datetime.now(UTC))}
    for event, asked in (
        (None, True), (CaseOpened(**about, **begun), True), (CaseClosed(**about, reason="1", closed_on=begun["opened_on"]), False),
        (CaseOpened(**about | {"case_id": uuid4()}, **begun), True),
    ):  # fmt: skip
        if event:
            await hear(desk, event, "cases-elderly")
        assert ("まもなく期間が終わる" in (await desk.get("/intake/consents")).text) is asked
        assert ("取り直してください" in (await desk.get(path)).text) is asked


async def test_a_later_referral_after_a_withdrawal_does_not_claim_the_consent(desk: Desk) -> None:
    one = await desk.take(consent="given", refer_to="cases-elderly")
    (row,) = await desk.rows("select household_id, subject_id from consultation")
    await withdraw(desk, f"/intake/households/{row.household_id}/consents", row.subject_id)
    await desk.post(f"/intake/consultations/{one}/referrals", {"refer_to": "cases-poverty"})
    made = (await desk.said())[-1]
    assert (made.to, made.consent, made.legal_basis) == ("cases-poverty", "refused", INTERNAL)


async def test_a_later_referral_on_the_consent_said_at_reception_widens_it(desk: Desk) -> None:
    one = await desk.take(consent="given", refer_to="cases-elderly")
    await desk.post(f"/intake/consultations/{one}/referrals", {"refer_to": "cases-poverty"})
    assert [row.recipients for row in await desk.rows("select recipients from consent")] == [["cases-elderly", "cases-poverty"]]
    given = [event for event in await desk.said() if isinstance(event, ConsentGiven)]
    assert [event.recipients for event in given] == [("cases-elderly",), ("cases-elderly", "cases-poverty")]
    assert given[0].consent_id == given[1].consent_id


async def test_the_sheet_says_in_plain_words_what_was_removed_kept_and_told(desk: Desk) -> None:
    made, path, people = await family(desk, consent="given")
    await ask(desk, made, legal_basis=CONSENT)
    gone = await withdraw(desk, path, people["見本 文子"])
    page = (await desk.get(f"{path}/sheet/{people['見本 文子']}")).text
    assert "まだ<ruby>返事" in page
    await hear(desk, receipt(made.household_id, gone, 2, ("ABUSE_ELDER",)), "cases-elderly")
    page = (await desk.get(f"{path}/sheet/{people['見本 文子']}")).text
    assert "高齢の人を守るため" in page
    assert "<rt>きょうゆう</rt>" in page
    assert "見本 健一" not in page
    assert len(await desk.rows("select 1 from audit where action = 'print'")) == 2


async def test_a_consent_corrected_to_no_at_reception_is_a_withdrawal(desk: Desk) -> None:
    one = await desk.take(consent="given", refer_to="cases-elderly")
    await desk.post(f"/intake/consultations/{one}/correct", {"version": "1", "text": "内容", "urgency": "C", "consent": "refused"})
    (event,) = [event for event in await desk.said() if isinstance(event, ConsentWithdrawn)]
    said = (await desk.said())[-1]
    assert isinstance(said, FactRecorded)
    assert (event.withdrawal_id, event.recipients) == (said.fact_id, ("cases-elderly",))


async def test_neither_names_nor_words_are_in_what_is_said(desk: Desk) -> None:
    _, path, people = await family(desk, consent="given")
    await give(desk, path, people["見本 文子"], explained_by="合言葉 説明")
    await withdraw(desk, path, people["見本 文子"])
    said = await desk.payloads()
    assert not [word for word in ("見本", "合言葉", "架空町", sheet()["text"]) if word in said]


async def test_a_desk_cannot_widen_a_consent_that_names_its_recipients(desk: Desk) -> None:
    made, path, people = await family(desk)
    await give(desk, path, people["見本 健一"], recipients=["cases-poverty"])
    onward = made.model_copy(update={"legal_basis": CONSENT, "to": "cases-elderly", "consultation_id": None, "member_ids": (people["見本 健一"],)})
    await hear(desk, onward, "cases-poverty")
    assert (await ask(desk, made, legal_basis=CONSENT)).refused == "consent_missing"
    assert "新しいつなぎ先がある" in (await desk.get("/intake/consents")).text
