"""What the units of the operators' box do: note every event, except for a household whose events cannot be handled while BROKEN names it."""

from uuid import UUID

from shared.contracts.case import FactRetracted
from shared.contracts.event import Event
from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers
from shared.messaging.projection import Kept
from shared.runtime.database import Transaction
from tests.shared.messaging.town import note, retracted

BROKEN: set[UUID] = set()


def handlers() -> Handlers:
    registry = Handlers()
    registry.projection("strangers", Kept("announced_unit"), doubted="select exists (select from announced_unit where unit = 'x')")

    @registry.on(HouseholdRegistered, FactRetracted)
    async def heard(tx: Transaction, event: Event, envelope: Envelope) -> None:
        await note(tx, envelope)
        if envelope.subject in BROKEN:
            raise KeyError("a name that must not be written down")
        if tx.unit == "beta" and isinstance(event, HouseholdRegistered):
            tx.publish(retracted(event.household_id))

    return registry
