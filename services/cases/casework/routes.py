"""Saving in a case: load, decide, save. Mounted under the desk's own path (/d/elderly, /center)."""

from datetime import date
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.cases.casework import case as cases
from services.cases.casework import closing, consents, facts, lanes, note, pages, records, refer, referral_routes, store, telling, withdrawal
from services.cases.casework.access import At, Form, Writer
from services.cases.casework.approval import WhyMissing
from services.cases.casework.approval_routes import ask as ask_approval
from services.cases.casework.approval_routes import router as approval_router
from services.cases.casework.basis import BasisNotOurs, ConsentForAnotherPurpose, ConsentIsMissing, HarmNotChecked, NotAtTheConference, needs_approval
from services.cases.casework.case import AnotherCaseIsOpen, Case, CaseIsClosed, CaseMovedOn, ReasonMissing, StateNotReachable, WatchDateMissing
from services.cases.casework.closing import EvaluationComesFirst, RepliesOutstanding
from services.cases.casework.facts import FactGone, FactUnreadable
from services.cases.casework.note import AlreadyCorrected, NoteIncomplete
from services.cases.casework.refer import AlreadyReferred, TargetUnknown, TopicsMissing
from services.cases.casework.sitting import Sitting, on_case
from shared.contracts import consent_said
from shared.contracts.case import CaseState, FactRecorded
from shared.contracts.consultation import Urgency
from shared.contracts.event import Confidence, LegalBasis, MemberId, ReferralId
from shared.runtime.agreements import retracted
from shared.runtime.database import Tx
from shared.runtime.problems import NotFound, refusals

router = APIRouter()
router.include_router(pages.router)
router.include_router(referral_routes.router)
router.include_router(approval_router)


@router.post("/cases/{case_id}/notes", responses=refusals(NotFound, CaseIsClosed, AlreadyCorrected, NoteIncomplete, NotAtTheConference))
async def write_note(request: Request, case_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """支援経過を書く、または訂正する。"""
    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "note", _note)


async def _note(at: Sitting, case: Case) -> None:
    written, rules = _note_typed(at, case), at.rules
    if written.corrects:
        seen = (await lanes.notes(at.tx, case)).notes
        before, corrected = _to_correct(seen, written.corrects), any(one.corrects == written.corrects for one in seen)
        outcome = note.correct(case, written, before, corrected=corrected, on=at.typed.today, rules=rules)
    else:
        conferences, told = await lanes.ongoing(at.tx, at.desk.unit, case.household_id), at.typed.text("told", 8) == "1"
        outcome = note.write(case, written, on=at.typed.today, rules=rules, told=told, conferences=conferences)
    if not await records.add_note(at.tx, outcome.state):
        return
    followed = note.follow(case, outcome.state, rules=rules)
    if not (case.closed or outcome.state.conference_id):
        await store.save_case(at.tx, followed, at.by)
    basis = LegalBasis.ART106_6 if outcome.state.conference_id else None
    await at.audit("correct" if written.corrects else "create", "note", written.note_id, case, basis)


def _to_correct(seen: list[note.Note], note_id: UUID) -> note.Note:
    """NotFound when there is no such note, or none that the writer reads."""
    found = next((one for one in seen if one.note_id == note_id), None)
    if found is None:
        raise NotFound
    return found


def _note_typed(at: Sitting, case: Case) -> note.Note:
    typed = at.typed
    written = note.Note(
        note_id=typed.given_id("note_id"),
        case_id=case.case_id,
        happened_on=typed.day("happened_on") or typed.today,
        method=typed.text("method", 32),
        partner=typed.text("partner", 80),
        shared=typed.text("shared", 8000),
        private=typed.text("private", 8000),
        minutes=typed.number("minutes", most=1440),
        next_action=typed.text("next_action", 120),
        next_due=typed.day("next_due"),
        by=at.by,
        written_at=at.tx.now,
        corrects=typed.ident("corrects"),
    )
    typed.done()
    return written


@router.post(
    "/cases/{case_id}/facts",
    responses=refusals(
        NotFound,
        CaseIsClosed,
        FactUnreadable,
        BasisNotOurs,
        ConsentForAnotherPurpose,
        ConsentIsMissing,
        HarmNotChecked,
        NotAtTheConference,
        WhyMissing,
    ),
)
async def record_fact(request: Request, case_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """事実を記録する。"""
    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "fact", _fact)


async def _fact(at: Sitting, case: Case) -> None:
    entry = _fact_typed(at)
    outcome = await telling.fact(at, case, entry, by=at.by)
    if needs_approval(entry.legal_basis):
        return await ask_approval(at, case, entry)
    if not await records.add_fact(at.tx, outcome):
        return
    said = next((consent_said.by_fact(event, at.desk.unit.code, at.tx.now) for event in outcome.events if isinstance(event, FactRecorded)), None)
    if said:
        change = await consents.WORDS.say(at.tx, said)
        await withdrawal.agreements(at.desk.profile).settle(at.tx, case.household_id, change, why=entry.fact_id)
    await at.audit("create", "fact", entry.fact_id, case, LegalBasis.ART106_6 if outcome.state.circle else None)


