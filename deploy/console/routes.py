"""The door for spans (this machine only) and the page that shows a flow (operators only)."""

import time
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from deploy.console import otlp, store, withdrawals
from deploy.console.flow import FlowUnknown, NumberUnreadable, flows
from deploy.console.housekeeping import oldest_kept
from deploy.console.page import Drawing, drawing
from shared.desk import render
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Tx
from shared.runtime.policies import Gate
from shared.runtime.problems import NotAllowed, Refusal, refusals
from shared.runtime.rights import enters

router = APIRouter()
Operator = Annotated[Staff, enters(Gate.OPERATE)]


def from_this_machine(request: Request) -> None:
    """A request that came through the gateway or from elsewhere has no business here."""
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host"))
    try:
        loopback = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        loopback = False
    if forwarded or not loopback:
        raise NotAllowed("この入口は同じサーバーの中からだけ使えます。")


@router.post(
    "/v1/traces",
    dependencies=[Depends(from_this_machine)],
    responses=refusals(otlp.BodyUnreadable, otlp.BodyTooLarge, otlp.WrongMediaType, NotAllowed),
    include_in_schema=False,
)
async def take_spans(request: Request) -> Response:
    """OTLP over HTTP. The connection to the database is taken after the body is read, so that a slow sender holds none."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != otlp.MEDIA_TYPE:
        raise otlp.WrongMediaType
    body = otlp.unpacked(await request.body(), request.headers.get("content-encoding", ""))
    now = time.time_ns()
    day = oldest_kept(datetime.fromtimestamp(now / 1e9, UTC).date(), request.app.state.settings)
    oldest = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
    arrival = otlp.read(body, now_ns=now, oldest_ns=oldest)
    async with request.app.state.db.transaction() as tx:
        await store.keep(tx, arrival.spans)
    return Response(arrival.answer(), media_type=otlp.MEDIA_TYPE)


@router.get("/ops", include_in_schema=False)
@router.get("/ops/", include_in_schema=False)
async def home(staff: Operator) -> RedirectResponse:
    return RedirectResponse("/ops/trace", status_code=303)


@router.get("/ops/trace", response_class=HTMLResponse, responses=refusals(NumberUnreadable, FlowUnknown, NotAllowed))
async def follow(
    request: Request,
    staff: Operator,
    tx: Tx,
    receipt: Annotated[str, Query(max_length=64)] = "",
    trace: Annotated[str, Query(max_length=64)] = "",
    statements: bool = False,
) -> HTMLResponse:
    """G4 流れを追う。"""
    typed = (receipt or trace).strip()
    if not typed:
        return _page(request, typed, [], None)
    try:
        drawn = [drawing(fall) for fall in await flows(tx, typed, statements=statements)]
    except (NumberUnreadable, FlowUnknown) as refusal:
        return _page(request, typed, [], refusal)
    await audit.record(tx, staff, "view", "trace", drawn[0].trace_id)
    return _page(request, typed, drawn, None, statements)


@router.get("/ops/withdrawals", response_class=HTMLResponse, responses=refusals(NotAllowed))
async def missing_receipts(request: Request, staff: Operator, rd: Rd) -> HTMLResponse:
    """G5 撤回の受領を返していない窓口。"""
    return render(request, "withdrawals.html", {"missing": await withdrawals.standing(rd)})


def _page(request: Request, typed: str, drawn: list[Drawing], refusal: Refusal | None, statements: bool = False) -> HTMLResponse:
    name = "trace" if drawn and typed.lower() == drawn[0].trace_id else "receipt"
    other = f"/ops/trace?{name}={quote(typed)}{'' if statements else '&statements=1'}"
    context = {"typed": typed, "flows": drawn, "refusal": refusal, "statements": statements, "other": other}
    return render(request, "trace.html", context, status=refusal.status if refusal else 200)
