"""B1 受付: 相談を受け付ける一画面。候補と下書きは部分だけをやりとりする。氏名を運ぶ要求はすべて POST。"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import candidate_pane, drafts, lists, pages, reception, sheet_form, store
from services.intake.access import Desk, Fields, Form, OnDay, PartOnly
from services.intake.consultation import ConsultationIncomplete, StaffRef
from services.intake.reception import AlreadyReceived
from services.intake.typed import Typed
from shared.desk import is_fragment, redirect, render, say
from shared.desk.wareki import JST
from shared.runtime import audit
from shared.runtime.announce import referral_targets
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.problems import refusals

router = APIRouter()


@dataclass(frozen=True)
class Screen:
    """一つの要求のあいだ、様式の画面を組み立てるのに要るもの。"""

    request: Request
    handle: Read
    staff: Staff
    today: OnDay
    fields: Fields

    def kinds(self) -> tuple[str, ...]:
        return tuple(field.kind for field in self.fields.member)

    async def blank(self) -> Typed:
        return Typed.blank(uuid4(), await lists.last_route(self.handle, self.staff.sub), self.kinds())

    async def show(self, typed: Typed, errors: Mapping[str, str] | None = None, *, status: int = 200, **more: Any) -> Response:
        """様式の頁。受け付けなかったとき（422）は、htmx には様式だけを返す。"""
        sheet = sheet_form.read(typed, fields=self.fields, today=self.today.date)
        view = pages.FormView(typed, errors or {}, self.fields, pages.target_options(await referral_targets(self.handle)))
        pane = await candidate_pane.pane(self.handle, self.staff, self.today, sheet)
        shown = view.context(self.today.date, pane=pane) | {"drafts": [], "opened": None, "taken": None, "already": None} | more
        return render(self.request, "new.html", shown, block="form" if status == 422 else None, status=status)


@router.get("/new")
async def new(
    request: Request,
    rd: Rd,
    staff: Desk,
    today: OnDay,
    fields: Fields,
    draft: UUID | None = None,
    saved: UUID | None = None,
    household: UUID | None = None,
    blank: bool = False,
) -> Response:
    """白い様式。書きかけがあれば、いちばん新しいものを開く（`blank`・`saved`・`household` のときは白いまま）。`household` はつなぐ世帯。"""
    screen = Screen(request, rd, staff, today, fields)
    mine = await drafts.mine(rd, staff.sub, screen.kinds())
    wanted = [one for one in mine if (one.form_key == draft if draft else not (blank or saved or household))]
    opened = wanted[0] if wanted else None
    taken = await store.load(rd, saved) if saved else None
    typed = opened.typed if opened else candidate_pane.pressed(await screen.blank(), {"link": str(household)} if household else {})
    saved_already = await store.by_form_key(rd, opened.form_key) if opened else None
    already = AlreadyReceived(saved_already) if saved_already else None
    return await screen.show(typed, drafts=[one for one in mine if one is not opened], opened=opened, taken=taken, already=already)


@router.post("/new", status_code=201, responses=refusals(ConsultationIncomplete))
async def receive(request: Request, tx: Tx, staff: Desk, today: OnDay, fields: Fields, posted: Form) -> Response:
    """受け付ける。二度押しは一つの受付（200）。直すところや、保存のあとの書き足しがあれば、打った内容のまま 422。"""
    screen = Screen(request, tx, staff, today, fields)
    sheet = sheet_form.read(posted.typed, fields=fields, today=today.date)
    try:
        taken = await reception.take(tx, sheet, by=StaffRef(staff.sub, staff.name), parameters=today.parameters)
    except ConsultationIncomplete as incomplete:
        return await screen.show(posted.typed.with_key(uuid4()), incomplete.fields, status=422)
    except AlreadyReceived as already:
        await drafts.keep(tx, staff.sub, sheet.form_key, posted.typed, form_hash=sheet.form_hash, days=today.parameters.draft_days)
        return await screen.show(posted.typed, status=422, already=already)
    consultation = taken.consultation
    if not taken.repeated:
        await audit.record(tx, staff, "create", "consultation", consultation.id, household_id=consultation.household_id)
    if taken.followed:
        return redirect(request, "/intake/protection/declared")
    if posted.pressed.get("then") == "close":
        return redirect(request, f"/intake/consultations/{consultation.id}")
    if is_fragment(request):
        return redirect(request, f"/intake/new?saved={consultation.id}")
    mine = await drafts.mine(tx, staff.sub, screen.kinds())
    return await screen.show(await screen.blank(), status=200 if taken.repeated else 201, drafts=mine, taken=consultation)


@router.post("/_part/candidates", dependencies=[PartOnly])
async def candidates(request: Request, tx: Tx, staff: Desk, today: OnDay, fields: Fields, posted: Form) -> Response:
    """「同じ世帯かもしれません」。つなぐ・別人・つなぐのをやめる も、ここで欄を作り直す。"""
    typed = candidate_pane.pressed(posted.typed, posted.pressed)
    sheet = sheet_form.read(typed, fields=fields, today=today.date)
    if posted.pressed and typed.key and not typed.is_blank:  # a choice is not a keystroke: the autosave would not see it
        await drafts.keep(tx, staff.sub, typed.key, typed, form_hash=sheet.form_hash, days=today.parameters.draft_days)
    pane = await candidate_pane.pane(tx, staff, today, sheet)
    response = render(request, "candidates.html", {"v": typed, "pane": pane})
    return say(response, f"同じ世帯かもしれない候補が {len(pane.cards)} 件あります。") if pane.cards else response


@router.post("/_part/draft", dependencies=[PartOnly])
async def keep_draft(tx: Tx, staff: Desk, today: OnDay, fields: Fields, posted: Form) -> Response:
    """下書きを残す。何も打たれていなければ残さない。"""
    response = Response(status_code=204)
    typed = posted.typed
    if typed.key is None or typed.is_blank:
        return response
    written = sheet_form.read(typed, fields=fields, today=today.date).form_hash
    if not await drafts.keep(tx, staff.sub, typed.key, typed, form_hash=written, days=today.parameters.draft_days):
        return response
    return say(response, f"下書き保存 {tx.now.astimezone(JST):%H:%M}")


@router.post("/drafts/{form_key}/discard")
async def discard_draft(request: Request, form_key: UUID, tx: Tx, staff: Desk) -> Response:
    await drafts.discard(tx, staff.sub, form_key)
    return redirect(request, "/intake/new?blank=1")