def _fact_typed(at: Sitting) -> facts.Entry:
    typed = at.typed
    member = typed.ident("member_id") if typed.text("member_id", 64) != "household" else None
    confidence, basis = typed.choice("confidence", Confidence), typed.choice("legal_basis", LegalBasis)
    if confidence is None:
        typed.problems["confidence"] = "確からしさを選んでください。"
    if basis is None:
        typed.problems["legal_basis"] = "共有の根拠を選んでください。"
    entry = facts.Entry(
        fact_id=typed.given_id("fact_id"),
        kind=typed.text("kind", 32),
        value=typed.text("value", 32),
        member_id=MemberId(member) if member else None,
        since=typed.month("since"),
        as_of=typed.day("as_of") or typed.today,
        confidence=confidence or Confidence.REPORTED,
        legal_basis=basis or at.desk.profile.basis,
        evidence=typed.text("evidence", 200),
        harm_checked=typed.text("harm_checked", 8) == "1",
        harm_note=typed.text("harm_note", 400),
    )
    typed.done()
    return entry


@router.post("/cases/{case_id}/facts/{fact_id}/retract", responses=refusals(NotFound, FactGone))
async def retract_fact(request: Request, case_id: UUID, fact_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """誤りだった事実を取り下げる。"""

    async def work(at: Sitting, case: Case) -> None:
        fact = await records.fact_to_change(at.tx, case_id, fact_id)
        if all(one.fact_id != fact_id for one in (await lanes.seen(at.tx, case.household_id)).facts):
            raise NotFound
        await records.save_retraction(at.tx, facts.retract(fact, on=at.typed.today))
        if fact.kind == consent_said.KIND:
            await _consent_taken_back(at, case, fact_id)
        await at.audit("retract", "fact", fact_id, case)

    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "fact", work)


async def _consent_taken_back(at: Sitting, case: Case, fact_id: UUID) -> None:
    if case.closed:
        await store.open_case_of(at.tx, case.household_id)
    change = await consents.WORDS.take_back(at.tx, fact_id)
    await withdrawal.agreements(at.desk.profile).settle(at.tx, case.household_id, change, why=retracted(fact_id))


@router.post(
    "/cases/{case_id}/referrals",
    responses=refusals(
        NotFound, CaseIsClosed, AlreadyReferred, TargetUnknown, TopicsMissing, ConsentForAnotherPurpose, ConsentIsMissing, HarmNotChecked, WhyMissing
    ),
)
async def refer_case(request: Request, case_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """ほかの窓口につなぐ。"""
    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "refer", _refer)


async def _refer(at: Sitting, case: Case) -> None:
    offer = _offer_typed(at, case)
    if await store.known_referral(at.tx, offer.referral_id):
        return  # the second press of the button
    outcome = await telling.referral(at, case, offer)
    if needs_approval(offer.legal_basis):
        return await ask_approval(at, case, offer)
    if await store.add_referral(at.tx, outcome, case_id=case.case_id):
        await at.audit("refer", "referral", outcome.state.referral_id, case)


def _offer_typed(at: Sitting, case: Case) -> refer.Offer:
    typed = at.typed
    return refer.Offer(
        referral_id=ReferralId(typed.given_id("referral_id")),
        to=typed.text("to", 32),
        topics=typed.many("topics"),
        urgency=typed.choice("urgency", Urgency) or case.urgency,
        legal_basis=typed.choice("legal_basis", LegalBasis) or at.desk.profile.basis,
        harm_checked=typed.text("harm_checked", 8) == "1",
        harm_note=typed.text("harm_note", 400),
    )


@router.post(
    "/cases/{case_id}/state",
    responses=refusals(NotFound, CaseMovedOn, StateNotReachable, AnotherCaseIsOpen, ReasonMissing, WatchDateMissing),
)
async def change_state(request: Request, case_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """段階を進める。終結したケースの再開もここ。"""
    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "suspend", _state)


async def _state(at: Sitting, case: Case) -> None:
    typed = at.typed
    to, reason = typed.choice("state", CaseState), typed.text("reason", 8) or None
    watch_on: date | None = typed.day("watch_on")
    typed.done()
    open_now = await store.open_case_of(at.tx, case.household_id) if case.closed else None
    outcome = cases.change_state(
        case,
        to or case.state,
        seen=typed.version(),
        on=typed.today,
        rules=at.rules,
        reason=reason,
        watch_on=watch_on,
        another_is_open=open_now is not None,
    )
    await store.save_case(at.tx, outcome, at.by, reason=reason)
    await at.audit("update", "case", case.case_id, case)


@router.post("/cases/{case_id}/take", responses=refusals(NotFound, CaseMovedOn, CaseIsClosed))
async def take_case(request: Request, case_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """自分の担当にする。"""

    async def work(at: Sitting, case: Case) -> None:
        await store.save_case(at.tx, cases.take(case, seen=at.typed.version(), by=at.by), at.by)
        await at.audit("take", "case", case.case_id, case)

    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "note", work)


@router.post("/cases/{case_id}/close", responses=refusals(NotFound, CaseMovedOn, CaseIsClosed, EvaluationComesFirst, RepliesOutstanding))
async def close_case(request: Request, case_id: UUID, desk: At, staff: Writer, form: Form, tx: Tx) -> Response:
    """終結する。"""
    return await on_case(Sitting(request, desk, staff, form, tx), case_id, "close", _close)


async def _close(at: Sitting, case: Case) -> None:
    waiting = await store.waiting_from_here(at.tx, case.household_id, at.desk.unit.code)
    reason = at.typed.text("close_reason", 8)
    outcome = closing.close(case, reason, seen=at.typed.version(), on=at.typed.today, rules=at.rules, waiting=len(waiting))
    await store.save_case(at.tx, outcome, at.by, reason=reason)
    await at.audit("close", "case", case.case_id, case)
