"""世帯をさがす・開く・直す。ほかの窓口の画面に出す見出し（_part）もここ。"""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi import Form as FormField
from fastapi.responses import Response

from services.intake import candidate_search, following, household, household_store, lists, member_form, pages
from services.intake.access import Desk, Fields, Form, HeaderReader, HouseholdReader, OnDay, PartOnly, Today, writable
from services.intake.consultation import StaffRef
from services.intake.household import Household, LeavingDateWrong, MemberAlreadyLeft
from services.intake.member_form import MemberFormIncomplete
from services.intake.typed import storable
from shared.contracts.event import LegalBasis, MemberId
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.announce import unit_titles
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import ChangedMeanwhile, refusals

router = APIRouter()
BASIS = LegalBasis.INTERNAL_69_2_2
NO_SUCH_NUMBER = "この番号の世帯は見つかりません。番号を確かめるか、フリガナでさがしてください。"


@router.get("/households")
async def search_page(request: Request, staff: Desk) -> Response:
    return render(request, "search.html", _search())


def _search(**more: Any) -> dict[str, Any]:
    return {"typed": {}, "people": None, "errors": {}, "number_errors": {}, "limit": candidate_search.SHOWN} | more


@router.post("/households")
async def search(request: Request, tx: Tx, staff: Desk, today: OnDay, fields: Fields, posted: Form) -> Response:
    """氏名・フリガナ（一部でもよい）・生年月日・電話から。検索の言葉は URL にも記録にも残さない。"""
    typed = posted.typed
    wanted, errors = member_form.wanted(typed, fields, today.date)
    found = [] if errors else await candidate_search.look_up(tx, wanted)
    homes = await household_store.load_many(tx, [household_id for household_id, _ in found])
    await audit.record(
        tx, staff, "search", "household", len(homes), households=homes, returned=("name", "birth", "address") if homes else (), purpose="lookup"
    )
    people = [pages.found_person(pages.as_seen(tx, homes[household_id]), member_id, today.date) for household_id, member_id in found]
    values = {name: typed.one(name) for name in ("name", "kana", "birth", "phone")}
    return render(request, "search.html", _search(typed=values, people=people, errors=errors), block="results", status=422 if errors else 200)


@router.post("/households/by-number")
async def by_number(request: Request, rd: Rd, staff: Desk, number: Annotated[str, FormField(max_length=60)] = "") -> Response:
    """世帯番号か受付番号から、その世帯へ。隠された世帯は、ない番号と同じ。"""
    found = await household_store.of_number(rd, storable(number).strip())
    if found is None:
        return render(request, "search.html", _search(typed={"number": number}, number_errors={"number": NO_SUCH_NUMBER}), status=422)
    return redirect(request, f"/intake/households/{found}")


@dataclass(frozen=True)
class Screen:
    """世帯の画面。"""

    request: Request
    handle: Read
    staff: Staff
    today: Today

    async def show(self, home: Household, *, status: int = 200, **more: Any) -> Response:
        consultations = await lists.of_household(self.handle, home.id, self.today.date)
        rights, home = self.handle.rights, pages.as_seen(self.handle, home)
        context = {"home": home, "today": self.today.date, "consultations": consultations, "titles": await unit_titles(self.handle)}
        context |= {
            "may_protect": bool(rights and rights.enters(Gate.DECLARE_PROTECTION)),
            "writes": bool(rights and rights.may(Level.WRITE, home.id)),
        }
        context |= {"typed": {}, "errors": {}, "describe": pages.describe}
        values = pages.choices(self.today.date) | pages.labels(self.today.date) | context | more
        return render(self.request, "household.html", values, status=status)


@router.get("/households/{household_id}")
async def show(request: Request, household_id: UUID, rd: Rd, staff: HouseholdReader, today: OnDay) -> Response:
    home = await household_store.load(rd, household_id)
    await audit.record(rd, staff, "view", "household", home.id, household_id=home.id, returned=pages.given(rd, home.id), purpose="intake")
    return await Screen(request, rd, staff, today).show(home)


@router.get("/_part/household/{household_id}/header", dependencies=[PartOnly])
async def header(request: Request, household_id: UUID, rd: Rd, staff: HeaderReader, today: OnDay) -> Response:
    """世帯の見出し: いまいる人の氏名と年齢、圏域。ほかの窓口の頁に差し込まれる。"""
    home = pages.as_seen(rd, await household_store.load(rd, household_id))
    await audit.record(rd, staff, "view", "household", home.id, household_id=home.id, returned=("name",), purpose="header")
    lines = pages.member_lines(home, today.date)
    first = home.present[0] if home.present else None
    return render(request, "household_header.html", {"home": home, "first": first, "lines": lines, "today": today.date})


