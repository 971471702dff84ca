"""The pages of a case desk: C1 担当ケース, C2 ケース, C7 つなぎ票. Looking is recorded, too."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.cases.casework import lanes, store, views
from services.cases.casework.access import At, CaseReader, Reader, may_open
from services.cases.casework.case import Case
from services.cases.casework.note import Note
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read
from shared.runtime.policies import Level
from shared.runtime.problems import NotFound, refusals

router = APIRouter()

Page = Annotated[int, Query(ge=1, le=10_000)]
BoardTab = Literal["mine", "team", "overdue", "closed"]
ReferralTab = Literal["in", "out", "done"]
CaseTab = Literal["notes", "facts", "referrals"]
Kind = Annotated[str, Query(max_length=32)]


@router.get("/")
async def board(request: Request, desk: At, staff: Reader, rd: Rd, tab: BoardTab = "mine", page: Page = 1) -> Response:
    """C1: 届いたつなぎと、担当のケース。"""
    shown = await views.board(rd, desk, staff, tab, page)
    await audit.record(rd, staff, "list", "case", tab, households=views.listed(shown), returned=views.ON_LISTS, purpose="casework")
    return render(request, "board.html", shown)


@router.get("/referrals")
async def referral_list(request: Request, desk: At, staff: Reader, rd: Rd, tab: ReferralTab = "in", page: Page = 1) -> Response:
    """C7: つなぎ票。"""
    shown = await views.referral_list(rd, desk, staff, tab, page)
    await audit.record(rd, staff, "list", "referral", tab, households=views.listed(shown), returned=views.ON_LISTS, purpose="casework")
    return render(request, "referrals.html", shown)


@router.get("/cases/{case_id}", responses=refusals(NotFound))
async def case_page(
    request: Request,
    case_id: UUID,
    desk: At,
    staff: CaseReader,
    rd: Rd,
    tab: CaseTab = "notes",
    kind: Kind = "",
    correct: UUID | None = None,
    write: bool = False,
) -> Response:
    """C2: 一つのケース。`kind` は記録する事実、`correct` は訂正する記録、`write` は記録の様式を開いて出す。"""
    case = await looked_at(rd, staff, case_id)
    values = await views.case_page(rd, desk, staff, case, tab=tab, kind=kind, correct=await _note(rd, case, correct))
    return render(request, "case.html", values | {"writing": write or values["note"]["corrects"]})


@router.get("/households/{household_id}", responses=refusals(NotFound))
async def case_of_household(request: Request, household_id: UUID, desk: At, staff: CaseReader, rd: Rd) -> Response:
    """世帯の、この窓口のいちばん新しいケースへ（緊急閲覧や、ほかの窓口の画面から）。"""
    newest = await store.newest_case_of(rd, household_id)
    if rd.rights:
        may_open(rd.rights, household_id)
    if newest is None:
        raise NotFound
    return redirect(request, f"{desk.unit.base}/cases/{newest}")


@router.get("/cases/{case_id}/_part/fact", responses=refusals(NotFound))
async def fact_fields(request: Request, case_id: UUID, desk: At, staff: Reader, rd: Rd, kind: Kind = "") -> Response:
    """選んだ種類に合わせた、事実の様式。"""
    case = await looked_at(rd, staff, case_id)
    return render(request, "case.html", await views.case_page(rd, desk, staff, case, tab="facts", kind=kind), block="fact_form")


async def looked_at(handle: Read, staff: Staff, case_id: UUID) -> Case:
    """The case, and a row that says who opened it."""
    case = await store.case(handle, case_id)
    if handle.rights:
        may_open(handle.rights, case.household_id)
    whole = handle.rights is None or handle.rights.may(Level.FULL, case.household_id)
    await audit.record(
        handle, staff, "view", "case", case_id, household_id=case.household_id, returned=views.WHOLE_CASE if whole else views.SUMMARY_OF_CASE,
        purpose="casework", legal_basis=case.legal_basis,
    )  # fmt: skip
    return case


async def _note(handle: Read, case: Case, note_id: UUID | None) -> Note | None:
    if note_id is None:
        return None
    return next((note for note in (await lanes.notes(handle, case)).notes if note.note_id == note_id), None)
