"""氏名の照会: 受付が止まっていても仕事は進み、戻れば届く。根拠のなくなった照会はしない。実物の NATS で。"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import SecretStr

from deploy.onebox.broker import EmbeddedNats
from services.cases.elderly.worker import create_worker
from shared.contracts.disclosure import Disclosure, DisclosureRequest
from shared.messaging.provision import apply, desired
from shared.runtime.testing import eventually
from shared.runtime.unit import all_units
from tests.cases.builders import HOUSEHOLD, made
from tests.cases.desk import MOTHER_NAME, DeskUnderTest, disclosed


@pytest.fixture
async def broker(own_nats: EmbeddedNats) -> AsyncIterator[Client]:
    client = await nats.connect(own_nats.url)
    await apply(client, desired([unit for unit in all_units() if unit.code in ("intake", "cases-elderly")]))
    yield client
    await client.close()


@pytest.fixture
async def working(elderly: DeskUnderTest, broker: Client, own_nats: EmbeddedNats) -> AsyncIterator[DeskUnderTest]:
    """The desk with its own worker running against the broker."""
    worker = create_worker(elderly.settings.model_copy(update={"nats_url": SecretStr(own_nats.url)}), elderly.db)
    await worker.start()
    yield elderly
    await worker.stop()


class Intake:
    """Stands where intake answers: the answers in turn, the last one for ever."""

    def __init__(self, *answers: Disclosure) -> None:
        self.answers = list(answers)
        self.asked: list[DisclosureRequest] = []

    async def answer(self, message: Msg) -> None:
        self.asked.append(DisclosureRequest.model_validate_json(message.data))
        await message.respond((self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]).model_dump_json().encode())


async def states(desk: DeskUnderTest) -> list[str]:
    return [row.state for row in await desk.rows("select state from disclosure")]


async def test_the_name_arrives_when_intake_is_back(working: DeskUnderTest, broker: Client) -> None:
    event = made()
    await working.hear(event)
    case = await working.accepted(event.referral_id)

    async def tried() -> Any:
        return await working.rows("select 1 from intent where attempts > 0")

    await eventually(tried)
    page = (await working.get(case)).text
    assert "氏名を受付に照会中" in page
    intake = Intake(disclosed())
    await broker.subscribe("svc.intake.disclose.cases-elderly", cb=intake.answer)
    await eventually(partial(received, working), timeout=20)
    assert MOTHER_NAME in (await working.get(case)).text
    asked = intake.asked[0]
    assert (asked.asker, asked.purpose, asked.legal_basis, asked.referral_id) == ("cases-elderly", "referral", event.legal_basis, event.referral_id)


async def received(desk: DeskUnderTest) -> Any:
    return await states(desk) == ["received"]


async def test_a_referral_that_intake_has_not_heard_of_yet_is_asked_again(working: DeskUnderTest, broker: Client) -> None:
    intake = Intake(Disclosure(household_id=HOUSEHOLD, refused="unknown_referral"), disclosed())
    await broker.subscribe("svc.intake.disclose.cases-elderly", cb=intake.answer)
    await working.hear(made(), "cases-poverty")
    await eventually(partial(received, working), timeout=20)
    assert len(intake.asked) == 2


async def test_a_refusal_is_shown_and_can_be_asked_again(working: DeskUnderTest, broker: Client) -> None:
    intake = Intake(Disclosure(household_id=HOUSEHOLD, refused="basis_differs"), disclosed())
    await broker.subscribe("svc.intake.disclose.cases-elderly", cb=intake.answer)
    event = made()
    await working.hear(event)

    async def refused() -> Any:
        return await states(working) == ["refused"]

    await eventually(refused)
    assert "受付に断られました" in (await working.get("/referrals")).text
    assert (await working.send(f"/referrals/{event.referral_id}/ask")).status_code == 303
    await eventually(partial(received, working))


async def test_a_declined_referral_is_not_asked_about_any_more(working: DeskUnderTest, broker: Client) -> None:
    event = made()
    await working.hear(event)
    await working.send(f"/referrals/{event.referral_id}/decline", version=1, reason="not_ours")
    intake = Intake(disclosed())
    await broker.subscribe("svc.intake.disclose.cases-elderly", cb=intake.answer)

    async def settled() -> Any:
        return [row.state for row in await working.rows("select state from intent")] == ["done"]

    await eventually(settled, timeout=20)
    assert await working.rows("select 1 from identity") == []


async def test_an_answer_that_comes_after_the_referral_was_declined_is_not_kept(elderly: DeskUnderTest) -> None:
    event = made()
    await elderly.hear(event)
    await elderly.send(f"/referrals/{event.referral_id}/decline", version=1, reason="not_ours")
    await elderly.told_who(event.referral_id)
    assert await elderly.rows("select 1 from identity") == []
