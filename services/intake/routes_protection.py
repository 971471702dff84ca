"""保護と利害関係: 始める・延ばす・終える。始めるのは窓口のだれでも、その先は保護担当。"""

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import following, household_store, pages, protection_form, protection_store
from services.intake import protection as decide
from services.intake.access import OnDay, Today
from services.intake.consultation import StaffRef
from services.intake.household import Household
from services.intake.protection import Protection, ProtectionIncomplete, ReasonForLifting, Restriction
from services.intake.protection_form import Fields
from shared.contracts.event import HouseholdId
from shared.contracts.protection import ConflictCleared, ConflictKind, ProtectionKind
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.policies import Gate
from shared.runtime.problems import ChangedMeanwhile, NotFound, refusals
from shared.runtime.rights import enters

router = APIRouter()
Declarer = Annotated[Staff, enters(Gate.DECLARE_PROTECTION)]
Officer = Annotated[Staff, enters(Gate.GUARD)]
ConflictKeeper = Annotated[Staff, enters(Gate.DECLARE_CONFLICT)]

CHOICES = {
    "kinds": [(kind.value, kind.label) for kind in ProtectionKind],
    "restrictions": [(one.value, one.label) for one in Restriction],
    "conflict_kinds": [(kind.value, kind.label) for kind in ConflictKind],
}
EMPTY = {"member_id": "", "kind": "", "since": "今日", "expires_on": "", "send_to": "", "restrictions": (), "note": "", "staff": ""}


async def _page(handle: Read, home: Household, today: Today, **more: Any) -> dict[str, Any]:
    return {
        "home": home,
        "members": [(str(member.id), pages.describe(member, today.date)) for member in home.present],
        "standing": [_row(one, home, today) for one in await protection_store.of_household(handle, home.id)],
        "conflicts": [(row.conflict_id, row.staff, ConflictKind(row.kind).label) for row in await protection_store.conflicts(handle, home.id)],
        "sees_place": handle.rights is None or handle.rights.sees_place(home.id),
        "guards": bool(handle.rights and handle.rights.enters(Gate.GUARD)),
        "keeps_conflicts": bool(handle.rights and handle.rights.enters(Gate.DECLARE_CONFLICT)),
        "typed": EMPTY,
        "errors": {},
        **CHOICES,
        **more,
    }


def _row(one: Protection, home: Household, today: Today) -> dict[str, Any]:
    name = next((member.display_name for member in home.members if member.id == one.member_id), "（離れた人）")
    return {"one": one, "name": name, "urge": one.urge(today.date, today.parameters.remind_days)}


@router.get("/households/{household_id}/protection", responses=refusals(NotFound))
async def show(request: Request, household_id: UUID, rd: Rd, staff: Declarer, today: OnDay) -> Response:
    home = await household_store.load(rd, household_id)
    await audit.record(rd, staff, "view", "protection", home.id, household_id=home.id, returned=("name", "protection"), purpose="protection")
    return render(request, "protection.html", await _page(rd, home, today))


@router.post("/households/{household_id}/protection", responses=refusals(NotFound, ProtectionIncomplete))
async def declare(request: Request, household_id: UUID, tx: Tx, staff: Declarer, today: OnDay) -> Response:
    """保護を始める。押した人も、保護担当か受け持ちでなければ、この先は見えなくなる。"""
    home = await household_store.load(tx, household_id, lock=True)
    fields = Fields(await request.form())
    try:
        outcome = decide.declare(protection_form.protection(fields, home.id, today.date), home)
    except ProtectionIncomplete as incomplete:
        typed = EMPTY | {name: fields.text(name) for name in EMPTY if name != "restrictions"} | {"restrictions": fields.all("restrictions")}
        return render(request, "protection.html", await _page(tx, home, today, typed=typed, errors=incomplete.fields), status=422)
    by = StaffRef(staff.sub, staff.name)
    await protection_store.save(tx, outcome, by)
    for protected in (home.id, *await following.protect_already(tx, outcome.state, by, today.date)):
        await audit.record(tx, staff, "protect", "household", protected, household_id=protected, purpose="protection")
    return redirect(request, "/intake/protection/declared")


@router.get("/protection/declared")
async def declared(request: Request, staff: Declarer) -> Response:
    """保護を始めたあとの頁。世帯は、もう開けないことが多いので、ここで終わる。"""
    return render(request, "protection_declared.html", {})


