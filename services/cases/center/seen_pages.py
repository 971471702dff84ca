"""閲覧の記録: ある世帯をだれが・いつ・何の目的で見て、何を渡されたかを、すべての窓口にたずねる。たずねたことも残る。"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import text

from services.cases.casework.access import Form
from services.cases.center import breach, seen, seen_form
from services.cases.center.seen import Found, Sighting
from services.cases.center.seen_form import Question
from shared.contracts.event import HouseholdId
from shared.contracts.seen import SeenRequest, Why
from shared.desk import render
from shared.desk.wareki import japan_day
from shared.messaging.link import AWAY
from shared.messaging.requests import RequestFailed, RequestRefused
from shared.runtime import audit_words
from shared.runtime.announce import unit_titles
from shared.runtime.auth import Staff
from shared.runtime.database import Database, Rd
from shared.runtime.policies import Gate
from shared.runtime.problems import FormIncomplete
from shared.runtime.rights import enters

router = APIRouter()
Auditor = Annotated[Staff, enters(Gate.READ_AUDIT)]
#: 画面に出す行の上限。まとめは全部の行から作る
SHOWN = 500
_OF_MEMBER = text("select household_id from member where member_id = :id limit 1")


@router.get("/seen")
async def blank(request: Request, staff: Auditor, rd: Rd) -> Response:
    """閲覧の記録。はじめは90日間。"""
    return render(request, "seen.html", _values(seen_form.blank(japan_day(rd.now))) | {"answer": None})


@router.post("/seen")
async def who_saw(request: Request, staff: Auditor, form: Form) -> Response:
    """すべての窓口にたずねて並べる。"""
    typed = {name: str(form.get(name, "")) for name in seen_form.FIELDS}
    try:
        answer = await _ask(request, staff, seen_form.read(form, japan_day(datetime.now(UTC))))
    except FormIncomplete as incomplete:
        return render(request, "seen.html", _values(typed, incomplete.fields) | {"answer": None}, status=422)
    return render(request, "seen.html", _values(typed) | {"answer": answer, **_words(answer)})


@router.post("/seen/breach")
async def breach_report(request: Request, staff: Auditor, form: Form) -> Response:
    """漏えい等の報告の下書き（個人情報保護法68条）。だれが・いつ・何を見たかを記録から埋めて、印刷する。"""
    typed = {name: str(form.get(name, "")) for name in seen_form.FIELDS}
    now = datetime.now(UTC)
    today = japan_day(now)
    try:
        answer = await _ask(request, staff, seen_form.read(form, today))
    except FormIncomplete as incomplete:
        return render(request, "seen.html", _values(typed, incomplete.fields) | {"answer": None}, status=422)
    values = {
        "answer": answer,
        "deadlines": breach.deadlines(today),
        "today": today,
        "many": breach.MANY,
        "printed_at": now,
        "printed_by": staff.sub,
    }
    return render(request, "breach.html", values | _words(answer))


@dataclass(frozen=True)
class Answered:
    question: Question
    household_id: HouseholdId | None
    found: Found
    looked: tuple[Sighting, ...]
    askers: list[seen.Asker]
    readers: list[breach.Reader]
    titles: dict[str, str]


async def _ask(request: Request, staff: Staff, question: Question) -> Answered:
    """No transaction is open while the others are asked."""
    ask = request.app.state.ask
    asked = SeenRequest(
        by=staff.sub, roles=tuple(sorted(staff.roles)), why=question.why, actor=question.actor, since=question.since, until=question.until
    )
    database: Database = request.app.state.db
    async with database.read() as rd:
        titles = await unit_titles(rd)
        member_of = await rd.scalar(_OF_MEMBER, {"id": question.ident}) if question.ident else None
    ident = member_of or question.ident
    household_id = HouseholdId(ident) if ident else await _of_receipt(ask, question.receipt_no, asked)
    found = await seen.ask_everybody(ask, titles, asked.model_copy(update={"household_id": household_id}))
    looked = seen.looked(found.sightings)
    return Answered(question, household_id, found, looked, seen.askers(found.sightings), breach.readers(looked), titles)


async def _of_receipt(ask: seen.Ask, receipt_no: str | None, asked: SeenRequest) -> HouseholdId | None:
    if receipt_no is None:
        return None
    try:
        known = await seen.household_of_receipt(ask, asked.model_copy(update={"receipt_no": receipt_no}))
    except (RequestRefused, RequestFailed, *AWAY):
        sentence = "受付が答えないので、受付番号からさがせません。世帯の番号でさがすか、少し待ってください。"
        raise FormIncomplete(fields={"about": sentence}) from None
    if known is None:
        raise FormIncomplete(fields={"about": "この受付番号はありません。番号を確かめてください。"})
    return known


def _words(answer: Answered) -> dict[str, Any]:
    return {"words": audit_words, "titles": answer.titles, "shown": SHOWN}


def _values(typed: dict[str, str], errors: dict[str, str] | None = None) -> dict[str, Any]:
    return {"typed": typed, "errors": errors or {}, "whys": [(why.value, why.label) for why in Why]}
