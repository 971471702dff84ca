"""身元の開示: つなぎの相手だけに、根拠を確かめて答え、答えも断りも残す。"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from services.intake.app import create_app
from services.intake.handlers import disclose
from shared.contracts.disclosure import Disclosure, DisclosureRequest
from shared.contracts.event import HouseholdId, LegalBasis, ReferralId
from shared.contracts.household import LeavingReason
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined, ReferralMade
from shared.messaging import WorkerContext, provision
from shared.runtime.settings import Settings
from shared.runtime.testing import eventually
from shared.runtime.unit import all_units
from tests.intake.conftest import TARGETS, Desk, announce, sheet
from tests.intake.test_reception import MOTHER_AND_SON
from tests.intake.test_register import hear

INTERNAL = LegalBasis.INTERNAL_69_2_2


async def referred(desk: Desk, **more: Any) -> ReferralMade:
    await desk.post("/intake/new", sheet(**MOTHER_AND_SON | {"refer_to": "cases-elderly"} | more))
    made = (await desk.said())[-1]
    assert isinstance(made, ReferralMade)
    return made


async def ask(desk: Desk, made: ReferralMade, **more: Any) -> Disclosure:
    request = {
        "asker": made.to,
        "household_id": made.household_id,
        "purpose": "referral",
        "legal_basis": INTERNAL,
        "referral_id": made.referral_id,
    } | more
    context = WorkerContext(desk.db, None, None)  # type: ignore[arg-type]
    asked = DisclosureRequest(**request | more)
    return Disclosure.model_validate_json(await disclose(asked.model_dump_json().encode(), context, asked.asker))


async def test_the_desk_a_household_was_referred_to_learns_who_they_are(desk: Desk) -> None:
    answer = await ask(desk, await referred(desk))
    assert answer.refused is None
    assert [person.name for person in answer.members] == ["見本 文子", "見本 健一"]
    assert answer.members[0].birth is not None
    assert (answer.receipt_no, answer.address) == ("R8-0001", "架空町9001")
    assert answer.consultation_text == MOTHER_AND_SON["text"]


async def test_outreach_may_ask_for_its_watch_when_it_was_referred_to(desk: Desk) -> None:
    await announce(desk.db, "outreach", "訪問・見守り")
    answer = await ask(desk, await referred(desk, refer_to="outreach"), purpose="watch", referral_id=None)
    assert answer.refused is None


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"asker": "cases-poverty"}, "not_addressed"),
        ({"referral_id": ReferralId(uuid4())}, "unknown_referral"),
        ({"household_id": HouseholdId(uuid4())}, "unknown_household"),
        ({"purpose": "curiosity"}, "purpose_unknown"),
        ({"legal_basis": LegalBasis.CONSENT}, "consent_missing"),
    ],
)
async def test_without_a_ground_nobody_is_named(desk: Desk, asked: dict[str, Any], code: str) -> None:
    answer = await ask(desk, await referred(desk), **asked)
    assert answer.refused == code
    assert answer.members == ()
    assert answer.consultation_text is None
    rows = await desk.rows("select refused, cardinality(member_ids) as told from disclosure")
    assert [(row.refused, row.told) for row in rows] == [(code, 0)]


async def test_consent_is_the_consent_of_today(desk: Desk) -> None:
    made = await referred(desk, consent="given")
    assert (await ask(desk, made, legal_basis=LegalBasis.CONSENT)).refused is None
    one = (await desk.rows("select id from consultation"))[0].id
    changed = {"version": "1", "text": "内容", "urgency": "C", "consent": "refused"}
    await desk.post(f"/intake/consultations/{one}/correct", changed)
    assert (await ask(desk, made, legal_basis=LegalBasis.CONSENT)).refused == "consent_missing"


async def test_a_withdrawn_consultation_and_a_declined_referral_are_no_ground(desk: Desk) -> None:
    made = await referred(desk)
    declined = ReferralDeclined(
        household_id=made.household_id, legal_basis=INTERNAL, referral_id=made.referral_id, reason=DeclineReason.NOT_OURS, declined_on=made.made_on
    )
    one = (await desk.rows("select id from consultation"))[0].id
    await desk.post(f"/intake/consultations/{one}/withdraw", {"reason": "mistake"})
    assert (await ask(desk, made)).refused == "withdrawn"
    await hear(desk, declined)
    assert (await ask(desk, made)).refused == "not_addressed"


async def test_a_refusal_heard_before_its_referral_still_ends_the_ground(desk: Desk) -> None:
    """Two desks, two streams: the answer of one may arrive before the referral of the other."""
    first = await referred(desk)
    later = first.model_copy(update={"referral_id": ReferralId(uuid4()), "to": "cases-poverty", "consultation_id": None})
    declined = ReferralDeclined(
        household_id=later.household_id, legal_basis=INTERNAL, referral_id=later.referral_id, reason=DeclineReason.NOT_OURS, declined_on=later.made_on
    )
    await hear(desk, declined, source="cases-poverty")
    await hear(desk, later, source="cases-elderly")
    assert (await ask(desk, later)).refused == "not_addressed"
    assert await desk.rows("select 1 from early_answer") == []


async def test_an_early_answer_of_another_desk_neither_counts_nor_hides_the_true_one(desk: Desk) -> None:
    first = await referred(desk)
    later = first.model_copy(update={"referral_id": ReferralId(uuid4()), "to": "cases-poverty", "consultation_id": None})
    common = {"household_id": later.household_id, "legal_basis": INTERNAL, "referral_id": later.referral_id}
    await hear(desk, ReferralAccepted(**common, accepted_on=later.made_on), source="cases-poverty")
    await hear(desk, ReferralDeclined(**common, reason=DeclineReason.NOT_OURS, declined_on=later.made_on), source="cases-elderly")
    await hear(desk, later, source="cases-elderly")
    rows = await desk.rows("select status from referral where id = :id", id=later.referral_id)
    assert [row.status for row in rows] == ["accepted"]
    assert await desk.rows("select 1 from early_answer") == []


async def test_an_approved_referral_of_a_desk_is_a_ground_for_the_desk_it_was_made_to_and_for_nobody_else(desk: Desk) -> None:
    """A desk says a referral on 69条2項4号 only when a supervisor approved it; the name of the ground alone opens nothing."""
    first, benefit = await referred(desk), LegalBasis.BENEFIT_69_2_4
    later = first.model_copy(update={"referral_id": ReferralId(uuid4()), "to": "cases-poverty", "consultation_id": None, "legal_basis": benefit})
    assert (await ask(desk, later, legal_basis=benefit)).refused == "unknown_referral", "not yet heard: the desk asks again"
    await hear(desk, later, source="cases-elderly")
    assert (await ask(desk, first, legal_basis=benefit)).refused == "basis_unlawful"
    answer = await ask(desk, later, legal_basis=benefit)
    assert [person.name for person in answer.members] == ["見本 文子", "見本 健一"]
    assert {row.legal_basis for row in await desk.rows("select legal_basis from disclosure where refused is null")} == {benefit}
    assert (await ask(desk, later, legal_basis=LegalBasis.STAT)).refused == "basis_unlawful"
    declined = {"household_id": later.household_id, "legal_basis": benefit, "referral_id": later.referral_id, "declined_on": later.made_on}
    await hear(desk, ReferralDeclined(**declined, reason=DeclineReason.NOT_OURS), source="cases-poverty")
    assert (await ask(desk, later, legal_basis=benefit)).refused == "not_addressed"


async def test_someone_who_left_is_not_disclosed(desk: Desk) -> None:
    made = await referred(desk)
    row = (await desk.rows("select id, household_id from member where name = '見本 健一'"))[0]
    path = f"/intake/households/{row.household_id}/members/{row.id}/leave"
    await desk.post(path, {"reason": LeavingReason.MOVED_OUT, "effective_on": "今日"})
    assert [person.name for person in (await ask(desk, made)).members] == ["見本 文子"]


async def test_every_answer_is_logged_and_audited_without_a_name(desk: Desk) -> None:
    made = await referred(desk)
    await ask(desk, made)
    row = (await desk.rows("select * from disclosure"))[0]
    assert (row.asker, row.purpose, row.legal_basis, row.referral_id, len(row.member_ids)) == (
        "cases-elderly",
        "referral",
        INTERNAL,
        made.referral_id,
        2,
    )
    audit = (await desk.rows("select * from audit where action = 'disclose'"))[0]
    assert (audit.actor, audit.household_id, audit.legal_basis) == ("unit:cases-elderly", made.household_id, INTERNAL)
    assert "見本" not in str(tuple(row)) + str(tuple(audit))


@pytest.fixture
async def live(databases: Callable[..., Any], test_settings: Callable[..., Settings], own_nats: Any) -> AsyncIterator[Desk]:
    """The desk with its worker on a real broker."""
    client = Client()
    await client.connect(own_nats.url)
    await provision.apply(client, provision.desired(all_units(), max_bytes=16 << 20))
    await client.close()
    database = await databases("intake")
    settings = test_settings("intake", database=database, nats_url=own_nats.url)
    app = create_app(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        for unit, title in TARGETS.items():
            await announce(database, unit, title)
        yield Desk(app, settings, database)


async def test_over_the_real_broker_the_question_is_answered_and_rubbish_is_refused(live: Desk, own_nats: Any) -> None:
    made = await referred(live)
    request = DisclosureRequest(asker=made.to, household_id=made.household_id, purpose="referral", legal_basis=INTERNAL, referral_id=made.referral_id)
    client, other = Client(), Client()
    await client.connect(own_nats.url, inbox_prefix=f"_INBOX_{made.to}".encode())
    await other.connect(own_nats.url, inbox_prefix=b"_INBOX_outreach")
    try:
        reply = await client.request(f"svc.intake.disclose.{made.to}", request.model_dump_json().encode(), timeout=5)
        assert len(Disclosure.model_validate_json(reply.data).members) == 2
        forged = await other.request("svc.intake.disclose.outreach", request.model_dump_json().encode(), timeout=5)
        assert (forged.headers or {}).get("Tsunagari-Error") == "refused:not_addressed"
        rubbish = await client.request(f"svc.intake.disclose.{made.to}", b"{", timeout=5)
        assert (rubbish.headers or {}).get("Tsunagari-Error") == "refused:unreadable"
        # An answer goes to the asker's inbox and nowhere else: pointed into a stream, a name would stay there for ever.
        await client.publish(f"svc.intake.disclose.{made.to}", request.model_dump_json().encode(), reply="evt.notify.alert.raised.v1.0")
        with pytest.raises(TimeoutError):
            await client.request("svc.intake.disclose.outreach", request.model_dump_json().encode(), timeout=0.5)
        assert (await client.jetstream().stream_info("EVT_NOTIFY")).state.messages == 0
    finally:
        await client.close()
        await other.close()


async def test_what_was_saved_reaches_the_broker(live: Desk) -> None:
    await referred(live)

    async def published() -> bool:
        return not await live.rows("select 1 from outbox where published_at is null")

    await eventually(published)
