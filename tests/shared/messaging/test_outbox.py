"""Append: both numbers are drawn under the household's lock."""

import asyncio
import random
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from shared.contracts.consultation import ConsentState, ConsultationReceived, Urgency
from shared.contracts.event import ConsultationId, LegalBasis
from shared.messaging.envelope import Envelope, EnvelopeError
from shared.messaging.outbox import derived_id, new_id
from tests.shared.messaging.town import ALPHA, Town, household, registered, retracted

_ORDER = "select household, channel, seq, pos from outbox order by pos"


async def test_sixteen_writers_leave_every_household_in_order(town: Town) -> None:
    homes = [household() for _ in range(3)]
    db = await town.db(ALPHA)

    async def writer(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(12):
            async with db.transaction() as tx:
                picked = chance.choices(homes, k=4)  # in any order: the statement sorts, so two writers cannot deadlock
                tx.publish(*(chance.choice([registered, retracted])(home) for home in picked))

    await asyncio.gather(*(writer(seed) for seed in range(16)))
    seen: dict[object, list[int]] = {}
    for row in await town.rows(ALPHA, _ORDER):
        seen.setdefault((row.household, row.channel), []).append(row.seq)
    assert sum(len(seqs) for seqs in seen.values()) == 16 * 12 * 4
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in seen.values())


async def test_events_of_one_transaction_keep_the_order_in_which_they_were_said(town: Town) -> None:
    a, b = household(), household()
    await town.say(ALPHA, registered(b), registered(a), retracted(b), registered(b))
    assert [(row.household, row.channel, row.seq) for row in await town.rows(ALPHA, _ORDER)] == [
        (b, "household", 1), (a, "household", 1), (b, "fact", 1), (b, "household", 2),
    ]  # fmt: skip


async def test_an_event_the_broker_would_refuse_fails_in_front_of_the_person(town: Town) -> None:
    huge = ConsultationReceived(
        household_id=household(), legal_basis=LegalBasis.CONSENT, consultation_id=ConsultationId(uuid4()), receipt_no="R8-1",
        received_on=date(2026, 4, 1), topics=("T" * 32,) * 2000, route="R1", urgency=Urgency.D, consent=ConsentState.GIVEN,
    )  # fmt: skip
    with pytest.raises(EnvelopeError, match="too_large"):
        await town.say(ALPHA, huge)
    assert await town.rows(ALPHA, "select 1 from outbox") == []


async def test_what_a_handler_publishes_has_the_same_id_every_time(town: Town) -> None:
    cause = Envelope(uuid4(), "t", "beta", uuid4(), datetime.now(UTC), datetime.now(UTC), "fact", 1, correlation_id=uuid4())
    async with (await town.db(ALPHA)).transaction() as tx:
        tx.publish(registered(household()), registered(household()), causation=cause)
    rows = await town.rows(ALPHA, "select event_id, headers from outbox order by pos")
    assert [row.event_id for row in rows] == [derived_id("alpha", cause.id, 0), derived_id("alpha", cause.id, 1)]
    assert {row.headers["ce-correlationid"] for row in rows} == {str(cause.correlation_id)}
    assert {row.headers["ce-causationid"] for row in rows} == {str(cause.id)}


def test_ids_are_uuid7_in_the_order_of_time() -> None:
    first, second = new_id(datetime(2026, 4, 1, tzinfo=UTC)), new_id(datetime(2026, 4, 2, tzinfo=UTC))
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert first < second
