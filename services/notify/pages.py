"""The screens of notify: 今日 (A1), 気づきの受信箱 (D1), 連絡票, and the slot for other units' pages."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.notify import alert as decide
from services.notify import lists, store, views
from services.notify.alert import Alert, Holder, Outcome
from services.notify.deadlines import day_of
from services.notify.household import Stage
from services.notify.lists import Filter
from services.notify.parameters import Parameters, parameters_on
from services.notify.sight import eyes, eyes_with, is_theirs, oversees
from shared.contracts.alert import DismissReason
from shared.contracts.household import Area
from shared.desk import is_fragment, redirect, render
from shared.runtime import audit
from shared.runtime.announce import announced_units, unit_titles
from shared.runtime.auth import Signed, Staff
from shared.runtime.database import Rd, Read, Transaction, Tx
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import ChangedMeanwhile, FormIncomplete, NotAllowed, NotFound, refusals
from shared.runtime.rights import Judged, enters

router = APIRouter()

Reader = Annotated[Staff, enters(Gate.READ_INBOX)]
Answerer = Annotated[Staff, enters(Gate.TRIAGE)]
Onlooker = Annotated[Staff, enters(Gate.READ_STRIP)]
Revision = Annotated[int, Form()]
#: where the button stood: in the row, or in the detail
Place = Annotated[str, Form()]


class OnlyThroughGlass(NotAllowed):
    code = "only_through_glass"
    sentence = "緊急閲覧で開いた気づきは、見るだけです。確かめる・閉じるのは、あて先の窓口の人に頼んでください。"


class AskedAlone(NotFound):
    code = "asked_alone"
    sentence = "この欄は、ほかの画面の中に表示されるものです。世帯やケースの画面を開いてください。"


def parameters_for(request: Request, handle: Read) -> Parameters:
    return parameters_on(day_of(handle.now), request.app.state.settings.city_parameters)


# ── 今日（A1）


@router.get("/", response_class=HTMLResponse)
async def today(request: Request, staff: Signed, rd: Rd, rights: Judged) -> HTMLResponse:
    """だれでも開ける。受信箱のある職員には開いている気づき、だれにも仕事の入口。"""
    given, titles = parameters_for(request, rd), await unit_titles(rd)
    has_inbox = rights.enters(Gate.READ_INBOX)
    rows = [views.row(one, titles, rd.now, given) for one in await lists.inbox(rd, Filter())] if has_inbox else []
    if rows:
        await audit.record(rd, staff, "list", "alert", "home", households=[row.alert.household_id for row in rows[:5]], returned=("alerts",))
    context = {
        "rows": rows[:5],
        "counts": views.by_severity(await lists.counts(rd)),
        "has_inbox": has_inbox,
        "own": not oversees(rd),
        "today": day_of(rd.now),
    }
    return render(request, "home.html", context)


# ── 受信箱（D1）


@router.get("/inbox", response_class=HTMLResponse)
async def inbox(request: Request, staff: Reader, rd: Rd, wanted: Annotated[Filter, Query()]) -> HTMLResponse:
    shown = await _inbox(request, rd, wanted)
    await audit.record(rd, staff, "list", "alert", "inbox", households=_listed(shown), returned=("alerts",))
    return render(request, "inbox.html", shown | {"opened": None, **_choices(rd)})


@router.get("/inbox/alerts/{alert_id}", response_class=HTMLResponse, responses=refusals(store.AlertNotFound))
async def open_alert(request: Request, alert_id: UUID, staff: Reader, rd: Rd) -> HTMLResponse:
    known = await lists.one(rd, alert_id)
    shown = await _opened(request, rd, known)
    whole = {} if is_fragment(request) else await _inbox(request, rd, Filter(closed=not known.alert.state.is_open))
    household_id, given = known.alert.household_id, ("alerts", "involvement")
    await audit.record(rd, staff, "view", "alert", alert_id, household_id=household_id, households=_listed(whole), returned=given, purpose="triage")
    return render(request, "inbox.html", whole | shown, block="detail")


@router.get("/inbox/alerts/{alert_id}/calls", response_class=HTMLResponse, responses=refusals(store.AlertNotFound))
async def call_list(request: Request, alert_id: UUID, staff: Reader, rd: Rd) -> HTMLResponse:
    """連絡票: どの窓口に、何を、いつまでに確かめるか。電話番号は載せない（庁内の番号表を使う）。"""
    known = await lists.one(rd, alert_id)
    household_id, given = known.alert.household_id, ("alerts", "involvement")
    await audit.record(rd, staff, "print", "alert", alert_id, household_id=household_id, returned=given, purpose="call_list")
    opened = views.row(known, await unit_titles(rd), rd.now, parameters_for(request, rd))
    return render(request, "calls.html", {"row": opened, "calls": opened.desks or [_addressee(opened)], "printed_at": rd.now})


def _addressee(opened: views.Row) -> dict[str, str]:
    """まだどの窓口も関わっていなければ、あて先に連絡する。"""
    return {"title": opened.to, "stage": "あて先", "since": ""}


# ── 操作


@router.post("/inbox/alerts/{alert_id}/acknowledge", responses=refusals(decide.AlertIsClosed, ChangedMeanwhile))
async def acknowledge(request: Request, alert_id: UUID, revision: Revision, staff: Answerer, tx: Tx, place: Place = "row") -> Response:
    alert = await _to_change(tx, alert_id)
    return await _save(request, tx, staff, place, "acknowledge", alert, decide.acknowledge(alert, revision=revision, at=tx.now))


@router.post("/inbox/alerts/{alert_id}/take", responses=refusals(decide.AlertIsClosed, ChangedMeanwhile))
async def take(request: Request, alert_id: UUID, revision: Revision, staff: Answerer, tx: Tx, place: Place = "row") -> Response:
    alert = await _to_change(tx, alert_id)
    return await _save(request, tx, staff, place, "take", alert, decide.take(alert, by=Holder(staff.sub, staff.name), revision=revision, at=tx.now))


@router.post("/inbox/alerts/{alert_id}/dismiss", responses=refusals(decide.AlertIsClosed, ChangedMeanwhile, FormIncomplete))
async def dismiss(
    request: Request, alert_id: UUID, revision: Revision, staff: Answerer, tx: Tx, reason: Annotated[str, Form()] = "", place: Place = "row"
) -> Response:
    alert = await _to_change(tx, alert_id)
    if reason not in set(DismissReason):
        return await _reason_missing(request, tx, alert)
    return await _save(request, tx, staff, place, "dismiss", alert, decide.dismiss(alert, DismissReason(reason), revision=revision, at=tx.now))


@router.post("/inbox/alerts/{alert_id}/done", responses=refusals(decide.AlertIsClosed, ChangedMeanwhile))
async def done(request: Request, alert_id: UUID, revision: Revision, staff: Answerer, tx: Tx, place: Place = "row") -> Response:
    alert = await _to_change(tx, alert_id)
    return await _save(request, tx, staff, place, "done", alert, decide.finish(alert, revision=revision, at=tx.now))


# ── ほかの画面の中の欄


@router.get("/_part/household/{household_id}/alerts", response_class=HTMLResponse, responses=refusals(AskedAlone))
async def household_alerts(request: Request, household_id: UUID, staff: Onlooker, rd: Rd) -> HTMLResponse:
    """その世帯の気づき: ルールの言葉と状態だけ。ケース担当には、関わりのある世帯のものだけ。"""
    if not is_fragment(request):
        raise AskedAlone
    involved = {one.unit for one in (await store.known(rd, household_id)).seen_by(eyes(rd)).involvement()}
    may_see = oversees(rd) or "outreach" in staff.roles or bool(involved & eyes(rd).units)
    found = await lists.of_household(rd, household_id) if may_see else []
    told = ("alerts",) if may_see else ()
    await audit.record(rd, staff, "view", "household_alerts", household_id, household_id=household_id, returned=told, purpose="case")
    titles, given = await unit_titles(rd), parameters_for(request, rd)
    rows = [views.row(one, titles, rd.now, given) for one in found]
    rows.sort(key=lambda one: (not one.alert.state.is_open, one.alert.severity, one.alert.due))
    context = {"rows": rows, "may_see": may_see, "linked": {one.alert.id for one in rows if is_theirs(rd, one.alert.to)}, "now": rd.now}
    return render(request, "household_alerts.html", context)


# ── 読み込み


async def _to_change(tx: Transaction, alert_id: UUID) -> Alert:
    """根拠をそろえたまま、変えるために読む。押した人の受信箱にない気づきは、ない。Raises AlertNotFound, OnlyThroughGlass."""
    known = await lists.one(tx, alert_id)
    found = await store.alert(tx, alert_id, to_change=True)
    usual = tx.rights.without_glass if tx.rights else None
    if usual and not (usual.may(Level.KNOW, found.household_id) and lists.shown(views.Known(found, known.household), eyes_with(usual))):
        raise OnlyThroughGlass
    return found


async def _save(request: Request, tx: Transaction, staff: Staff, place: str, action: str, before: Alert, outcome: Outcome) -> Response:
    """保存し、押した場所に合わせて一行と一枚を返す。"""
    given = parameters_for(request, tx)
    if outcome.alert != before:
        await store.save(tx, [outcome], given)
        await audit.record(tx, staff, action, "alert", before.id, household_id=before.household_id, purpose="triage")
    if not is_fragment(request):
        return redirect(request, f"/inbox/alerts/{before.id}")
    known = await lists.one(tx, before.id)
    return render(request, "inbox.html", {**await _opened(request, tx, known), "place": place}, block="saved")


async def _reason_missing(request: Request, tx: Transaction, alert: Alert) -> Response:
    """欄に理由を返す。次に同じ気づきが出たとき、選んだ理由を見せるので、空では閉じられない。"""
    errors = {"reason": "見送りの理由を選んでください。"}
    if not is_fragment(request):
        raise FormIncomplete(errors["reason"], fields=errors)
    shown = await _opened(request, tx, await lists.one(tx, alert.id))
    return render(request, "inbox.html", {**shown, "errors": errors, "place": "detail"}, block="saved", status=422)


async def _opened(request: Request, handle: Read, known: views.Known) -> dict[str, object]:
    """右の一枚: この気づきと、同じ世帯のほかの気づき。"""
    titles, given = await unit_titles(handle), parameters_for(request, handle)
    latest = await lists.of_household(handle, known.alert.household_id)
    others = [views.row(one, titles, handle.now, given) for one in latest if one.alert.id != known.alert.id and is_theirs(handle, one.alert.to)]
    others.sort(key=lambda row: (not row.alert.state.is_open, row.alert.severity, row.alert.raised_at))
    case = "" if oversees(handle) else await _case_at_their_desk(handle, known)
    return {"opened": views.row(known, titles, handle.now, given), "others": others, "case": case, **_choices(handle)}


async def _case_at_their_desk(handle: Read, known: views.Known) -> str:
    """あて先の窓口の、その世帯のケース。氏名はそこにある。まだケースのない世帯なら空。"""
    desk = next((one for one in await announced_units(handle) if one.unit == known.alert.to and one.welfare_domain), None)
    has_case = any(one.unit == known.alert.to and one.stage is not Stage.REFERRED for one in known.household.involvement())
    return f"{desk.base}/households/{known.alert.household_id}" if desk and has_case else ""


async def _inbox(request: Request, rd: Read, wanted: Filter) -> dict[str, object]:
    number = await lists.last_number(rd)  # before the list: a change in between is sent again, never missed
    titles, given, states = await unit_titles(rd), parameters_for(request, rd), await lists.counts(rd)
    rows = [views.row(one, titles, rd.now, given) for one in await lists.inbox(rd, wanted)]
    return {
        "rows": rows,
        "number": number,
        "wanted": wanted,
        "total": await lists.count(rd, wanted),
        "counts": views.by_severity(states),
        "states": states,
        "areas": [(area.value, area.label) for area in Area],
        "last_raised": await lists.last_raised(rd),
        "now": rd.now,
        "page_size": lists.PAGE,
    }


def _listed(shown: dict[str, object]) -> list[UUID]:
    """Every household in the list, for the audit."""
    rows = shown.get("rows", [])
    assert isinstance(rows, list)
    return [row.alert.household_id for row in rows]


def _choices(handle: Read) -> dict[str, object]:
    acts = handle.rights is not None and handle.rights.enters(Gate.TRIAGE)
    return {"may_act": acts, "own": not oversees(handle), "errors": {}, "reasons": [(one.value, one.label) for one in DismissReason]}
