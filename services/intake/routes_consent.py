"""同意を聞いて書く・撤回を受ける・取り直す・本人に渡す紙。"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import consent, consent_form, consent_lists, consent_scan_store, consent_store, consent_views, household_store, pages, spoken
from services.intake.access import Desk, OnDay, Today, writable
from services.intake.consent import ConsentIncomplete, NothingToWithdraw
from services.intake.consent_form import Reader
from services.intake.household import Household
from shared.contracts.case import FactRecorded
from shared.contracts.event import Confidence, LegalBasis, MemberId
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.announce import referral_targets, unit_titles
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.problems import refusals

router = APIRouter()


@dataclass(frozen=True)
class Screen:
    request: Request
    handle: Read
    staff: Staff
    today: Today

    async def show(self, home: Household, *, block: str | None = None, status: int = 200, **more: Any) -> Response:
        """世帯の同意の画面。様式は give と withdraw の二つ。"""
        consents = await consent_store.of_household(self.handle, home.id)
        referred, titles = await consent_store.referred(self.handle, home.id), await unit_titles(self.handle)
        day, notice_days = self.today.date, self.today.parameters.retake_notice_days
        context = consent_views.choices(pages.target_options(await referral_targets(self.handle))) | {
            "home": home,
            "today": day,
            "titles": titles,
            "people": [(str(member.id), pages.describe(member, day)) for member in home.present],
            "everybody": [(str(member.id), member.display_name) for member in home.members],
            "names": {member.id: member.display_name for member in home.members},
            "standing": consent_views.standing(consents, home, day),
            "written": consent_views.written(consents, home, await consent_scan_store.of_household(self.handle, home.id)),
            "retakes": consent_views.due(consents, home, referred, await consent_store.over(self.handle, home.id), day, notice_days),
            "taken": await consent_views.taken(self.handle, consents, await consent_lists.alarmed(self.handle, home.id)),
            "typed": consent_form.blank(day, self.staff.name),
            "gone": {"member_id": "", "scope": "all", "recipients": [], "reason": ""},
            "fresh": {"consent_id": uuid4(), "withdrawal_id": uuid4()},
            "errors": {},
            "gone_errors": {},
        }
        return render(self.request, "consents.html", context | more, block=block, status=status)


@router.get("/consents")
async def to_do(request: Request, rd: Rd, staff: Desk, today: OnDay) -> Response:
    """取り直しと、受領を待つ撤回。"""
    due = await consent_lists.to_retake(rd, today.date, today.parameters.retake_notice_days)
    waiting = await consent_lists.waiting_for_receipts(rd)
    shown = {one.household_id for one in due} | {one.household_id for one in waiting}
    if shown:
        await audit.record(rd, staff, "list", "consent", len(shown), households=sorted(shown), returned=("name", "consent"), purpose="consent")
    values = {
        "due": due,
        "waiting": waiting,
        "titles": await unit_titles(rd),
        "days": today.parameters.receipt_days,
        "at_most": consent_lists.AT_MOST,
    }
    return render(request, "consents_due.html", values)


@router.get("/households/{household_id}/consents")
async def show(request: Request, household_id: UUID, rd: Rd, staff: Desk, today: OnDay) -> Response:
    home = await household_store.load(rd, household_id)
    await audit.record(rd, staff, "view", "consent", home.id, household_id=home.id, returned=("name", "consent"), purpose="consent")
    return await Screen(request, rd, staff, today).show(home)


@router.post("/households/{household_id}/consents", responses=refusals(ConsentIncomplete))
async def give(request: Request, household_id: UUID, tx: Tx, staff: Desk, today: OnDay) -> Response:
    """同意を書く。二度押しは一つの同意になる。"""
    home = await household_store.load(tx, household_id)
    writable(tx, home.id)
    typed = consent_form.as_typed(await request.form(max_files=0))
    try:
        days = today.parameters.consent_days
        made, subject = Reader(typed, home, today.date).consent(tx.now, staff.name, days)
        targets = {unit.unit for unit in await referral_targets(tx)}
        outcome = consent.give(made, subject=subject, targets=targets, today=today.date, longest_days=days)
    except ConsentIncomplete as incomplete:
        values = {"typed": typed, "errors": incomplete.fields, "fresh": {"consent_id": typed.get("consent_id") or uuid4()}}
        return await Screen(request, tx, staff, today).show(home, block="give_form", status=422, **values)
    await consent_store.hold(tx, home.id)
    if await consent_store.add(tx, outcome):
        await audit.record(tx, staff, "create", "consent", made.id, household_id=home.id, legal_basis=LegalBasis.CONSENT)
    return redirect(request, f"/intake/households/{home.id}/consents")


@router.post("/households/{household_id}/consents/withdraw", responses=refusals(ConsentIncomplete, NothingToWithdraw))
async def withdraw(request: Request, household_id: UUID, tx: Tx, staff: Desk, today: OnDay) -> Response:
    """撤回を受ける。写しを持つ窓口に知らせ、受領を待つ。"""
    home = await household_store.load(tx, household_id)
    writable(tx, home.id)
    typed = consent_form.as_typed(await request.form(max_files=0))
    try:
        wish = Reader(typed, home, today.date).wish(tx.now, staff.name)
        await consent_store.hold(tx, home.id)
        known = await consent_store.of_household(tx, home.id)
        if any(gone.id == wish.id for gone in known.withdrawn):  # the second press of the button
            return redirect(request, f"/intake/households/{home.id}/consents")
        outcome = consent.withdraw(known, wish, holders=await consent_store.holders(tx, home.id))
    except (ConsentIncomplete, NothingToWithdraw) as refusal:
        fields = refusal.fields or {"member_id": refusal.sentence}
        values = {"gone": typed, "gone_errors": fields, "fresh": {"withdrawal_id": typed.get("withdrawal_id") or uuid4()}}
        return await Screen(request, tx, staff, today).show(home, block="withdraw_form", status=422, **values)
    if await consent_store.add_withdrawal(tx, outcome, wait_until=spoken.wait_until(tx.now, today.parameters)) and wish.recipients is None:
        await consent_store.retract_shared_facts(tx, home.id, wish.member_id)
        tx.publish(_said(wish))
    await audit.record(tx, staff, "withdraw", "consent", wish.id, household_id=home.id)
    return redirect(request, f"/intake/households/{home.id}/consents")


def _said(wish: consent.Wish) -> FactRecorded:
    """全部の撤回は、写しを持たない窓口にも知らせる: これから「同意あり」としては扱えない。番号は撤回と同じ。"""
    return FactRecorded(
        household_id=wish.household_id, legal_basis=LegalBasis.INTERNAL_69_2_2, fact_id=wish.id, member_id=MemberId(wish.member_id), kind="consent",
        value="withdrawn", as_of=wish.on, confidence=Confidence.CONFIRMED,
    )  # fmt: skip


@router.get("/households/{household_id}/consents/sheet/{member_id}")
async def sheet(request: Request, household_id: UUID, member_id: UUID, rd: Rd, staff: Desk, today: OnDay) -> Response:
    """本人に渡す紙「わたしの情報の共有について」。"""
    home = await household_store.load(rd, household_id)
    member = home.member(member_id)
    known = await consent_store.of_household(rd, home.id)
    mine = consent.Consents(
        tuple(one for one in known.given if one.member_id == member.id), tuple(g for g in known.withdrawn if g.member_id == member.id)
    )
    values = {
        "member": member,
        "today": today.date,
        "titles": await unit_titles(rd),
        "standing": consent_views.standing(mine, home, today.date),
        "taken": await consent_views.taken(rd, mine, {}),
        "told": await consent_views.told_about(rd, home.id, member.id),
        "printed": await consent_store.printed(rd, member.id),
        "home": home,
    }
    await audit.record(rd, staff, "print", "consent_sheet", member.id, household_id=home.id, returned=("name", "consent"), purpose="consent")
    return render(request, "consent_sheet.html", values)
