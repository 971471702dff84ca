"""受信箱の新着を流す接続。一画面に一本。サインインの期限が来たら閉じ、ブラウザが続きからつなぎ直す。"""

import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.notify import lists, views
from services.notify.lists import Change
from services.notify.pages import Reader, parameters_for
from services.notify.sight import eyes, is_theirs
from services.notify.stream import Numbers
from shared.desk import templates_for
from shared.runtime import audit
from shared.runtime.announce import unit_titles
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.policies import Gate, Level
from shared.runtime.rights import put_on, rights_of
from shared.runtime.ticket import IDLE

router = APIRouter()


@router.get("/inbox/stream", response_class=EventSourceResponse)
async def stream(
    request: Request, staff: Reader, after: Annotated[int, Query(ge=0)] = 0, last_event_id: Annotated[str, Header()] = ""
) -> AsyncIterator[ServerSentEvent]:
    """`after` は一覧を出したときの番号。つなぎ直しでは Last-Event-ID が勝つ。"""
    database: Database = request.app.state.db
    numbers: Numbers = request.app.state.numbers
    position = int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else after
    async with database.read() as rd:
        await audit.record(rd, staff, "watch", "alert", "inbox")
    ticket, sessions = request.state.ticket, request.app.state.sessions
    until = ticket.idle + IDLE
    async for changes in numbers.changes(position):
        await sessions.refresh(database)
        if sessions.over(ticket):  # signed out elsewhere: nothing more is told
            return
        for change in changes:
            if html := await _html(request, change, staff):
                yield ServerSentEvent(raw_data=html, id=str(change.number))
        if time.time() > until:
            return


async def _html(request: Request, change: Change, staff: Staff) -> str:
    """Empty for what is hidden from this reader, judged anew each time. An alert that nobody it was sent to may see any more goes from the page."""
    database: Database = request.app.state.db
    async with database.read() as rd:
        rights = await rights_of(rd, staff, request.app.state.unit)
        if not rights.may(Level.KNOW, change.known.alert.household_id):
            return ""
        await put_on(rd, rights)
        rd.rights = rights
        if not is_theirs(rd, change.known.alert.to):
            return ""
        known = lists.shown(change.known, eyes(rd))
        if known is None and change.known.alert.reason != "unseen":
            return ""
        home, given = change.known.alert.household_id, ("alerts",) if known else ()
        await audit.record(rd, staff, "watch", "alert", change.known.alert.id, household_id=home, returned=given)
        shown = views.row(known, await unit_titles(rd), rd.now, parameters_for(request, rd)) if known else None
        states = await lists.counts(rd)
        tally = {"states": states, "counts": views.by_severity(states), "now": rd.now}
    template = templates_for(request.app.state.unit).get_template("alert_message.html")
    return template.render(row=shown, gone=change.known.alert.id, may_act=rights.enters(Gate.TRIAGE), announce=change.announce, **tally)
