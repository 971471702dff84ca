"""世帯の顔ぶれと地区: what a desk hears of a household from intake, without names, in its own tables `household` and `member`.

Of a protected household nothing says any longer where it lives: neither these tables nor the copy of its identity.
"""

from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.contracts.household import Area, HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.protection import ProtectionDeclared
from shared.runtime.copies import Copies
from shared.runtime.database import Transaction

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers

_REGISTERED = text("insert into household (household_id, area) values (:home, :area) on conflict (household_id) do update set area = excluded.area")
_HIDE = text("update household set area = :area where household_id = :home")
_LEFT = text("update member set left_reason = :reason, left_on = :day where household_id = :home and member_id = :member")
_HEARD = """
insert into member (household_id, member_id, role, birth_month) values (:home, :member, :role, :month)
on conflict (household_id, member_id) do update set role = excluded.role, birth_month = excluded.birth_month
"""
#: A member who joins again after leaving is present again; a correction leaves that as it is.
_CORRECTED, _JOINED = text(_HEARD), text(f"{_HEARD}, left_reason = null, left_on = null")


def hear_households(handlers: "Handlers", copies: Copies) -> None:
    from shared.messaging.projection import Kept

    told = handlers.projection("households", Kept("household"), Kept("member"))

    @handlers.on(HouseholdRegistered)
    @told.fed_by(HouseholdRegistered)
    async def household_registered(tx: Transaction, event: HouseholdRegistered, envelope: "Envelope") -> None:
        await tx.execute(_REGISTERED, {"home": event.household_id, "area": event.area.value})

    @handlers.on(ProtectionDeclared)
    @told.fed_by(ProtectionDeclared)
    async def place_hidden(tx: Transaction, event: ProtectionDeclared, envelope: "Envelope") -> None:
        await tx.execute(_HIDE, {"home": event.household_id, "area": Area.UNKNOWN.value})

    @handlers.on(ProtectionDeclared)
    async def contact_forgotten(tx: Transaction, event: ProtectionDeclared, envelope: "Envelope") -> None:
        await copies.forget_place(tx, event.household_id)

    @handlers.on(MemberJoined, MemberCorrected)
    @told.fed_by(MemberJoined, MemberCorrected)
    async def member_joined(tx: Transaction, event: MemberJoined | MemberCorrected, envelope: "Envelope") -> None:
        values = {"home": event.household_id, "member": event.member_id, "role": event.role.value, "month": event.birth_month}
        await tx.execute(_JOINED if isinstance(event, MemberJoined) else _CORRECTED, values)

    @handlers.on(MemberLeft)
    @told.fed_by(MemberLeft)
    async def member_left(tx: Transaction, event: MemberLeft, envelope: "Envelope") -> None:
        """ケースも見守りも終わらせない。終えるのは人が決める（画面に「転出」などの印が出る）。"""
        await tx.execute(_LEFT, {"home": event.household_id, "member": event.member_id, "reason": event.reason.value, "day": event.effective_on})
