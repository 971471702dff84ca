"""What outreach keeps of others' events: who lives in the household, and whether the center was told of it."""

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach.tables import alert, household, member
from shared.contracts.alert import AlertRaised
from shared.contracts.event import HouseholdId
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.runtime.database import Read, Transaction


async def registered(tx: Transaction, event: HouseholdRegistered) -> None:
    statement = insert(household).values(household_id=event.household_id, area=event.area.value)
    await tx.execute(statement.on_conflict_do_update(index_elements=["household_id"], set_={"area": event.area.value}))


async def joined(tx: Transaction, event: MemberJoined | MemberCorrected) -> None:
    """加わった・訂正された。また加わった人からは、離れた記録を消す。"""
    values = {"role": event.role.value, "birth_month": event.birth_month}
    back = {"left_on": None, "left_reason": None} if isinstance(event, MemberJoined) else {}
    statement = insert(member).values(household_id=event.household_id, member_id=event.member_id, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=values | back))


async def left(tx: Transaction, event: MemberLeft) -> None:
    gone = {"left_on": event.effective_on, "left_reason": event.reason.value}
    await tx.execute(update(member).where(member.c.household_id == event.household_id, member.c.member_id == event.member_id).values(gone))


async def anybody_left(handle: Read, household_id: HouseholdId) -> bool:
    """世帯に、まだ誰かいるか。"""
    found = await handle.scalar(select(member.c.member_id).where(member.c.household_id == household_id, member.c.left_on.is_(None)).limit(1))
    return found is not None


async def alerted(tx: Transaction, event: AlertRaised) -> None:
    values = {"severity": event.severity.value, "state": "raised"}
    statement = insert(alert).values(id=event.alert_id, household_id=event.household_id, rule_id=event.rule_id, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


async def alert_moved(tx: Transaction, alert_id: object, state: str) -> None:
    await tx.execute(update(alert).where(alert.c.id == alert_id).values(state=state))


async def alert_over(tx: Transaction, alert_id: object) -> None:
    await tx.execute(delete(alert).where(alert.c.id == alert_id))
