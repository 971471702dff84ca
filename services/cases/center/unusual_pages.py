"""ふだんと違う閲覧: 月に一度、管理者が見る一覧。点は並べる順だけを決める。どれも、それだけでは不正ではない。"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.cases.casework.decision import japan_day
from services.cases.center import seen
from services.cases.center.seen_pages import Auditor
from shared.contracts.seen import Why
from shared.contracts.unusual import Unusual, UnusualAnswer, UnusualRequest
from shared.desk import render
from shared.runtime import audit_words
from shared.runtime.announce import unit_titles
from shared.runtime.database import Database
from shared.runtime.unusual import rules_on

router = APIRouter()
#: 選べる月の数
MONTHS = 13


@dataclass(frozen=True, slots=True)
class Line:
    """一つの窓口の一行。"""

    unit: str
    entry: Unusual


@router.get("/seen/unusual")
async def unusual(request: Request, staff: Auditor, month: Annotated[str, Query(max_length=7)] = "") -> Response:
    """すべての窓口に、その月をたずねる。はじめは先月。"""
    months = _months(japan_day(datetime.now(UTC)))
    chosen = month if month in months else months[1]
    asked = UnusualRequest(by=staff.sub, roles=tuple(sorted(staff.roles)), month=chosen)
    database: Database = request.app.state.db
    async with database.read() as rd:
        titles = await unit_titles(rd)
    answers = await seen.of_everybody({unit: _of_one(request.app.state.ask, unit, asked) for unit in titles})
    came = {unit: answer for unit, answer in answers.items() if answer}
    lines = [Line(unit, entry) for unit, answer in came.items() for entry in answer.entries]
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
    }
    return render(request, "unusual.html", values)


async def _of_one(ask: seen.Ask, unit: str, asked: UnusualRequest) -> UnusualAnswer:
    return UnusualAnswer.model_validate_json(await ask(f"{unit}.unusual", asked.model_dump_json().encode(), timeout=seen.PATIENCE))


def _months(today: date) -> list[str]:
    """今月から、さかのぼって。"""
    found = [f"{today:%Y-%m}"]
    while len(found) < MONTHS:
        first = date.fromisoformat(f"{found[-1]}-01")
        found.append(f"{first - timedelta(days=1):%Y-%m}")
    return found
