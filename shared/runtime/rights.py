"""What one reader may see of which household: one snapshot a request, judged by the policies, and handed to the database.

Only few households are special to anybody (protected, in conflict of interest, opened by break-glass, on the agenda of a conference the reader
attends today); the snapshot holds these. A hidden
household is hidden by the database itself (row_security.py), in every list, count, search and page, as if it did not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Row, TextClause, text

from shared.contracts.access import BreakGlassOpened, BreakGlassReviewed
from shared.contracts.conference import ConferenceClosed, ConferenceConvened
from shared.contracts.event import Event
from shared.contracts.protection import ConflictCleared, ConflictDeclared, ProtectionDeclared, ProtectionLifted
from shared.runtime.auth import KEEPER, ROLE_LABELS, Signed, Staff
from shared.runtime.policies import NOTHING, ORDINARY, Gate, Level, Place, Reader, Sight, Standing, may, may_enter, sight
from shared.runtime.problems import NotAllowed, NotFound
from shared.runtime.ticket import japan_day
from shared.runtime.unit import Unit

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers
    from shared.runtime.database import Read, Transaction

_SPECIAL = """
select s.household_id, bool_or(s.protected) as protected, bool_or(s.conflict) as conflict, max(s.until) as glass_until, {care_team} as care_team,
  bool_or(s.named) as named, array_remove(array_agg(s.conference_id order by s.conference_id), null) as conferences
from (
  select household_id, true as protected, false as conflict, cast(null as timestamptz) as until, cast(null as uuid) as conference_id, false as named
    from protection where lifted_on is null
  union all select household_id, false, true, null, null, false from conflict where staff = :me and cleared_on is null
  union all select household_id, false, false, until, null, false from break_glass where staff = :me and until > :now
  union all select household_id, false, false, null, conference_id, :me = any(staff) from conference
    where :today between convened_on and readable_until and (:me = any(staff) or units && cast(:units as text[]))
) s group by s.household_id
"""
_HIDE = text("select set_config('tsunagari.hidden', :hidden, true)")


def reader_of(staff: Staff) -> Reader:
    return Reader(staff.roles, staff.domains)


def place_of(unit: Unit) -> Place:
    """A domain's desk is a "desk"; every other unit is its own kind."""
    return Place("desk", unit.welfare_domain) if unit.welfare_domain else Place(unit.code.removeprefix("cases-"))


@dataclass(frozen=True, slots=True)
class Glass:
    """An open break-glass of this reader."""

    household_id: UUID
    until: datetime


@dataclass(frozen=True)
class Rights:
    """`special`: the households that are not like any other to this reader, here."""

    reader: Reader
    place: Place
    special: Mapping[UUID, Standing] = field(default_factory=dict)
    glasses: tuple[Glass, ...] = ()
    #: conferences this reader attends today → the household on the agenda
    conferences: Mapping[UUID, UUID] = field(default_factory=dict)
    #: the day in Japan on which the snapshot was taken
    today: date = field(default_factory=japan_day)

    def may(self, level: Level, household_id: UUID) -> bool:
        return may(self.reader, self.place, level, self.special.get(household_id, ORDINARY))

    def enters(self, gate: Gate) -> bool:
        return may_enter(self.reader, self.place, gate)

    def sight(self, household_id: UUID, *, own: bool = True) -> Sight:
        """Which facts of this household are read here. None where not even its summary is."""
        if not self.may(Level.SUMMARY, household_id):
            return NOTHING
        return sight(self.reader, self.place, self.today, own=own, glass=self.special.get(household_id, ORDINARY).glass)

    def attends(self, household_id: UUID) -> list[UUID]:
        """Conferences about this household that the reader attends today and may look into."""
        return [one for one, about in self.conferences.items() if about == household_id and self.may(Level.KNOW, household_id)]

    def check(self, level: Level, household_id: UUID) -> None:
        """NotFound where the household must not even be known, NotAllowed where it is known but not open to this extent."""
        if self.may(level, household_id):
            return
        if not self.may(Level.KNOW, household_id):
            raise NotFound
        raise NotAllowed(
            "この世帯のここから先を見る権限がありません。急ぐときは「緊急閲覧」を使ってください。", who_can="受け持ちの窓口、または管理者"
        )

    @property
    def without_glass(self) -> "Rights":
        """What this reader may do when nothing is broken open: whatever changes something is judged by this."""
        return replace(self, special={one: replace(standing, glass=False) for one, standing in self.special.items()}, glasses=())

    @property
    def hidden(self) -> list[UUID]:
        """A supervisor settles what waits in a household that is otherwise closed to them: of that one, the pages decide."""
        return [one for one in self.special if not (self.may(Level.KNOW, one) or self.may(Level.SETTLE, one))]

    def sees_place(self, household_id: UUID) -> bool:
        return self.may(Level.PLACE, household_id)


async def rights_of(handle: "Read", staff: Staff, unit: Unit, care_team: str = "false") -> Rights:
    """`care_team`: the unit's own SQL condition for "this person (:me) looks after household s.household_id here". One statement."""
    reader, today = reader_of(staff), japan_day(handle.now.timestamp())
    values = {"me": staff.sub, "now": handle.now, "today": today, "units": sorted(reader.units)}
    rows = await handle.rows(text(_SPECIAL.format(care_team=care_team)), values)
    special = {row.household_id: _standing(row) for row in rows}
    glasses = tuple(Glass(row.household_id, row.glass_until) for row in rows if row.glass_until and not row.conflict)
    conferences = {one: row.household_id for row in rows for one in row.conferences}
    return Rights(reader, place_of(unit), special, glasses, conferences, today)


