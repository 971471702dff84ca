"""保護と利害関係を読み書きする。どのユニットも持つ表（protection・conflict）と、この窓口だけの覚え（protection_note）。"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert

from services.intake.consultation import StaffRef
from services.intake.protection import Protection, Restriction
from services.intake.tables import protection_note
from shared.contracts.decision import Outcome
from shared.contracts.event import Event, HouseholdId, MemberId
from shared.contracts.protection import ConflictCleared, ConflictDeclared, ProtectionKind
from shared.runtime import rights
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

_WHOLE = """
    select p.*, n.send_to, n.restrictions, n.note, n.version, n.declared_by_name, n.declared_at
    from protection p join protection_note n using (protection_id) where {where} order by p.expires_on nulls last, p.since, p.protection_id
"""
_STANDING = text(_WHOLE.format(where="p.lifted_on is null"))
_OF_HOUSEHOLD = text(_WHOLE.format(where="p.household_id = :household and p.lifted_on is null"))
_ONE = text(_WHOLE.format(where="p.protection_id = :protection") + " for update of p")
_CONFLICTS = text("select conflict_id, staff, kind from conflict where household_id = :household and cleared_on is null order by staff, conflict_id")


async def standing(handle: Read) -> list[Protection]:
    """続いている保護、期限の早い順。"""
    return [_protection(row) for row in await handle.rows(_STANDING)]


async def of_household(handle: Read, household_id: UUID) -> list[Protection]:
    return [_protection(row) for row in await handle.rows(_OF_HOUSEHOLD, {"household": household_id})]


async def to_change(tx: Transaction, protection_id: UUID) -> Protection:
    row = await tx.row(_ONE, {"protection": protection_id})
    if row is None:
        raise NotFound
    return _protection(row)


async def save(tx: Transaction, outcome: Outcome[Protection], by: StaffRef) -> None:
    """記録し、知らせる。保護の表は、ほかの窓口が聞いて書くのと同じ道で書く。"""
    one = outcome.state
    values = {"send_to": one.send_to, "restrictions": [r.value for r in one.restrictions], "note": one.note, "version": one.version}
    first = {"protection_id": one.id, "household_id": one.household_id, "declared_by": by.sub, "declared_by_name": by.name, "declared_at": tx.now}
    again = values | {"confirmed_at": tx.now, "confirmed_by_name": by.name}
    statement = insert(protection_note).values(first | values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["protection_id"], set_=again))
    await say(tx, *outcome.events)


async def say(tx: Transaction, *events: Event) -> None:
    for event in events:
        await rights.keep(tx, event)
    tx.publish(*events)


async def conflicts(handle: Read, household_id: UUID) -> Sequence[Row[tuple[UUID, str, str]]]:
    return await handle.rows(_CONFLICTS, {"household": household_id})


async def declare_conflict(tx: Transaction, event: ConflictDeclared) -> None:
    await say(tx, event)


async def clear_conflict(tx: Transaction, event: ConflictCleared) -> None:
    await say(tx, event)


def _protection(row: Row[tuple[object, ...]]) -> Protection:
    values = row._mapping
    return Protection(
        id=values["protection_id"],
        household_id=HouseholdId(values["household_id"]),
        member_id=MemberId(values["member_id"]),
        kind=ProtectionKind(values["kind"]),
        since=values["since"],
        expires_on=values["expires_on"],
        send_to=values["send_to"],
        restrictions=tuple(Restriction(one) for one in values["restrictions"]),
        note=values["note"],
        lifted_on=values["lifted_on"],
        version=values["version"],
    )
