"""The backbone's own spans, read as the console reads them: one trace from the request to the shown alert, with its waits."""

from opentelemetry.trace import SpanKind

from deploy.console.waterfall import Gap, waterfall
from shared.contracts.case import FactRetracted
from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers
from shared.runtime import telemetry
from shared.runtime.database import Transaction
from shared.runtime.testing import eventually
from tests.console.collected import Collected, collecting
from tests.shared.messaging.conftest import town
from tests.shared.messaging.town import ALPHA, BETA, GAMMA, Town, household, note, registered, retracted

__all__ = ["town"]


def answering() -> Handlers:
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def answer(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        tx.publish(retracted(event.household_id), causation=envelope)

    handlers.ignore("fact", FactRetracted)
    return handlers


def showing() -> Handlers:
    """The last listener: what it hears of beta's answer is shown a moment later, as a page would."""
    handlers = Handlers()
    handlers.ignore("household", HouseholdRegistered)

    @handlers.on(FactRetracted)
    async def heard(tx: Transaction, event: FactRetracted, envelope: Envelope) -> None:
        await note(tx, envelope)
        cause = telemetry.context_headers()
        tx.on_commit(lambda: _show(cause))

    return handlers


def _show(cause: tuple[str | None, str | None]) -> None:
    with telemetry.span("alert shown", cause=cause):
        pass


async def played(town: Town) -> Collected:
    await town.provision()
    for unit, handlers in ((ALPHA, None), (BETA, answering()), (GAMMA, showing())):
        telemetry.instrument_engine((await town.db(unit)).engine)
        await town.worker(unit, handlers)
    with collecting() as collected:
        with telemetry.tracer().start_as_current_span("POST /alpha", kind=SpanKind.INTERNAL):
            telemetry.annotate(receipt_no="R8-0001")
            await town.say(ALPHA, registered(household()))
        await eventually(lambda: "alert shown" in collected.names())
    return collected


async def test_one_trace_joins_request_outbox_broker_consumers_and_screen(town: Town) -> None:
    collected = await played(town)
    spans = collected.arrived()
    (root,) = [span for span in spans.values() if "welfare.receipt_no" in span.attributes]
    fall = waterfall(spans.values(), root.trace_id)
    assert fall is not None
    steps = [(row.depth, row.label) for row in fall.rows if row.span and not row.span.is_database]
    assert steps == [
        (0, "POST /alpha"),
        (1, "send EVT_ALPHA"),
        (1, "process household.registered.v1"),
        (2, "send EVT_BETA"),
        (2, "process fact.retracted.v1"),
        (3, "alert shown"),
    ]
    assert {Gap.OUTBOX, Gap.BROKER} <= {row.gap for row in fall.rows}
    assert any(row.span and row.span.is_database for row in fall.rows)
    assert {row.span.attributes["messaging.system"] for row in fall.rows if row.span and row.span.processes} == {"nats"}
