"""職員のアカウントの点検と、利用を終わらせること。サインインの入口（/auth）に並ぶ、管理者の画面。"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from services.intake import accounts
from services.intake.access import OnDay
from services.intake.account import Ends, next_april
from services.intake.accounts import AccountUnknown
from shared.contracts.event import StaffId
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.auth import ROLE_LABELS, Recent, Staff
from shared.runtime.database import Rd, Tx
from shared.runtime.policies import Gate
from shared.runtime.problems import NotAllowed, refusals
from shared.runtime.rights import enters

router = APIRouter(prefix="/auth/accounts", responses=refusals(NotAllowed))
Manager = Annotated[Staff, enters(Gate.MANAGE_ACCOUNTS)]


@router.get("")
async def review(request: Request, staff: Manager, today: OnDay, rd: Rd) -> Response:
    """アカウントの一覧。期限のないものから。"""
    found = await accounts.everyone(rd)
    await audit.record(rd, staff, "list", "account", "all")
    counts = {kind: sum(one.ends(today.date) is kind for one in found) for kind in Ends}
    context = {"accounts": found, "counts": counts, "today": today.date, "april": next_april(today.date), "role_labels": ROLE_LABELS}
    return render(request, "accounts.html", context)


@router.get("/all")
async def before_ending_all(request: Request, staff: Manager, recent: Recent) -> Response:
    """全員の利用を終わらせる前の確かめ。"""
    return render(request, "accounts_end_all.html", {})


@router.post("/end", responses=refusals(AccountUnknown))
async def end_one(request: Request, staff: Manager, tx: Tx, sub: Annotated[StaffId, Form()]) -> Response:
    """この職員の利用を終わらせる。"""
    await accounts.end(tx, sub)
    await audit.record(tx, staff, "end_sessions", "account", sub)
    tx.on_commit(request.app.state.sessions.look_again)
    return redirect(request, "/auth/accounts")


@router.post("/all/end")
async def end_all(request: Request, staff: Manager, recent: Recent, tx: Tx) -> Response:
    """全員の利用を終わらせる。自分も終わるので、次はサインインになる。"""
    for sub in await accounts.end_all(tx):
        await audit.record(tx, staff, "end_sessions", "account", sub)
    tx.on_commit(request.app.state.sessions.look_again)
    return redirect(request, "/auth/accounts")
