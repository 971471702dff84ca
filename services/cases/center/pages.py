"""The center's own pages: 会議の案 stands above the case list, and has a list of its own. One meeting is in meeting_pages.py."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.cases.casework import views
from services.cases.casework.access import At, Reader
from services.cases.casework.forms import in_days
from services.cases.casework.pages import BoardTab, Page
from services.cases.center import store
from services.cases.center.parameters import proposes_on
from shared.contracts.conference import Forum
from shared.contracts.household import Area
from shared.desk import render
from shared.desk.wareki import japan_day
from shared.runtime import audit
from shared.runtime.announce import announced_units
from shared.runtime.database import Rd, Read

router = APIRouter()


async def _drafts(handle: Read, desk: At, page: int = 1) -> dict[str, Any]:
    today = japan_day(handle.now)
    rows = [
        {
            "row": row, "draft": store.draft_of(row), "forum": Forum(row.forum), "area": Area(row.area).label if row.area else "",
            "due": in_days(japan_day(row.due), today),
        }
        for row in await store.drafts(handle, page)
    ]  # fmt: skip
    held = [{"row": row, "draft": store.draft_of(row), "ends": in_days(row.ends_on, today)} for row in await store.convened(handle)]
    return {
        "drafts": rows,
        "convened": held,
        "count_drafts": await store.count_drafts(handle),
        "proposes": proposes_on(today, desk.city),
        "titles": {unit.unit: unit.title for unit in await announced_units(handle)},
    }


# casework's own page of this door asks for the same and describes it in the schema
@router.get("/", include_in_schema=False)
async def board(request: Request, desk: At, staff: Reader, rd: Rd, tab: BoardTab = "mine", page: Page = 1) -> Response:
    """センターの担当ケースと、会議の案。"""
    shown = await views.board(rd, desk, staff, tab, page) | await _drafts(rd, desk)
    await audit.record(rd, staff, "list", "case", tab, households=_listed(shown), returned=views.ON_LISTS, purpose="casework")
    return render(request, "center_board.html", shown)


@router.get("/meetings")
async def meetings(request: Request, desk: At, staff: Reader, rd: Rd, page: Page = 1) -> Response:
    """会議の案と、招集した会議の一覧。"""
    values = views.common(rd, desk, staff) | await _drafts(rd, desk, page)
    await audit.record(rd, staff, "list", "conference_draft", page, households=_listed(values), returned=views.ON_LISTS, purpose="conference")
    return render(request, "meetings.html", values | {"page": page, "pages": -(-values["count_drafts"] // 50)})


def _listed(shown: dict[str, Any]) -> list[UUID]:
    return [*views.listed(shown), *(row["row"].household_id for name in ("drafts", "convened") for row in shown.get(name, ()))]
