"""Answering a つなぎ: 受理して見守りを計画する・不受理・保留. Two may press at once; the second is told who was first."""

from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.outreach import consents, identity, referral, store, views
from services.outreach.access import Form, Writer
from services.outreach.referral import ReasonMissing, Referral, ReferralAlreadyAnswered, ReferralState, ReferralWithdrawn
from services.outreach.routes import Sitting, planned_watch
from services.outreach.watch import AlreadyWatched
from shared.contracts.referral import DeclineReason
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.database import Transaction, Tx
from shared.runtime.problems import FormIncomplete, NotFound, refusals

router = APIRouter(prefix="/referrals/{referral_id}", responses=refusals(NotFound, ReferralAlreadyAnswered, ReferralWithdrawn))
BACK = "/outreach/referrals"


@router.post("/accept", responses=refusals(AlreadyWatched, FormIncomplete))
async def accept(request: Request, referral_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """受理し、見守りを計画する。一つの COMMIT。"""
    at = Sitting(request, staff, form, tx)
    found = await _to_answer(tx, referral_id)
    if referral.same_answer(found, ReferralState.ACCEPTED, at.by):
        return redirect(request, f"/outreach/watch/{await store.watch_of_referral(tx, referral_id)}")
    accepted = referral.accept(found, seen=at.typed.version(), by=at.by, on=at.typed.today)
    try:
        planned = await planned_watch(at, found.household_id, found)
    except FormIncomplete as refusal:
        values = await views.plan_page(tx, staff, found.household_id, found, at.typed.again("plan", refusal))
        return render(request, "plan.html", values, block="plan_form", status=422)
    await store.save_referral(tx, accepted, plan_id=planned.state.plan_id)
    await store.add_watch(tx, planned)
    await _audit(at, "accept", found)
    await at.audit("plan", planned.state)
    return redirect(request, f"/outreach/watch/{planned.state.plan_id}")


@router.post("/decline", responses=refusals(ReasonMissing))
async def decline(request: Request, referral_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """理由をつけて不受理にする。このつなぎのために受け取った氏名は消す。"""
    at = Sitting(request, staff, form, tx)
    found = await _to_answer(tx, referral_id)
    if not referral.same_answer(found, ReferralState.DECLINED, at.by):
        reason = at.typed.choice("reason", DeclineReason)
        try:
            declined = referral.decline(found, reason, seen=at.typed.version(), by=at.by, on=at.typed.today)
        except ReasonMissing as refusal:
            values = await views.referral_list(tx, staff, 1, at.typed.again(str(referral_id), refusal))
            return render(request, "referrals.html", values, block="list", status=422)
        await store.save_referral(tx, declined)
        await identity.forget(tx, found.household_id, gone=found.referral_id)
        await _audit(at, "decline", found)
    return redirect(request, BACK)


@router.post("/hold")
async def hold(request: Request, referral_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """保留にする。"""
    at = Sitting(request, staff, form, tx)
    found = await _to_answer(tx, referral_id)
    if not referral.same_answer(found, ReferralState.HELD, at.by):
        await store.save_referral(tx, referral.hold(found, seen=at.typed.version(), by=at.by, on=at.typed.today))
        await _audit(at, "hold", found)
    return redirect(request, BACK)


async def _to_answer(tx: Transaction, referral_id: UUID) -> Referral:
    """On the ground as it is now: whoever hears that a consent changed waits until this answer is saved."""
    found = await store.referral_to_change(tx, referral_id)
    await store.watches_to_change(tx, found.household_id)
    return replace(found, legal_basis=await consents.basis_for(tx, found.household_id, found.member_ids, found.legal_basis))


async def _audit(at: Sitting, action: str, found: Referral) -> None:
    await audit.record(
        at.tx, at.staff, action, "referral", found.referral_id, household_id=found.household_id, purpose="watch", legal_basis=found.legal_basis
    )
