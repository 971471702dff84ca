"""緊急閲覧の画面: 求める、立ち会う、点検する。"""

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import glass, glass_store
from services.intake.access import OnDay, Today
from services.intake.consultation import StaffRef
from services.intake.glass import Glass, GlassIncomplete, GlassSettled, Lasting, NoSuchHousehold, NotYours
from services.intake.protection_form import Fields
from shared.contracts.access import BreakGlassReason, Verdict
from shared.contracts.event import HouseholdId
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.auth import Recent, Staff
from shared.runtime.database import Rd, Tx
from shared.runtime.policies import Gate
from shared.runtime.problems import NotFound, refusals
from shared.runtime.rights import enters

router = APIRouter()
Asker = Annotated[Staff, enters(Gate.REQUEST_GLASS)]
Witness = Annotated[Staff, enters(Gate.WITNESS_GLASS)]
Reviewer = Annotated[Staff, enters(Gate.REVIEW_GLASS)]
CHOICES = {"reasons": [(one.value, one.label) for one in BreakGlassReason], "verdicts": [(one.value, one.label) for one in Verdict]}


def _lasting(today: Today) -> Lasting:
    return Lasting(today.parameters.glass_minutes, today.parameters.glass_review_days, today.parameters.calendar)


@router.get("/glass")
async def ask_page(
    request: Request, rd: Rd, staff: Asker, recent: Recent, today: OnDay, household: UUID | None = None, asked: bool = False
) -> Response:
    """止まる頁: 何が起きるかを読んでから開く。"""
    typed = {"number": str(household) if household else "", "reason": "", "note": ""}
    mine = await glass_store.of_staff(rd, staff.sub)
    return render(
        request, "glass.html", {"typed": typed, "errors": {}, "asked": asked, "mine": mine, "minutes": today.parameters.glass_minutes, **CHOICES}
    )


@router.post("/glass", responses=refusals(GlassIncomplete))
async def ask(request: Request, tx: Tx, staff: Asker, recent: Recent, today: OnDay) -> Response:
    """`Recent`: whoever sits there has signed in within the last minutes; a screen left open is not enough."""
    fields = Fields(await request.form())
    number, note = fields.text("number", 40), fields.text("note")
    try:
        if not number:
            raise GlassIncomplete(fields={"number": "世帯番号か受付番号を入れてください。"})
        reason = glass.check(fields.text("reason", 32), note)
    except GlassIncomplete as incomplete:
        context: dict[str, Any] = {"typed": {"number": number, "reason": fields.text("reason", 32), "note": note}, "errors": incomplete.fields}
        context |= {"asked": False, "mine": await glass_store.of_staff(tx, staff.sub), "minutes": today.parameters.glass_minutes}
        return render(request, "glass.html", context | CHOICES, status=422)
    household_id, known, at_once = await glass_store.look(request.app.state.db, staff.sub, _as_id(number), number)
    asked = Glass(uuid4(), HouseholdId(household_id), known, StaffRef(staff.sub, staff.name), reason, note, tx.now)
    outcome = glass.ask(asked, at_once=at_once, today=today.date, lasting=_lasting(today))
    await glass_store.save(tx, outcome)
    await audit.record(tx, staff, "break_glass", "household", household_id, household_id=household_id, purpose=reason.value)
    return redirect(request, f"/intake/households/{household_id}" if outcome.events else "/intake/glass?asked=1")


def _as_id(number: str) -> UUID | None:
    try:
        return UUID(number)
    except ValueError:
        return None


@router.get("/glass/waiting")
async def waiting(request: Request, rd: Rd, staff: Witness) -> Response:
    """立会いを待つ申請。"""
    return render(request, "glass_waiting.html", {"rows": await glass_store.waiting(rd)})


@router.post("/glass/{access_id}/witness", responses=refusals(NotFound, NotYours, GlassSettled, NoSuchHousehold))
async def witness(request: Request, access_id: UUID, tx: Tx, staff: Witness, today: OnDay) -> Response:
    asked = await glass_store.to_change(tx, access_id)
    outcome = glass.witness(asked, StaffRef(staff.sub, staff.name), at=tx.now, today=today.date, lasting=_lasting(today))
    await glass_store.save(tx, outcome)
    await audit.record(tx, staff, "witness", "break_glass", access_id, household_id=asked.household_id, purpose=asked.reason.value)
    return redirect(request, "/intake/glass/waiting")


@router.post("/glass/{access_id}/refuse", responses=refusals(NotFound, NotYours, GlassSettled))
async def refuse(request: Request, access_id: UUID, tx: Tx, staff: Witness) -> Response:
    asked = await glass_store.to_change(tx, access_id)
    await glass_store.save(tx, glass.refuse(asked, StaffRef(staff.sub, staff.name)))
    await audit.record(tx, staff, "refuse", "break_glass", access_id, household_id=asked.household_id, purpose=asked.reason.value)
    return redirect(request, "/intake/glass/waiting")


@router.get("/glass/reviews")
async def reviews(request: Request, rd: Rd, staff: Reviewer, today: OnDay) -> Response:
    """点検を待つ緊急閲覧。"""
    rows = await glass_store.opened(rd)
    return render(request, "glass_reviews.html", {"rows": rows, "today": today.date, "days": today.parameters.glass_review_days, **CHOICES})


@router.post("/glass/{access_id}/review", responses=refusals(NotFound, NotYours, GlassSettled, GlassIncomplete))
async def review(request: Request, access_id: UUID, tx: Tx, staff: Reviewer) -> Response:
    verdict = Fields(await request.form()).text("verdict", 32)
    if verdict not in set(Verdict):
        raise GlassIncomplete("「必要だった」か「必要とは言えない」を選んでください。", fields={"verdict": "どちらかを選んでください。"})
    opened = await glass_store.to_change(tx, access_id)
    await glass_store.save(tx, glass.review(opened, StaffRef(staff.sub, staff.name), Verdict(verdict)))
    await audit.record(tx, staff, "review", "break_glass", access_id, household_id=opened.household_id, purpose=verdict)
    return redirect(request, "/intake/glass/reviews")
