"""The pages: E3 見守り名簿, E2 安否確認, つなぎ, 見守りの計画. Looking is recorded, too."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.outreach import heard, store, views
from services.outreach.access import Reader, Writer
from services.outreach.lists import Show
from shared.contracts.event import HouseholdId
from shared.desk import render
from shared.runtime import audit
from shared.runtime.database import Rd
from shared.runtime.problems import NotFound, refusals

router = APIRouter()
Page = Annotated[int, Query(ge=1, le=10_000)]


@router.get("/")
async def home(staff: Reader) -> Response:
    return RedirectResponse("/outreach/watch", status_code=303)


@router.get("/watch")
async def watch_list(request: Request, staff: Reader, rd: Rd, show: Show = "all", page: Page = 1) -> Response:
    """E3: 期限の早い順。"""
    shown = await views.watch_list(rd, staff, show, page)
    await audit.record(rd, staff, "list", "watch", show, households=views.listed(shown), returned=("name",), purpose="watch")
    return render(request, "watches.html", shown)


@router.get("/watch/{plan_id}", responses=refusals(NotFound))
async def watch_page(request: Request, plan_id: UUID, staff: Reader, rd: Rd, saved: bool = False) -> Response:
    """E2: 手元の写しだけで開く。受付が止まっていても記録できる。"""
    watch = await store.watch(rd, plan_id)
    await audit.record(
        rd, staff, "view", "watch", plan_id, household_id=watch.household_id, returned=views.GIVEN, purpose="watch", legal_basis=watch.legal_basis
    )
    return render(request, "watch.html", await views.watch_page(request, rd, staff, watch) | {"saved": saved})


@router.get("/referrals")
async def referral_list(request: Request, staff: Reader, rd: Rd, page: Page = 1) -> Response:
    """届いたつなぎ。"""
    shown = await views.referral_list(rd, staff, page)
    await audit.record(rd, staff, "list", "referral", "in", households=views.listed(shown), returned=("name",), purpose="watch")
    return render(request, "referrals.html", shown)


@router.get("/referrals/{referral_id}/plan", responses=refusals(NotFound))
async def plan_for_referral(request: Request, referral_id: UUID, staff: Writer, rd: Rd) -> Response:
    """つなぎを受理して、見守りを計画する。"""
    found = await store.referral(rd, referral_id)
    await audit.record(
        rd, staff, "view", "referral", referral_id, household_id=found.household_id, returned=("name", "birth"), purpose="watch",
        legal_basis=found.legal_basis,
    )  # fmt: skip
    return render(request, "plan.html", await views.plan_page(rd, staff, found.household_id, found))


@router.get("/households/{household_id}/plan", responses=refusals(NotFound))
async def plan_for_household(request: Request, household_id: UUID, staff: Writer, rd: Rd) -> Response:
    """すでに知っている世帯の、ほかの人の見守りを計画する。"""
    household = HouseholdId(household_id)
    if not await heard.members(rd, household):
        raise NotFound
    await audit.record(rd, staff, "view", "household", household_id, household_id=household_id, returned=("name", "birth"), purpose="watch")
    return render(request, "plan.html", await views.plan_page(rd, staff, household, None))
