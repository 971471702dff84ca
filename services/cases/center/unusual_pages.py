"""ふだんと違う閲覧: 月に一度、管理者が見る一覧。点は並べる順だけを決める。どれも、それだけでは不正ではない。"""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from services.cases.center import reading_mark, reading_marks, seen
from services.cases.center.reading_mark import Found, Line, MarkedMeanwhile, Outcome, OwnReading
from services.cases.center.reading_marks import Key
from services.cases.center.seen_pages import Auditor
from shared.contracts.event import Month, StaffId, UnitCode
from shared.contracts.seen import Why
from shared.contracts.unusual import UnusualAnswer, UnusualRequest
from shared.desk import redirect, render
from shared.desk.wareki import japan_day
from shared.runtime import audit, audit_words
from shared.runtime.announce import unit_titles
from shared.runtime.database import Database, Tx
from shared.runtime.problems import NotFound, refusals
from shared.runtime.unusual import rules_on

router = APIRouter()
#: 選べる月の数
MONTHS = 13


class Marking(BaseModel):
    """`seen`: 押した人の画面に出ていた印の番号（なければ 0）。"""

    month: Month
    unit: UnitCode
    actor: StaffId
    household_id: UUID
    seen: Annotated[int, Field(ge=0, le=10_000)]
    outcome: Outcome
    found: Found | Literal[""] = ""


@router.get("/seen/unusual")
async def unusual(request: Request, staff: Auditor, month: Annotated[str, Query(max_length=7)] = "") -> Response:
    """すべての窓口に、その月をたずねる。はじめは先月。"""
    months = _months(japan_day(datetime.now(UTC)))
    chosen = month if month in months else months[1]
    asked = UnusualRequest(by=staff.sub, roles=tuple(sorted(staff.roles)), month=chosen)
    database: Database = request.app.state.db
    async with database.read() as rd:
        titles, marks = await unit_titles(rd), await reading_marks.of_month(rd, chosen)
    answers = await seen.of_everybody({unit: _of_one(request.app.state.ask, unit, asked) for unit in titles})
    came = {unit: answer for unit, answer in answers.items() if answer}
    lines = [
        Line(unit, entry, marks.get(Key(unit, entry.actor, entry.household_id))) for unit, answer in came.items() for entry in answer.entries
    ]  # fmt: skip
    lines.sort(key=lambda line: (-line.entry.score, -line.entry.times, line.entry.actor, line.unit))
    values = {
        "lines": lines,
        "found": seen.Found(answered=tuple(came), silent=tuple(sorted(set(answers) - set(came)))),
        "readings": sum(answer.readings for answer in came.values()),
        "months": [(one, f"{one[:4]}年{int(one[5:])}月") for one in months],
        "month": chosen,
        "first": date.fromisoformat(f"{chosen}-01"),
        "rules": rules_on(date.fromisoformat(f"{chosen}-01"), request.app.state.settings.city_parameters),
        "titles": titles,
        "words": audit_words,
        "why": Why.AUDIT.value,
        "me": staff.sub,
        "waiting": sum(line.waits for line in lines),
        "asked": sum(line.asked for line in lines),
        "outcomes": list(Outcome),
        "reasons": [(one.value, one.label) for one in Found],
    }
    return render(request, "unusual.html", values)


@router.post("/seen/unusual", responses=refusals(NotFound, OwnReading, MarkedMeanwhile))
async def mark(request: Request, staff: Auditor, tx: Tx, given: Annotated[Marking, Form()]) -> Response:
    """一つの行に「照会」か「確認済」の印を付ける。先に付いた印があれば、それを見せて断る。"""
    months = _months(japan_day(tx.now))
    if given.month not in months:
        raise NotFound("この月の一覧は、もうありません。")
    reading_mark.must_be_anothers(given.actor, staff.sub)
    line = Key(given.unit, given.actor, given.household_id)
    await reading_marks.add(tx, given.month, line, given.seen, given.outcome, given.found or None, by=staff.sub)
    await reading_marks.forget(tx, months[-1])
    action = "confirm_reading" if given.outcome is Outcome.CONFIRMED else "ask_reader"
    await audit.record(tx, staff, action, "reading", given.actor, households=[given.household_id], purpose="audit")
    return redirect(request, f"/center/seen/unusual?month={given.month}")


async def _of_one(ask: seen.Ask, unit: str, asked: UnusualRequest) -> UnusualAnswer:
    return UnusualAnswer.model_validate_json(await ask(f"{unit}.unusual", asked.model_dump_json().encode(), timeout=seen.PATIENCE))


def _months(today: date) -> list[str]:
    """今月から、さかのぼって。"""
    found = [f"{today:%Y-%m}"]
    while len(found) < MONTHS:
        first = date.fromisoformat(f"{found[-1]}-01")
        found.append(f"{first - timedelta(days=1):%Y-%m}")
    return found
