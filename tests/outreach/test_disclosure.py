"""氏名の照会: 根拠があるあいだだけ尋ね、断られたら断られたと言う。"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.outreach.disclosure import NotYetKnown, ask_intake
from shared.contracts.disclosure import Disclosure, DisclosureRequest
from shared.contracts.event import LegalBasis
from shared.messaging import Intent, WorkerContext
from tests.outreach.builders import HOUSEHOLD, MOTHER
from tests.outreach.conftest import MOTHER_NAME, OutreachDesk, disclosed


class Intake:
    """Stands where intake answers."""

    def __init__(self, answer: Disclosure) -> None:
        self.answer, self.asked = answer, []  # type: ignore[var-annotated]

    async def __call__(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
        assert subject == "svc.intake.disclose"
        self.asked.append(DisclosureRequest.model_validate_json(request))
        return self.answer.model_dump_json().encode()


async def ask(desk: OutreachDesk, intake: Intake) -> None:
    """Runs the newest question, as the worker would."""
    row: Any = (await desk.rows("select kind, key, payload from intent order by created_at desc, key limit 1"))[0]
    await ask_intake(Intent(row.kind, row.key, row.payload), WorkerContext(desk.db, intake, asyncio.Event()))


def refused(code: str) -> Intake:
    return Intake(Disclosure(household_id=HOUSEHOLD, refused=code))


async def test_the_question_names_the_referral_and_its_basis(desk: OutreachDesk) -> None:
    event, intake = await desk.arrived(), Intake(disclosed())
    await ask(desk, intake)
    (asked,) = intake.asked
    assert (asked.asker, asked.purpose, asked.legal_basis, asked.referral_id) == ("outreach", "referral", LegalBasis.CONSENT, event.referral_id)
    assert MOTHER_NAME in (await desk.get("/referrals")).text


async def test_a_referral_that_intake_has_not_heard_of_is_asked_again(desk: OutreachDesk) -> None:
    await desk.arrived()
    with pytest.raises(NotYetKnown):
        await ask(desk, refused("unknown_referral"))


async def test_a_refusal_is_shown_and_can_be_asked_again(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    await ask(desk, refused("consent_missing"))
    assert "受付に断られました" in (await desk.get("/referrals")).text
    plan_id = uuid4()
    await desk.send(f"/referrals/{event.referral_id}/accept", version=1, plan_id=plan_id, member_id=MOTHER, tier="B")
    assert (await desk.send(f"/watch/{plan_id}/ask")).status_code == 303
    await ask(desk, Intake(disclosed()))
    assert MOTHER_NAME in (await desk.get(f"/watch/{plan_id}")).text


async def test_a_declined_referral_is_not_asked_about_and_a_late_answer_is_not_kept(desk: OutreachDesk) -> None:
    event, intake = await desk.arrived(), Intake(disclosed())
    await desk.send(f"/referrals/{event.referral_id}/decline", version=1, reason="not_ours")
    await ask(desk, intake)
    await desk.told_who(event.referral_id)
    assert intake.asked == []
    assert await desk.rows("select 1 from identity") == []


async def test_a_watch_without_a_referral_asks_for_itself_and_takes_no_for_an_answer(desk: OutreachDesk) -> None:
    await desk.hear_family()
    await desk.send(f"/households/{HOUSEHOLD}/plan", plan_id=uuid4(), member_id=MOTHER, tier="D")
    intake = refused("unknown_referral")
    await ask(desk, intake)
    assert (intake.asked[0].purpose, intake.asked[0].referral_id, intake.asked[0].legal_basis) == ("watch", None, LegalBasis.INTERNAL_69_2_2)
    assert "氏名の照会は受付に断られました" in (await desk.get("/watch")).text
