"""付けまちがえた写しの取消し: 受付の人が求め、別の管理者（保護された世帯では保護担当）が確かめて消す。"""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import consent_scan_store, household_store, scan_removal, scan_removal_store
from services.intake.access import Desk, OnDay
from services.intake.consent_scan import NothingSigned
from services.intake.consultation import StaffRef
from services.intake.protection_form import Fields
from services.intake.routes_scan import NO_SCAN, SCANS, Signed, as_a_file, note, screen, signed
from services.intake.scan_removal import NotTheSecond, Removal, RemovalIncomplete, RemovalReason, RemovalSettled, ScanHeld
from shared.contracts.event import LegalBasis
from shared.desk import redirect, render
from shared.runtime import audit, holds
from shared.runtime.auth import Recent, Staff
from shared.runtime.database import Rd, Transaction, Tx
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import NotFound, refusals
from shared.runtime.rights import enters

router = APIRouter()
LIST = "/scan-removals"
#: 取消しを決める二人目
Second = Annotated[Staff, enters(Gate.SETTLE_REMOVALS)]


@router.post(SCANS + "/removals", responses=refusals(RemovalIncomplete, NothingSigned))
async def ask(request: Request, household_id: UUID, consent_id: UUID, tx: Tx, staff: Desk, today: OnDay) -> Response:
    """取消しを求める。確かめられるまで、写しは「取消しの確認待ち」のまま残る。"""
    on = await signed(tx, household_id, consent_id, Level.WRITE)
    fields = Fields(await request.form(max_files=0, max_fields=20))
    try:
        asked = await _asked(tx, on, fields, StaffRef(staff.sub, staff.name))
    except RemovalIncomplete as incomplete:
        typed = {"scan_id": fields.text("scan_id", 40), "reason": fields.text("reason", 32)}
        return await screen(request, tx, on, today, "remove_form", removal=typed, removal_errors=incomplete.fields)
    if await scan_removal_store.ask(tx, asked):
        await note(tx, staff, "ask_removal", "consent_scan", asked.scan_id, on, purpose=asked.reason.value)
    return redirect(request, f"/intake/households/{on.home.id}/consents/{consent_id}/scans")


async def _asked(tx: Transaction, on: Signed, fields: Fields, by: StaffRef) -> Removal:
    """Raises RemovalIncomplete."""
    kept = {str(one.id): one for one in (await consent_scan_store.of_household(tx, on.home.id)).get(on.consent.id, [])}
    scan, reason = kept.get(fields.text("scan_id", 40)), fields.text("reason", 32)
    problems = {"scan_id": "取り消す写しを選んでください。"} if scan is None else {}
    if reason not in set(RemovalReason):
        problems["reason"] = "取り消すわけを選んでください。"
    if scan is None or problems:
        raise RemovalIncomplete(fields=problems)
    about = (on.consent.id, on.home.id, on.consent.member_id, scan.sha256)
    return Removal(uuid4(), scan.id, *about, RemovalReason(reason), tx.now, by)


@router.get(LIST)
async def waiting(request: Request, rd: Rd, staff: Second, recent: Recent) -> Response:
    """二人目が決めるのを待つ取消し。中身は、開くと決めた人にだけ（`paper`）。"""
    rows = await scan_removal_store.waiting(rd)
    homes = await household_store.load_many(rd, {one.household_id for one in rows})
    shown = [(one, homes[one.household_id]) for one in rows if one.household_id in homes]
    if shown:
        await audit.record(rd, staff, "list", "consent_scan", len(shown), households=sorted(homes), returned=("name",), purpose="consent")
    return render(request, "scan_removals.html", {"rows": shown, "me": staff.sub, "at_most": scan_removal_store.AT_MOST})


@router.get(LIST + "/{removal_id}/paper", response_class=Response, responses=refusals(NotFound))
async def paper(removal_id: UUID, rd: Rd, staff: Second) -> Response:
    """決める前に確かめる、その紙だけ。決めたあとは開けない。"""
    asked = await scan_removal_store.load(rd, removal_id)
    if rd.rights:
        rd.rights.check(Level.SETTLE, asked.household_id)
    found = await consent_scan_store.content(rd, asked.consent_id, asked.scan_id) if asked.waits else None
    if found is None:
        raise NotFound(NO_SCAN)
    home, why = asked.household_id, asked.reason.value
    await audit.record(rd, staff, "view", "consent_scan", asked.scan_id, household_id=home, returned=("name", "consent"), purpose=why)
    return as_a_file(asked.scan_id, *found)


@router.post(LIST + "/{removal_id}/confirm", responses=refusals(NotFound, NotTheSecond, RemovalSettled, ScanHeld))
async def confirm(request: Request, removal_id: UUID, tx: Tx, staff: Second, recent: Recent) -> Response:
    """確かめて、中身を消す。戻らないので `Recent`。"""
    asked = await _to_settle(tx, removal_id)
    held = bool(await holds.standing(tx, [asked.household_id]))
    decided = scan_removal.confirm(asked, StaffRef(staff.sub, staff.name), tx.now, held=held)
    return await _settled(request, tx, staff, decided, "remove")


@router.post(LIST + "/{removal_id}/keep", responses=refusals(NotFound, NotTheSecond, RemovalSettled))
async def keep(request: Request, removal_id: UUID, tx: Tx, staff: Second) -> Response:
    """取り消さない。写しはそのまま残る。"""
    asked = await _to_settle(tx, removal_id)
    return await _settled(request, tx, staff, scan_removal.keep(asked, StaffRef(staff.sub, staff.name), tx.now), "keep")


async def _to_settle(tx: Transaction, removal_id: UUID) -> Removal:
    """Raises NotFound（隠された世帯も）, NotAllowed（緊急閲覧は読むだけ）."""
    asked = await scan_removal_store.load(tx, removal_id, lock=True)
    if tx.rights:
        tx.rights.check(Level.SETTLE, asked.household_id)
    return asked


async def _settled(request: Request, tx: Transaction, staff: Staff, decided: Removal, action: str) -> Response:
    """どのファイルだったか（SHA-256）は、監査にも残す: 世帯の記録が消えたあとも。"""
    await scan_removal_store.settle(tx, decided)
    about = f"{decided.scan_id} sha256:{decided.sha256}"
    reason, home = decided.reason.value, decided.household_id
    await audit.record(tx, staff, action, "consent_scan", about, household_id=home, purpose=reason, legal_basis=LegalBasis.CONSENT)
    return redirect(request, "/intake" + LIST)
