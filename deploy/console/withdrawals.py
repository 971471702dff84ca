"""同意の撤回に受領を返さない窓口（R-916）: 受付が言うとおりに覚え、そろえば、世帯が消えれば、忘れる。番号だけで、だれのことかは出さない。"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, ReceiptsMissed
from shared.contracts.retention import HoldLifted, HoldPlaced, HouseholdErased
from shared.messaging import Envelope, Handlers
from shared.runtime.database import Read, Transaction

MOST = 200
_SETTLED = text("delete from missed_receipt where withdrawal_id = :withdrawal")
_MISSED = text(
    "insert into missed_receipt (withdrawal_id, unit, household_id, since) select :withdrawal, unnest(cast(:units as text[])), :home, :since"
)
_ERASED = text("delete from missed_receipt where household_id = :household")
_STANDING = text("select withdrawal_id, unit, since from missed_receipt order by since, withdrawal_id, unit limit :most")


@dataclass(frozen=True, slots=True)
class Missing:
    """受領を返していない窓口一つ。`since` は、受付が撤回を聞いたとき。"""

    withdrawal_id: UUID
    unit: str
    since: datetime


async def standing(handle: Read) -> list[Missing]:
    """古い撤回から。"""
    return [Missing(row.withdrawal_id, row.unit, row.since) for row in await handle.rows(_STANDING, {"most": MOST})]


def hear(handlers: Handlers) -> Handlers:
    @handlers.on(ReceiptsMissed)
    async def receipts_missed(tx: Transaction, event: ReceiptsMissed, envelope: Envelope) -> None:
        """`units` はいつも、いまの残りのすべて。"""
        await tx.execute(_SETTLED, {"withdrawal": event.withdrawal_id})
        about = {"withdrawal": event.withdrawal_id, "home": event.household_id, "since": event.since}
        await tx.execute(_MISSED, about | {"units": list(event.units)})

    @handlers.on(HouseholdErased)
    async def household_erased(tx: Transaction, event: HouseholdErased, envelope: Envelope) -> None:
        await tx.execute(_ERASED, {"household": event.household_id})

    handlers.ignore(ConsentGiven, ConsentWithdrawn, HoldPlaced, HoldLifted)
    return handlers
