"""保存期間: 期間の過ぎた世帯、消去（二段: 消えるものを見る → 消す）、消去の停止、同意のない相談の見直し、消去の受領。氏名は出さない。"""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.intake import erasure, erasure_store, household_store
from services.intake.access import OnDay
from services.intake.retention import Block, EraseReason, ErasureBlocked, next_review
from services.intake.typed import storable
from shared.contracts.event import HouseholdId
from shared.contracts.retention import HoldReason
from shared.desk import redirect, render
from shared.runtime import audit, holds
from shared.runtime.announce import unit_titles
from shared.runtime.auth import Recent, Staff
from shared.runtime.database import Rd, Tx
from shared.runtime.holds import HoldNotFound, LiftReason
from shared.runtime.policies import Gate
from shared.runtime.problems import ChangedMeanwhile, FormIncomplete, NotFound, refusals
from shared.runtime.retention import Periods, RecordClass
from shared.runtime.rights import enters

router = APIRouter(prefix="/retention")
PAGE = 50
LIFTED = [(one.value, one.label) for one in LiftReason]
#: 決める人
Decider = Annotated[Staff, enters(Gate.MANAGE_RETENTION)]


class NotConfirmed(FormIncomplete):
    code = "not_confirmed"

    def __init__(self) -> None:
        words = "「消えるものを確かめた」に印を付け、理由を選んでください。"
        super().__init__(words, fields={"sure": words})


class HoldNeedsReason(FormIncomplete):
    code = "hold_needs_reason"
    sentence = "停止する（解く）わけを選んでください。"


async def _form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=20)


Form = Annotated[FormData, Depends(_form)]


def _periods(request: Request, today: OnDay) -> Periods:
    return erasure.periods(today.date, request.app.state.settings.city_parameters)


InForce = Annotated[Periods, Depends(_periods)]


@dataclass(frozen=True)
class Entry:
    """期間の過ぎた世帯一つ。番号だけで示す。"""

    household_id: UUID
    due_on: Any
    blocks: tuple[Block, ...]


