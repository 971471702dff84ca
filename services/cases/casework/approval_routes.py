"""「明らかに本人の利益」の提供: 求めた人が待ち、別の上司が承認する・しない。承認と、知らせることは、一つの COMMIT。"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.cases.casework import approval, approval_views, approvals, records, store, telling, views
from services.cases.casework.access import At, Desk, Form, Writer
from services.cases.casework.approval import AlreadySettled, AlreadyTold, NotApproved, NotYours, OwnRequest, ReasonMissing, StillWaiting
from services.cases.casework.case import Case
from services.cases.casework.facts import Entry
from services.cases.casework.refer import Offer
from services.cases.casework.sitting import Sitting, on_case
from shared.contracts.decision import Outcome
from shared.desk import is_fragment, redirect, render
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import FormIncomplete, NotFound, Refusal, refusals
from shared.runtime.rights import enters

router = APIRouter(responses=refusals(NotFound, AlreadySettled))
LIST = "/approvals"
#: この窓口の上司
Supervisor = Annotated[Staff, enters(Gate.APPROVE)]


async def ask(at: Sitting, case: Case, entry: Entry | Offer) -> None:
    """打たれたことは残り、何も知らせない。"""
    asked = approval.ask(case, entry, at.typed.text("why_not_asked", 400), by=at.by, at=at.tx.now)
    at.typed.done()
    if await approvals.ask(at.tx, asked):
        await at.audit("ask_approval", "approval", asked.state.request_id, case, entry.legal_basis)


@router.get(LIST)
async def waiting(request: Request, desk: At, staff: Supervisor, rd: Rd) -> Response:
    """承認を待つ提供。氏名は出さない。ほかの窓口の上司でもあれば、その窓口の分も同じ画面に（`block="desk"` を読み込む）。"""
    return render(request, "approvals.html", await _page(rd, desk, staff), block="desk" if is_fragment(request) else None)


async def _page(handle: Read, desk: Desk, staff: Staff) -> dict[str, Any]:
    frame = views.common(handle, desk, staff)
    shown = await approval_views.waiting(handle, frame["rules"], frame["today"])
    if households := sorted({one.request.household_id for one in shown["rows"]}):
        await audit.record(handle, staff, "list", "approval", "waiting", households=households, returned=("facts",), purpose="casework")
    return frame | shown | {"desks": await approval_views.other_desks(handle, desk, staff), "me": staff.sub, "settling": None}


@router.post(LIST + "/{request_id}/approve", responses=refusals(OwnRequest, StillWaiting))
async def approve(request: Request, request_id: UUID, desk: At, staff: Supervisor, form: Form, tx: Tx) -> Response:
    """承認する。知らせられなくなっていれば StillWaiting: 何も変わらない。"""
    at = Sitting(request, desk, staff, form, tx)
    asked, case = await _to_settle(at, request_id)
    settled = approval.approve(asked, by=at.by, at=tx.now)
    if settled.state is not asked:
        await _tell(at, case, asked)
        await _save(at, case, settled, "approve")
    return redirect(request, at.base + LIST)


@router.post(LIST + "/{request_id}/decline", responses=refusals(OwnRequest, ReasonMissing))
async def decline(request: Request, request_id: UUID, desk: At, staff: Supervisor, form: Form, tx: Tx) -> Response:
    """わけをつけて、承認しない。求めた人がケースの画面で読む。"""
    at = Sitting(request, desk, staff, form, tx)
    asked, case = await _to_settle(at, request_id)
    reason, words = at.typed.choice("reason", NotApproved), at.typed.text("words", 400)
    try:
        at.typed.done()
        settled = approval.decline(asked, reason, words, by=at.by, at=tx.now)
    except (FormIncomplete, ReasonMissing) as wrong:
        back = {"one": asked, "settling": request_id, "given": at.typed.values(), "problems": wrong.fields}
        return render(request, "approvals.html", await _page(tx, desk, staff) | back, block="decline_form", status=422)
    if settled.state is not asked:
        await _save(at, case, settled, "decline")
    return redirect(request, at.base + LIST)


@router.post("/cases/{case_id}/approvals/{request_id}/withdraw", responses=refusals(NotYours))
async def withdraw(request: Request, case_id: UUID, request_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """求めた人が取り下げる。"""

    async def work(at: Sitting, case: Case) -> None:
        asked = await approvals.find(tx, request_id)
        if asked.case_id != case_id:
            raise NotFound
        settled = approval.withdraw(asked, by=at.by, at=tx.now)
        if settled.state is not asked:
            await _save(at, case, settled, "withdraw")

    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "fact", work)


async def _to_settle(at: Sitting, request_id: UUID) -> tuple[approval.Request, Case]:
    """The request as it stands once nobody else decides about its case. Raises NotFound（隠された世帯も）, NotAllowed（緊急閲覧は読むだけ）."""
    case = await store.case_to_change(at.tx, (await approvals.find(at.tx, request_id)).case_id)
    if at.tx.rights:
        at.tx.rights.check(Level.SETTLE, case.household_id)
    return await approvals.find(at.tx, request_id), case


async def _tell(at: Sitting, case: Case, asked: approval.Request) -> None:
    """Decided again, now, in the name of whoever asked. Raises StillWaiting."""
    try:
        if isinstance(asked.entry, Entry):
            told = await records.add_fact(at.tx, await telling.fact(at, case, asked.entry, by=asked.by, approved=True))
        else:
            told = await store.add_referral(at.tx, await telling.referral(at, case, asked.entry, approved=True), case_id=case.case_id)
        if not told:
            raise AlreadyTold
    except Refusal as refusal:
        raise StillWaiting("".join(refusal.fields.values()) or refusal.sentence) from refusal


async def _save(at: Sitting, case: Case, settled: Outcome[approval.Request], action: str) -> None:
    await approvals.settle(at.tx, settled)
    await at.audit(action, "approval", settled.state.request_id, case, settled.state.entry.legal_basis)