def _standing(row: Row[Any]) -> Standing:
    return Standing(row.protected, row.conflict, row.care_team, row.glass_until is not None, bool(row.conferences), row.named)


async def put_on(handle: "Read", rights: Rights) -> None:
    """From here on the database shows this transaction nothing of what is hidden from the reader."""
    if hidden := rights.hidden:
        await handle.rows(_HIDE, {"hidden": "{" + ",".join(map(str, hidden)) + "}"})


async def judge(request: Request, handle: "Read") -> None:
    """For the handles of a request: whoever is signed in reads with their own rights."""
    staff = getattr(request.state, "staff", None)
    unit = getattr(request.app.state, "unit", None)
    if staff is None or unit is None or not unit.keeps_rights:
        return
    handle.rights = request.state.rights = await rights_of(handle, staff, unit, getattr(request.app.state, "care_team", "false"))
    await put_on(handle, handle.rights)


def enters(gate: Gate) -> Any:
    """`Depends` that gives the Staff whom the policies let through `gate` in this unit, else NotAllowed with the roles that may."""

    def check(request: Request, staff: Signed) -> Staff:
        place = place_of(request.app.state.unit)
        if may_enter(reader_of(staff), place, gate):
            return staff
        raise refusal(place, gate)

    return Depends(check)


def may_ask_for_glass(staff: Staff | None) -> bool:
    return staff is not None and may_enter(reader_of(staff), Place("intake"), Gate.REQUEST_GLASS)


def refusal(place: Place, gate: Gate) -> NotAllowed:
    """Says who may, found by asking the policies for each role."""
    able = [label for role, label in ROLE_LABELS.items() if may_enter(Reader(frozenset({role}), frozenset({place.domain})), place, gate)]
    return NotAllowed(f"この画面は「{'・'.join(able)}」の担当者のための画面です。", who_can=KEEPER)


def rights_in(request: Request) -> Rights:
    """The rights of this request. Put a handle (Rd or Tx) before it in the route's arguments."""
    found: Rights = request.state.rights
    return found


Judged = Annotated[Rights, Depends(rights_in)]

# ── what every unit keeps of it, heard from intake (intake keeps it as it says it)

_DECLARED = text(
    """
    insert into protection (protection_id, household_id, member_id, kind, since, expires_on)
    values (:protection_id, :household_id, :member_id, :kind, :since, :expires_on)
    on conflict (protection_id) do update set kind = excluded.kind, since = excluded.since, expires_on = excluded.expires_on
    """
)
_IS_PROTECTED = text("select exists (select from protection where household_id = :household_id and lifted_on is null)")
_LIFTED = text("update protection set lifted_on = :lifted_on where protection_id = :protection_id")
_CONFLICT = text(
    """
    insert into conflict (conflict_id, household_id, staff, kind) values (:conflict_id, :household_id, :staff, :kind)
    on conflict (conflict_id) do nothing
    """
)
_CLEARED = text("update conflict set cleared_on = :on where conflict_id = :conflict_id")
_GLASS = text(
    """
    insert into break_glass (access_id, household_id, staff, second, reason, opened_at, until)
    values (:access_id, :household_id, :staff, :second, :reason, :now, :until) on conflict (access_id) do nothing
    """
)
_REVIEWED = text("update break_glass set reviewed_at = :now, reviewed_by = :by, verdict = :verdict where access_id = :access_id")
_CONVENED = text(
    """
    insert into conference (conference_id, household_id, forum, units, staff, convened_on, ends_on, readable_until)
    values (:conference_id, :household_id, :forum, :units, :staff, :convened_on, :ends_on, :readable_until)
    on conflict (conference_id) do update set units = excluded.units, staff = excluded.staff, convened_on = excluded.convened_on,
      ends_on = excluded.ends_on, readable_until = excluded.readable_until
    """
)
_CLOSED = text("update conference set closed_on = :closed_on, readable_until = :readable_until where conference_id = :conference_id")

_KEEP: dict[type[Event], TextClause] = {
    ProtectionDeclared: _DECLARED, ProtectionLifted: _LIFTED, ConflictDeclared: _CONFLICT, ConflictCleared: _CLEARED, BreakGlassOpened: _GLASS,
    BreakGlassReviewed: _REVIEWED, ConferenceConvened: _CONVENED, ConferenceClosed: _CLOSED,
}  # fmt: skip


async def is_protected(handle: "Read", household_id: UUID) -> bool:
    return bool(await handle.scalar(_IS_PROTECTED, {"household_id": household_id}))


async def keep(tx: "Transaction", event: Event) -> None:
    """What an event says about rights; nothing for any other event."""
    statement = _KEEP.get(type(event))
    if statement is None:
        return
    values = event.model_dump() | {"now": tx.now, "on": tx.now.date()}
    await tx.execute(statement, {name: _plain(values[name]) for name in statement.compile().params})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def hear_rights(handlers: "Handlers") -> None:
    """Registered in every worker."""
    from shared.messaging.projection import Kept

    beside = {"protection": (), "conflict": ("cleared_on",), "break_glass": ("opened_at", "reviewed_at"), "conference": ()}
    kept = [Kept(table, columns, goes_last=True) for table, columns in beside.items()]
    known = handlers.projection("rights", *kept, own=True)
    for kind in _KEEP:

        async def heard(tx: "Transaction", event: Event, envelope: "Envelope") -> None:
            await keep(tx, event)

        known.fed_by(kind)(heard)
        handlers.on(kind)(heard)
