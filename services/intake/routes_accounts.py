"""職員のアカウントの点検と、利用を終わらせること。サインインの入口（/auth）に並ぶ、管理者の画面。"""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from services.intake import accounts
from services.intake.access import OnDay, Today
from services.intake.account import Ends, HomeTooFine, home, next_april
from services.intake.accounts import AccountUnknown
from shared.contracts.event import StaffId
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.auth import ROLE_LABELS, Recent, Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.policies import Gate
from shared.runtime.problems import NotAllowed, refusals
from shared.runtime.rights import enters

router = APIRouter(prefix="/auth/accounts", responses=refusals(NotAllowed))
Manager = Annotated[Staff, enters(Gate.MANAGE_ACCOUNTS)]
Typed = Annotated[str, Form(max_length=200)]


@router.get("")
async def review(request: Request, staff: Manager, today: OnDay, rd: Rd) -> Response:
    """アカウントの一覧。期限のないものから。"""
    await audit.record(rd, staff, "list", "account", "all", returned=("name", "address"))
    return render(request, "accounts.html", await _list(rd, today))


async def _list(handle: Read, today: Today) -> dict[str, Any]:
    found = await accounts.everyone(handle)
    counts = {kind: sum(one.ends(today.date) is kind for one in found) for kind in Ends}
    about = {"accounts": found, "counts": counts, "today": today.date, "april": next_april(today.date), "role_labels": ROLE_LABELS}
    return about | {"unwritten": sum(not one.home.town for one in found), "typed": None, "errors": {}}


@router.post("/home", responses=refusals(AccountUnknown, HomeTooFine))
async def live_at(
    request: Request, staff: Manager, today: OnDay, tx: Tx, sub: Annotated[StaffId, Form()], town: Typed = "", block: Typed = ""
) -> Response:
    """この職員の自宅の町と番地。ふだんと違う閲覧で、近所の世帯を見たかを比べる。住所は便りにもログにも監査にも出ない。"""
    try:
        lives = home(town, block)
    except HomeTooFine as wrong:
        typed = {"sub": sub, "town": town, "block": block}
        return render(request, "accounts.html", await _list(tx, today) | {"typed": typed, "errors": wrong.fields}, status=422)
    await accounts.live_at(tx, sub, lives)
    await audit.record(tx, staff, "update", "account_home", sub)
    return redirect(request, "/auth/accounts")


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