@router.get("/protections")
async def standing(request: Request, rd: Rd, staff: Officer, today: OnDay) -> Response:
    """続いている保護。期限の切れたもの、近いものから。"""
    found = await protection_store.standing(rd)
    homes = await household_store.load_many(rd, {one.household_id for one in found})
    rows = [_row(one, homes[one.household_id], today) for one in found if one.household_id in homes]
    homes_shown = [one.household_id for one in found]
    await audit.record(rd, staff, "list", "protection", len(found), households=homes_shown, returned=("name", "protection"), purpose="protection")
    return render(request, "protections.html", {"rows": rows, "remind_days": today.parameters.remind_days})


@router.post("/protections/{protection_id}/renew", responses=refusals(NotFound, ChangedMeanwhile, ProtectionIncomplete))
async def renew(request: Request, protection_id: UUID, tx: Tx, staff: Officer, today: OnDay) -> Response:
    fields = Fields(await request.form())
    known = await protection_store.to_change(tx, protection_id)
    until = fields.day("expires_on", today.date, needed="新しい期限を入れてください。")
    fields.done()
    assert until is not None
    outcome = decide.renew(known, until, seen_version=fields.version(), today=today.date)
    by = StaffRef(staff.sub, staff.name)
    await protection_store.save(tx, outcome, by)
    for one in (known, *await following.renew_too(tx, outcome.state, by, today.date)):
        await audit.record(tx, staff, "renew", "protection", one.id, household_id=one.household_id, purpose="protection")
    return redirect(request, f"/intake/households/{known.household_id}/protection")


@router.post("/protections/{protection_id}/lift", responses=refusals(NotFound, ChangedMeanwhile, ReasonForLifting))
async def lift(request: Request, protection_id: UUID, tx: Tx, staff: Officer, today: OnDay) -> Response:
    fields = Fields(await request.form())
    known = await protection_store.to_change(tx, protection_id)
    home = await household_store.load(tx, known.household_id, lock=True)
    others = len(await protection_store.of_household(tx, home.id)) - 1
    outcome = decide.lift(known, home, reason=fields.text("reason"), seen_version=fields.version(), on=today.date, others=others)
    await protection_store.save(tx, outcome, StaffRef(staff.sub, staff.name))
    await audit.record(tx, staff, "unprotect", "protection", protection_id, household_id=home.id, purpose="protection")
    return redirect(request, f"/intake/households/{home.id}/protection")


@router.post("/households/{household_id}/conflicts", responses=refusals(NotFound, ProtectionIncomplete))
async def declare_conflict(request: Request, household_id: UUID, tx: Tx, staff: ConflictKeeper, today: OnDay) -> Response:
    """この職員には見せない（親族・近所・同僚・相手方）。"""
    home = await household_store.load(tx, household_id, lock=True)
    fields = Fields(await request.form())
    try:
        other, kind = protection_form.conflict(fields)
    except ProtectionIncomplete as incomplete:
        typed = EMPTY | {"staff": fields.text("staff", 64)}
        return render(request, "protection.html", await _page(tx, home, today, typed=typed, errors=incomplete.fields), status=422)
    await protection_store.declare_conflict(tx, decide.conflict(uuid4(), home.id, other, kind))
    await audit.record(tx, staff, "declare_conflict", "household", home.id, household_id=home.id, purpose="protection")
    return redirect(request, f"/intake/households/{home.id}/protection")


@router.post("/households/{household_id}/conflicts/{conflict_id}/clear", responses=refusals(NotFound))
async def clear_conflict(request: Request, household_id: UUID, conflict_id: UUID, tx: Tx, staff: ConflictKeeper) -> Response:
    home = await household_store.load(tx, household_id, lock=True)
    if conflict_id not in {row.conflict_id for row in await protection_store.conflicts(tx, home.id)}:
        raise NotFound
    await protection_store.clear_conflict(
        tx, ConflictCleared(household_id=HouseholdId(household_id), legal_basis=decide.BASIS, conflict_id=conflict_id)
    )
    await audit.record(tx, staff, "clear_conflict", "household", home.id, household_id=home.id, purpose="protection")
    return redirect(request, f"/intake/households/{home.id}/protection")
