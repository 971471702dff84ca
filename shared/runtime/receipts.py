"""同意の撤回への受領: every unit answers a withdrawal that names it, once, with what it removed and what a law makes it keep."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.contracts.consent import ConsentWithdrawn
from shared.contracts.event import Code, LegalBasis, UnitCode
from shared.contracts.receipt import WithdrawalReceived
from shared.desk.wareki import japan_day
from shared.runtime.database import Transaction

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers

_ANSWERED = text("select 1 from withdrawal_answered where withdrawal_id = :id")
_ANSWER = text("insert into withdrawal_answered values (:id, :household, :removed, :kept, :now) on conflict do nothing")


@dataclass(frozen=True, slots=True)
class Released:
    """`removed` 消した・伏せた写しの数。`kept_under` は、残したものの根拠（なければ空）。"""

    removed: int = 0
    kept_under: tuple[Code, ...] = ()


Release = Callable[[Transaction, ConsentWithdrawn, "Envelope"], Awaitable[Released]]


def answer_withdrawals(handlers: "Handlers", unit: UnitCode, release: Release) -> None:
    """`release` removes the unit's copies in the handler's own transaction; the receipt commits with it or not at all."""

    @handlers.on(ConsentWithdrawn)
    async def consent_withdrawn(tx: Transaction, event: ConsentWithdrawn, envelope: "Envelope") -> None:
        if unit not in event.recipients or await tx.scalar(_ANSWERED, {"id": event.withdrawal_id}):
            return
        released = await release(tx, event, envelope)
        values = {"id": event.withdrawal_id, "household": event.household_id, "removed": released.removed, "kept": list(released.kept_under)}
        if await tx.execute(_ANSWER, values | {"now": tx.now}):
            tx.publish(_receipt(event, released, tx))


def _receipt(event: ConsentWithdrawn, released: Released, tx: Transaction) -> WithdrawalReceived:
    return WithdrawalReceived(
        household_id=event.household_id,
        legal_basis=LegalBasis.INTERNAL_69_2_2,
        withdrawal_id=event.withdrawal_id,
        removed=released.removed,
        kept_under=released.kept_under,
        done_on=japan_day(tx.now),
    )
