"""One trace from what caused an event to what it caused elsewhere."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers
from shared.runtime import telemetry
from shared.runtime.database import Transaction
from shared.runtime.testing import eventually
from tests.console.collected import Collected, collecting
from tests.shared.messaging.town import ALPHA, BETA, GAMMA, Town, household, note, noting, registered, retracted


@pytest.fixture
def left() -> Iterator[Collected]:
    with collecting() as collected:
        yield collected


def named(left: Collected, name: str) -> list[ReadableSpan]:
    return [span for span in left.spans if span.name == name]


def attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


def answering() -> Handlers:
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def answer(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        await note(tx, envelope)
        tx.publish(retracted(event.household_id))

    return handlers


async def test_one_trace_joins_the_request_and_all_units_that_hear_of_it(town: Town, left: Collected) -> None:
    await town.provision()
    await town.worker(ALPHA)
    await town.worker(BETA, answering())
    await town.worker(GAMMA)
    telemetry.instrument_engine((await town.db(BETA)).engine)
    with telemetry.span("request"):
        trace = telemetry.trace_id()
        await town.say(ALPHA, registered(household()))
    await town.until_effects(GAMMA, 2)
    await eventually(lambda: len(named(left, "process fact.retracted.v1")) == 1)
    names = {span.name for span in left.spans if f"{span.context.trace_id:032x}" == trace}
    assert names >= {"request", "send EVT_ALPHA", "process household.registered.v1", "send EVT_BETA", "process fact.retracted.v1"}
    processed = named(left, "process household.registered.v1")
    heard = next(span for span in processed if attribute(span, "messaging.consumer.group.name") == "beta--alpha--p0")
    assert heard.kind is SpanKind.CONSUMER
    assert len(heard.links) == 1
    inserts = [span for span in left.spans if span.parent and span.parent.span_id == heard.context.span_id and attribute(span, "db.system.name")]
    assert [str(attribute(span, "db.operation.name")).split(" ")[0].lower() for span in inserts] == ["insert"]


async def test_the_creation_context_is_not_changed_on_the_way(town: Town, left: Collected) -> None:
    await town.provision()
    seen: list[Envelope] = []
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def heard(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        seen.append(envelope)

    await town.worker(ALPHA)
    await town.worker(BETA, handlers)
    with telemetry.span("request"):
        created = telemetry.context_headers()[0]
        await town.say(ALPHA, registered(household()))
    await eventually(lambda: seen)
    rows = await town.rows(ALPHA, "select traceparent from outbox")
    assert (rows[0].traceparent, seen[0].traceparent) == (created, created)
    assert seen[0].handled_in not in (None, created)


async def test_a_replay_of_the_past_starts_its_own_trace_and_keeps_the_link(town: Town, left: Collected) -> None:
    await town.provision()
    await town.worker(ALPHA)
    await town.worker(BETA, noting())
    with telemetry.span("import"):
        trace = telemetry.trace_id()
        async with (await town.db(ALPHA)).transaction(datetime.now(UTC) - timedelta(days=400)) as tx:
            tx.publish(registered(household()))
    await town.until_effects(BETA, 1)
    await eventually(lambda: named(left, "process household.registered.v1"))
    processed = named(left, "process household.registered.v1")[0]
    assert f"{processed.context.trace_id:032x}" != trace
    assert [f"{link.context.trace_id:032x}" for link in processed.links] == [trace]


async def test_a_batch_of_many_causes_is_linked_to_each(town: Town, left: Collected) -> None:
    await town.provision()
    for _ in range(3):
        with telemetry.span("request"):
            await town.say(ALPHA, registered(household()))
    await town.worker(ALPHA)
    await town.until_published(ALPHA)
    sent = await eventually(lambda: named(left, "send EVT_ALPHA"))
    assert (len(sent), len(sent[0].links), attribute(sent[0], "messaging.batch.message_count")) == (1, 3, 3)


async def test_no_household_is_in_any_span(town: Town, left: Collected) -> None:
    await town.provision()
    await town.worker(ALPHA)
    await town.worker(BETA)
    home = household()
    with telemetry.span("request"):
        await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 1)
    await eventually(lambda: named(left, "process household.registered.v1"))
    assert str(home) not in " ".join(str(span.to_json()) for span in left.spans)
