"""会議の案の消去: 案は気づきの写しで、保存期間を持たない。世帯が消えれば消える。"""

from datetime import date

from sqlalchemy import text

from shared.contracts.event import HouseholdId
from shared.messaging import Handlers
from shared.runtime.database import Read, Transaction
from shared.runtime.erasure import Due, Keeper, Removed
from shared.runtime.retention import Periods
from shared.runtime.settings import Settings

_DRAFTS = text("delete from conference_draft where household_id = :household_id")


async def plan(rd: Read, on: date, periods: Periods) -> list[Due]:
    return []


async def remove(tx: Transaction, household_id: HouseholdId, on: date, periods: Periods) -> Removed:
    return Removed(await tx.execute(_DRAFTS, {"household_id": household_id}))


def register(handlers: Handlers, settings: Settings) -> None:
    handlers.keepers.append(Keeper(plan, remove))
