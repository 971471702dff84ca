"""どの窓口が、まだこの世帯に関わっているか（ケースと見守り）: 消してよいかを見るためだけに聞く。"""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from services.intake.tables import involved
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged
from shared.contracts.event import HouseholdId
from shared.contracts.visit import CheckInRecorded, WatchEnded, WatchPlanned
from shared.messaging import Envelope, Handlers, Kept
from shared.runtime.database import Transaction


def hear_involvement(handlers: Handlers) -> None:
    known = handlers.projection("involvement", Kept("involved"))

    @handlers.on(CaseOpened, CaseStateChanged, CaseClosed)
    @known.fed_by(CaseOpened, CaseStateChanged, CaseClosed)
    async def case_moved(tx: Transaction, event: CaseOpened | CaseStateChanged | CaseClosed, envelope: Envelope) -> None:
        match event:
            case CaseOpened():
                await _write(tx, event.case_id, event.household_id, envelope.source, "case", since=event.opened_on, until=None)
            case CaseStateChanged():
                until = event.changed_on if event.state is CaseState.CLOSED else None
                await _write(tx, event.case_id, event.household_id, envelope.source, "case", until=until)
            case CaseClosed():
                await _write(tx, event.case_id, event.household_id, envelope.source, "case", until=event.closed_on)

    @handlers.on(WatchPlanned, WatchEnded)
    @known.fed_by(WatchPlanned, WatchEnded)
    async def watch_moved(tx: Transaction, event: WatchPlanned | WatchEnded, envelope: Envelope) -> None:
        if isinstance(event, WatchPlanned):
            await _write(tx, event.plan_id, event.household_id, envelope.source, "watch", since=event.planned_on, until=None)
        else:
            await _write(tx, event.plan_id, event.household_id, envelope.source, "watch", until=event.ended_on)

    # 安否の一回一回は、受付に要らない。
    handlers.ignore(CheckInRecorded)


async def _write(tx: Transaction, trace_id: UUID, household_id: HouseholdId, unit: str, kind: str, **days: date | None) -> None:
    """一つの窓口の出来事は順に届くので、あとのものが勝つ。"""
    values: dict[str, Any] = {"household_id": household_id, "unit": unit, "kind": kind, **days}
    await tx.execute(insert(involved).values(trace_id=trace_id, **values).on_conflict_do_update(index_elements=["trace_id"], set_=values))