def _onward(request: Request, home: Household, followed: bool) -> Response:
    """保護が始まった世帯は、もう開けないことが多い。"""
    return redirect(request, "/intake/protection/declared" if followed else f"/intake/households/{home.id}")


@router.get("/households/{household_id}/members/{member_id}")
async def edit(request: Request, household_id: UUID, member_id: UUID, rd: Rd, staff: Desk, today: OnDay) -> Response:
    """世帯員の訂正の様式。電話も入っているので、書いてよい職員にだけ（緊急閲覧は読むだけ）。"""
    home = await household_store.load(rd, household_id)
    writable(rd, home.id)
    member = home.member(member_id)
    await audit.record(rd, staff, "view", "member", member.id, household_id=home.id, returned=pages.given(rd, home.id), purpose="intake")
    values = {"member": member, "home": home, "typed": pages.person_typed(member.person), "version": member.version, "errors": {}, "conflict": None}
    return render(request, "member.html", pages.choices(today.date) | values | {"today": today.date})


@router.post("/households/{household_id}/members/{member_id}", responses=refusals(ChangedMeanwhile, MemberAlreadyLeft, MemberFormIncomplete))
async def correct(request: Request, household_id: UUID, member_id: UUID, tx: Tx, staff: Desk, today: OnDay, fields: Fields, posted: Form) -> Response:
    home = await household_store.load(tx, household_id, lock=True)
    writable(tx, home.id)
    member = home.member(member_id)
    values = pages.choices(today.date) | {"member": member, "home": home, "typed": posted.typed.row("") | {"phone": posted.typed.one("phone")}}
    values |= {"version": member.version, "errors": {}, "conflict": None, "today": today.date}
    try:
        person = member_form.person(posted.typed, fields, today.date, member.person)
        outcome = household.correct(home, member_id, person, seen_version=member_form.version(posted.typed), basis=BASIS)
    except MemberFormIncomplete as incomplete:
        shown = values | {"errors": incomplete.fields, "version": member_form.version(posted.typed)}
        return render(request, "member.html", shown, block="form", status=422)
    except ChangedMeanwhile as changed:
        return render(request, "member.html", values | {"conflict": changed}, block="form", status=409)
    await household_store.change(tx, outcome.state.member(member_id))
    followed = await following.protect(tx, outcome.state, [outcome.state.member(member_id)], StaffRef(staff.sub, staff.name), today.date)
    tx.publish(*outcome.events)
    await audit.record(tx, staff, "update", "member", member_id, household_id=home.id)
    return _onward(request, home, followed)


@router.post("/households/{household_id}/members", responses=refusals(MemberFormIncomplete))
async def join(request: Request, household_id: UUID, tx: Tx, staff: Desk, today: OnDay, fields: Fields, posted: Form) -> Response:
    """世帯員を加える。"""
    home = await household_store.load(tx, household_id, lock=True)
    writable(tx, home.id)
    try:
        person = member_form.person(posted.typed, fields, today.date, None)
    except MemberFormIncomplete as incomplete:
        typed = posted.typed.row("") | {"phone": posted.typed.one("phone")}
        return await Screen(request, tx, staff, today).show(home, typed=typed, errors=incomplete.fields, status=422)
    member = household.Member(MemberId(uuid4()), person, joined_on=today.date)
    outcome = household.join(home, [member], basis=BASIS)
    await household_store.add(tx, [(home.id, member)])
    followed = await following.protect(tx, outcome.state, [member], StaffRef(staff.sub, staff.name), today.date)
    tx.publish(*outcome.events)
    await audit.record(tx, staff, "create", "member", member.id, household_id=home.id)
    return _onward(request, home, followed)


@router.post("/households/{household_id}/members/{member_id}/leave", responses=refusals(LeavingDateWrong, MemberAlreadyLeft))
async def leave(request: Request, household_id: UUID, member_id: UUID, tx: Tx, staff: Desk, today: OnDay) -> Response:
    """死亡・転出などで世帯を離れる。"""
    home = await household_store.load(tx, household_id, lock=True)
    writable(tx, home.id)
    reason, effective_on = member_form.leaving(await request.form(), today.date)
    outcome = household.leave(home, member_id, reason, effective_on, today=today.date, basis=BASIS)
    await household_store.change(tx, outcome.state.member(member_id))
    tx.publish(*outcome.events)
    await audit.record(tx, staff, "update", "member", member_id, household_id=home.id)
    return redirect(request, f"/intake/households/{home.id}")
