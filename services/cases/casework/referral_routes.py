"""Answering a つなぎ: 受理・不受理・保留. Two caseworkers may press at once; the second is told who was first."""

from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.cases.casework import case as cases
from services.cases.casework import consents, disclosure, identity, referral, store
from services.cases.casework.access import At, Form, Writer
from services.cases.casework.case import Case
from services.cases.casework.referral import ReasonMissing, Referral, ReferralAlreadyAnswered, ReferralWithdrawn
from services.cases.casework.sitting import Sitting
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId
from shared.contracts.referral import DeclineReason
from shared.desk import redirect
from shared.runtime import audit
from shared.runtime.database import Tx
from shared.runtime.problems import NotFound, refusals

router = APIRouter(prefix="/referrals/{referral_id}", responses=refusals(NotFound, ReferralAlreadyAnswered, ReferralWithdrawn))


@router.post("/accept")
async def accept(request: Request, referral_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """受理し、ケースを開く。その世帯のケースが開いていれば、それに合わせる。"""
    at = Sitting(request, desk, staff, form, tx)
    found = await _to_answer(at, referral_id)
    outcome = referral.accept(found, seen=at.typed.version(), by=at.by, on=at.typed.today)
    if not outcome.events:  # the second press of the button
        return redirect(request, f"{at.base}/cases/{await store.case_of_referral(tx, referral_id)}")
    opened = await _case_for(at, outcome.state)
    await store.save_referral(tx, outcome, case_id=opened.state.case_id)
    await store.save_case(tx, opened, at.by)
    await _audit(at, "accept", found)
    return redirect(request, f"{at.base}/cases/{opened.state.case_id}")


async def _case_for(at: Sitting, accepted: Referral) -> Outcome[Case]:
    existing = await store.open_case_of(at.tx, accepted.household_id)
    known, otherwise = await consents.WORDS.of_household(at.tx, accepted.household_id), at.desk.profile.basis
    if existing:
        return Outcome(cases.agreed(cases.join(existing, accepted, on=at.typed.today, rules=at.rules).state, known, otherwise=otherwise))
    return cases.open_case(accepted, case_id=CaseId(uuid4()), by=at.by, on=at.typed.today, rules=at.rules, consents=known, otherwise=otherwise)


@router.post("/decline", responses=refusals(ReasonMissing))
async def decline(request: Request, referral_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """理由をつけて不受理にする。このつなぎのために受け取った氏名は消す。"""
    at = Sitting(request, desk, staff, form, tx)
    found = await _to_answer(at, referral_id)
    reason = at.typed.choice("reason", DeclineReason)
    await store.save_referral(tx, referral.decline(found, reason, seen=at.typed.version(), by=at.by, on=at.typed.today))
    await identity.COPIES.forget(tx, found.referral_id, found.household_id)
    await _audit(at, "decline", found)
    return redirect(request, _back(at))


@router.post("/hold")
async def hold(request: Request, referral_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """保留にする。"""
    at = Sitting(request, desk, staff, form, tx)
    found = await _to_answer(at, referral_id)
    await store.save_referral(tx, referral.hold(found, seen=at.typed.version(), by=at.by, on=at.typed.today))
    await _audit(at, "hold", found)
    return redirect(request, _back(at))


@router.post("/ask")
async def ask_again(request: Request, referral_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """断られた氏名の照会を、もう一度する。"""
    at = Sitting(request, desk, staff, form, tx)
    found = await _addressed_to_us(at, referral_id)
    await disclosure.ask(tx, found, why=str(uuid4()))
    await _audit(at, "ask", found)
    return redirect(request, _back(at))


async def _to_answer(at: Sitting, referral_id: UUID) -> Referral:
    """With the consent as it is now: whoever hears of a change waits until this answer is saved."""
    found = await _addressed_to_us(at, referral_id)
    await store.open_case_of(at.tx, found.household_id)
    return referral.agreed(found, await consents.WORDS.of_household(at.tx, found.household_id), otherwise=at.desk.profile.basis)


async def _addressed_to_us(at: Sitting, referral_id: UUID) -> Referral:
    found = await store.referral_to_change(at.tx, referral_id)
    if found.to_unit != at.desk.unit.code:
        raise NotFound
    return found


def _back(at: Sitting) -> str:
    """The page the button stood on."""
    case_id = at.typed.ident("case_id")
    if case_id:
        return f"{at.base}/cases/{case_id}"
    return f"{at.base}/referrals" if at.typed.text("back", 16) == "referrals" else f"{at.base}/"


async def _audit(at: Sitting, action: str, found: Referral) -> None:
    await audit.record(
        at.tx, at.staff, action, "referral", found.referral_id, household_id=found.household_id, purpose="casework", legal_basis=found.legal_basis
    )