@router.get("")
async def overview(request: Request, rd: Rd, staff: Decider, today: OnDay, given: InForce, page: int = 1) -> Response:
    over = [
        Entry(household_id, found.due_on(given), found.blocks(today.date, given))
        for household_id, found in await erasure_store.consulted(rd)
        if found.due_on(given) <= today.date
    ]
    page = max(page, 1)
    context = {
        "entries": over[(page - 1) * PAGE : page * PAGE],
        "found": len(over),
        "page": page,
        "pages": -(-len(over) // PAGE),
        "leads": await _leads(rd, today, given),
        "holds": await holds.open_ones(rd),
        "lifted": LIFTED,
        "periods": [(one.label, given.of[one]) for one in RecordClass],
        "today": today.date,
        "errors": {},
    }
    return render(request, "retention.html", context)


async def _leads(rd: Rd, today: OnDay, given: Periods) -> list[tuple[UUID, str, Any, Any, bool]]:
    """見直す時期の、同意のない相談: (番号, 受付番号, 受け付けた日, 消える日, もう消えるか)。"""
    rows = await erasure_store.leads(rd, today.parameters.lead_routes, today.date)
    dated = [(row, *next_review(row.received_on, row.reviewed_on, given)) for row in rows]
    return [(row.id, row.receipt_no, row.received_on, gone, gone <= today.date) for row, review, gone in dated if review <= today.date]


@router.post("", responses=refusals(NotFound))
async def find(request: Request, rd: Rd, staff: Decider, form: Form) -> Response:
    """受付番号から、その世帯の消去の画面へ。"""
    household_id = await household_store.of_number(rd, storable(str(form.get("receipt_no", ""))).strip())
    if household_id is None:
        raise NotFound("この受付番号は見つかりません。受付簿で確かめてください。消した世帯は「消去の受領」に出ます。")
    return redirect(request, f"/intake/retention/households/{household_id}")


@router.get("/households/{household_id}", responses=refusals(NotFound))
async def dry_run(request: Request, household_id: UUID, rd: Rd, staff: Decider, recent: Recent, today: OnDay, given: InForce) -> Response:
    """消えるもの・残るもの・消せないわけ。まだ何も起きない。消したものは戻らないので、ここで確かめる: `Recent`。"""
    found = await erasure_store.standing(rd, household_id)
    if found is None:
        raise NotFound("この世帯は見つかりません。もう消されていれば「消去の受領」に出ます。")
    await audit.record(rd, staff, "view", "household", household_id, household_id=household_id, purpose="retention")
    contents = await erasure_store.contents(rd, household_id)
    blocks = found.blocks(today.date, given)
    context = {
        "household_id": household_id,
        "contents": contents,
        "due_on": found.due_on(given),
        "others_due_on": found.others_due_on(given),
        "blocks": blocks,
        "reasons": [(one.value, one.label) for one in (EraseReason.PERIOD_ENDED, EraseReason.REQUEST) if not set(blocks) - one.waives],
        "involved": await erasure_store.involvement(rd, household_id),
        "kinds": {"case": "ケース", "watch": "見守り"},
        "holds": await holds.of_household(rd, household_id),
        "hold_reasons": [(one.value, one.label) for one in HoldReason],
        "lifted": LIFTED,
        "titles": await unit_titles(rd),
        "errors": {},
    }
    return render(request, "erase.html", context)


@router.post("/households/{household_id}/erase", responses=refusals(NotFound, NotConfirmed, ErasureBlocked, ChangedMeanwhile))
async def erase(request: Request, household_id: UUID, tx: Tx, staff: Decider, recent: Recent, given: InForce, form: Form) -> Response:
    reason = str(form.get("reason", ""))
    if form.get("sure") != "1" or reason not in (EraseReason.PERIOD_ENDED, EraseReason.REQUEST):
        raise NotConfirmed
    await erasure.erase(tx, HouseholdId(household_id), EraseReason(reason), by=staff, given=given, seen=str(form.get("seen", "")))
    return redirect(request, "/intake/retention/receipts")


@router.post("/households/{household_id}/holds", responses=refusals(NotFound, HoldNeedsReason))
async def place_hold(request: Request, household_id: UUID, tx: Tx, staff: Decider, form: Form) -> Response:
    """消去を止める。期間が過ぎても、解くまで、どの窓口も消さない。"""
    reason = str(form.get("reason", ""))
    if reason not in list(HoldReason):
        raise HoldNeedsReason
    if not await erasure_store.hold_household(tx, household_id):
        raise NotFound("この世帯は見つかりません。もう消されていれば「消去の受領」に出ます。")
    await holds.place(tx, staff, HouseholdId(household_id), HoldReason(reason))
    return redirect(request, f"/intake/retention/households/{household_id}")


@router.post("/holds/{hold_id}/lift", responses=refusals(HoldNotFound, HoldNeedsReason))
async def lift_hold(request: Request, hold_id: UUID, tx: Tx, staff: Decider, form: Form) -> Response:
    why = str(form.get("why", ""))
    if why not in list(LiftReason):
        raise HoldNeedsReason
    await holds.lift(tx, staff, hold_id, why=LiftReason(why))
    return redirect(request, "/intake/retention")


@router.post("/leads/{consultation_id}/keep", responses=refusals(NotFound))
async def keep_lead(request: Request, consultation_id: UUID, tx: Tx, staff: Decider) -> Response:
    """見直して、続ける。きょうから数え直す。"""
    await erasure.keep_lead(tx, consultation_id, by=staff)
    return redirect(request, "/intake/retention")


@router.get("/receipts")
async def receipts(request: Request, rd: Rd, staff: Decider, page: int = 1) -> Response:
    """消去の受領: どの窓口が答え、どこがまだで、何がいつまで残るか。"""
    page = max(page, 1)
    found = await erasure_store.erasures(rd, page, PAGE + 1)
    context = {
        "erasures": found[:PAGE],
        "more": len(found) > PAGE,
        "page": page,
        "titles": await unit_titles(rd),
        "classes": {one.value: one.label for one in RecordClass} | _KEPT,
    }
    return render(request, "receipts.html", context)


_KEPT = {"legal_hold": "消去の停止", "case_open": "開いているケース", "watch_open": "続いている見守り"}
