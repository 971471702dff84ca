"""The center's own pages: 会議の案 stands above the case list, and has a list and a page of its own."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.cases.casework import heard, identity, portrait, views
from services.cases.casework.access import At, Reader
from services.cases.casework.decision import japan_day
from services.cases.casework.forms import in_days
from services.cases.casework.involvement import others
from services.cases.casework.pages import BoardTab, Page
from services.cases.center import store
from services.cases.center.conference import Draft, Forum
from services.cases.center.parameters import proposes_on
from shared.desk import render
from shared.runtime import audit
from shared.runtime.announce import announced_units
from shared.runtime.database import Rd, Read
from shared.runtime.problems import NotFound, refusals

router = APIRouter()


async def _drafts(handle: Read, desk: At, page: int = 1) -> dict[str, Any]:
    today = japan_day(handle.now)
    rows = [
        {"row": row, "draft": store.draft_of(row), "forum": Forum(row.forum), "due": in_days(japan_day(row.due), today)}
        for row in await store.drafts(handle, page)
    ]
    return {
        "drafts": rows,
        "count_drafts": await store.count_drafts(handle),
        "proposes": proposes_on(today, desk.city),
        "titles": {unit.unit: unit.title for unit in await announced_units(handle)},
    }


@router.get("/")
async def board(request: Request, desk: At, staff: Reader, rd: Rd, tab: BoardTab = "mine", page: Page = 1) -> Response:
    """センターの担当ケースと、会議の案。"""
    shown = await views.board(rd, desk, staff, tab, page) | await _drafts(rd, desk)
    await audit.record(rd, staff, "list", "case", tab, households=_listed(shown), returned=views.ON_LISTS, purpose="casework")
    return render(request, "center_board.html", shown)


@router.get("/meetings")
async def meetings(request: Request, desk: At, staff: Reader, rd: Rd, page: Page = 1) -> Response:
    """会議の案の一覧。"""
    values = views.common(rd, desk, staff) | await _drafts(rd, desk, page)
    await audit.record(rd, staff, "list", "conference_draft", page, households=_listed(values), returned=views.ON_LISTS, purpose="conference")
    return render(request, "meetings.html", values | {"page": page, "pages": -(-values["count_drafts"] // 50)})


@router.get("/meetings/{conference_id}", responses=refusals(NotFound))
async def meeting(request: Request, conference_id: UUID, desk: At, staff: Reader, rd: Rd) -> Response:
    """会議の案: どの会議か、なぜか、どの窓口が関わるか。"""
    draft = await store.draft(rd, conference_id)
    await audit.record(
        rd, staff, "view", "conference_draft", conference_id, household_id=draft.household_id, returned=views.SUMMARY_OF_CASE, purpose="conference"
    )
    return render(request, "meeting.html", views.common(rd, desk, staff) | await _meeting(rd, desk, draft))


def _listed(shown: dict[str, Any]) -> list[UUID]:
    return [*views.listed(shown), *(row["row"].household_id for row in shown["drafts"])]


async def _meeting(handle: Read, desk: At, draft: Draft) -> dict[str, Any]:
    today = japan_day(handle.now)
    units = await announced_units(handle)
    household = await heard.household(handle, draft.household_id)
    who = await identity.of_household(handle, draft.household_id)
    return {
        "draft": draft,
        "due": in_days(japan_day(draft.due), today),
        "proposes": proposes_on(today, desk.city),
        "household": household,
        "bar": who.first((), household),
        "people": [(member, who.people.get(member.member_id), portrait.age_of(member, who, today)) for member in household.members],
        "others": others(
            await heard.traces(handle, draft.household_id), own=desk.unit.code, desks={unit.unit: (unit.title, unit.base) for unit in units}
        ),
        "titles": {unit.unit: unit.title for unit in units},
        "names": f"/intake/_part/household/{draft.household_id}/header" if any(unit.base == "/intake" for unit in units) else None,
        "alerts": f"/_part/household/{draft.household_id}/alerts" if any(unit.base == "/" for unit in units) else None,
    }
