"""One meeting: what it is about, who attends, what was told in it. Coordinators convene and close; members look for the time of it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.cases.casework import heard, identity, lanes, portrait, views
from services.cases.casework.access import At, Desk, Form, Writer
from services.cases.casework.forms import in_days
from services.cases.casework.involvement import others
from services.cases.center import convening, meeting_form, standing, store
from services.cases.center.conference import GROUND, Draft
from services.cases.center.parameters import proposes_on, terms_on
from shared.desk import redirect, render
from shared.desk.wareki import japan_day
from shared.runtime import audit
from shared.runtime.announce import AnnouncedUnit, announced_units
from shared.runtime.auth import Signed, Staff
from shared.runtime.database import Rd, Read, Transaction, Tx
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import FormIncomplete, NotFound, Refusal, refusals
from shared.runtime.rights import Judged, Rights, enters, refusal, rights_in

router = APIRouter()

#: 会議の画面が見せるもの。氏名と年齢までで、電話・住所・支援経過はない
SHOWN = ("name", "facts", "involvement")


def _attendee(request: Request, staff: Signed, rd: Rd) -> Staff:
    """センターの職員か、きょう何かの会議に出席している職員。どの会議かは `_looked_at` が見る。"""
    rights = rights_in(request)
    if rights.enters(Gate.READ_CASES) or rights.conferences:
        return staff
    raise refusal(rights.place, Gate.READ_CASES)


Attendee = Annotated[Staff, Depends(_attendee)]
MayAttend = Annotated[Staff, enters(Gate.ATTEND)]


@router.get("/attending")
async def attending(request: Request, desk: At, staff: MayAttend, rd: Rd, rights: Judged) -> Response:
    """出席する会議: きょう自分が、またはその窓口が出席している会議。"""
    today = japan_day(rd.now)
    found = await store.among(rd, [one for one, about in rights.conferences.items() if rights.may(Level.SUMMARY, about)])
    rows = [{"row": row, "draft": store.draft_of(row), "ends": in_days(row.closed_on or row.ends_on, today)} for row in found]
    shown = [row.household_id for row in found]
    await audit.record(rd, staff, "list", "conference", len(rows), households=shown, returned=views.ON_LISTS, purpose="conference")
    return render(request, "attending.html", views.common(rd, desk, staff) | {"conferences": rows})


@router.get("/meetings/{conference_id}", responses=refusals(NotFound))
async def meeting(request: Request, conference_id: UUID, desk: At, staff: Attendee, rd: Rd, rights: Judged) -> Response:
    """会議の案・会議: どの会議か、なぜか、だれが出席するか、その会議で知らせ合った事実。"""
    draft = await _looked_at(rd, rights, conference_id)
    await audit.record(
        rd, staff, "view", "conference_draft", conference_id, household_id=draft.household_id, returned=SHOWN, purpose="conference",
        legal_basis=convening.BASIS[draft.forum],
    )  # fmt: skip
    return render(request, "meeting.html", views.common(rd, desk, staff) | await _meeting(rd, desk, rights, draft))


@router.post(
    "/meetings/{conference_id}/convene",
    responses=refusals(NotFound, FormIncomplete, convening.ConsentNotComplete, convening.ConferenceIsOver),
)
async def convene(request: Request, conference_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx, rights: Judged) -> Response:
    """招集する。または出席者と期間を改める。"""
    draft = await store.draft(tx, conference_id, to_change=True)
    rights.check(Level.WRITE, draft.household_id)
    try:
        await _convene(tx, desk, draft, form)
    except Refusal as refused:
        if refused.status != 422:
            raise
        shown = views.common(tx, desk, staff) | await _meeting(tx, desk, rights, draft)
        shown |= {"convene": meeting_form.typed_values(form), "errors": refused.fields or {"": refused.sentence}}
        return render(request, "meeting.html", shown, block="convene_form", status=422)
    await _audit(tx, staff, "convene", draft)
    return redirect(request, f"{desk.unit.base}/meetings/{conference_id}")


async def _convene(tx: Transaction, desk: Desk, draft: Draft, form: Any) -> None:
    today = japan_day(tx.now)
    wish = meeting_form.read(form, today, [unit.unit for unit in _may_attend(await announced_units(tx), desk)])
    outcome = convening.convene(
        draft,
        wish,
        without=await standing.without(tx, draft.household_id, desk.city),
        another=await store.another(tx, draft, wish.forum, today),
        terms=terms_on(today, desk.city),
    )
    await store.save_conference(tx, outcome)


@router.post("/meetings/{conference_id}/close", responses=refusals(NotFound, convening.ConferenceIsOver))
async def close(request: Request, conference_id: UUID, desk: At, staff: Writer, tx: Tx, rights: Judged) -> Response:
    """会議を終える。"""
    draft = await store.draft(tx, conference_id, to_change=True)
    rights.check(Level.WRITE, draft.household_id)
    today = japan_day(tx.now)
    await store.save_conference(tx, convening.close(draft, on=today, terms=terms_on(today, desk.city)))
    await _audit(tx, staff, "close", draft)
    return redirect(request, f"{desk.unit.base}/meetings/{conference_id}")


async def _audit(tx: Transaction, staff: Staff, action: str, draft: Draft) -> None:
    await audit.record(tx, staff, action, "conference", draft.conference_id, household_id=draft.household_id, purpose="conference")


async def _looked_at(handle: Read, rights: Rights, conference_id: UUID) -> Draft:
    """出席者でない人には、ほかの会議は（同じ世帯のものも）ないのと同じ。"""
    draft = await store.draft(handle, conference_id)
    if not rights.enters(Gate.READ_CASES) and conference_id not in rights.attends(draft.household_id):
        raise NotFound
    rights.check(Level.SUMMARY, draft.household_id)
    return draft


def _may_attend(units: list[AnnouncedUnit], desk: Desk) -> list[AnnouncedUnit]:
    return [unit for unit in units if unit.accepts_referrals and unit.unit != desk.unit.code]


async def _meeting(handle: Read, desk: Desk, rights: Rights, draft: Draft) -> dict[str, Any]:
    today = japan_day(handle.now)
    units = await announced_units(handle)
    household = await heard.household(handle, draft.household_id)
    who = await identity.of_household(handle, draft.household_id)
    bases = {unit.base for unit in units} if rights.enters(Gate.READ_CASES) else set()
    return {
        "draft": draft,
        "due": in_days(japan_day(draft.due), today),
        "ongoing": draft.convening.ongoing(today) if draft.convening else False,
        "proposes": proposes_on(today, desk.city),
        "household": household,
        "bar": who.first((), household),
        "people": [(member, who.people.get(member.member_id), portrait.age_of(member, who, today)) for member in household.members],
        "others": others(
            await heard.traces(handle, draft.household_id),
            own=desk.unit.code,
            desks={unit.unit: (unit.title, unit.base if unit.base in bases else "") for unit in units},
        ),
        "titles": {unit.unit: unit.title for unit in units},
        "names": f"/intake/_part/household/{draft.household_id}/header" if "/intake" in bases else None,
        "alerts": f"/_part/household/{draft.household_id}/alerts" if "/" in bases else None,
        "facts": await _facts(handle, desk, draft, {member: person.name for member, person in who.people.items()}),
        "without_consent": await standing.without(handle, draft.household_id, desk.city),
        "forums": [(forum.value, forum.label, ground) for forum, ground in GROUND.items() if not draft.convening or forum is draft.forum],
        "may_attend": [(unit.unit, unit.title) for unit in _may_attend(units, desk)],
        "convene": meeting_form.values(draft, today, terms_on(today, desk.city)),
        "errors": {},
    }


async def _facts(handle: Read, desk: Desk, draft: Draft, names: dict[Any, str]) -> list[dict[str, Any]]:
    """この会議で知らせ合った事実のうち、読む人に開いているもの。確かめ方（evidence）は出さない。"""
    if draft.convening is None:
        return []
    rules = desk.rules(japan_day(handle.now))
    seen = await lanes.seen(handle, draft.household_id, draft.conference_id)
    told = [fact for fact in seen.facts if fact.current and fact.kind in rules.vocabulary]
    return [{"label": rules.vocabulary[fact.kind].label, "view": portrait.fact_view(fact, rules, names)} for fact in told]
