"""Saving at the watch: plan, check in, change the tier, end. Load, decide, save; a field that is wrong gives the form back as it was typed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.outreach import access, consents, disclosure, heard, identity, spoken, store, views
from services.outreach import watch as watches
from services.outreach.access import Form, Writer
from services.outreach.referral import Referral
from services.outreach.staff import StaffRef
from services.outreach.typed import OPEN_AGAIN, Typed
from services.outreach.watch import (
    AlreadyWatched,
    CallFirst,
    CheckIn,
    CheckInBeforePlan,
    EndReasonMissing,
    FutureCheckIn,
    ReturnUnclear,
    Rules,
    Watch,
    WatchHasEnded,
)
from services.outreach.withdrawal import AGREEMENTS
from shared.contracts import consent_said
from shared.contracts.decision import Outcome
from shared.contracts.disclosure import Question
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.visit import CheckInOutcome, WatchTier
from shared.desk import redirect, render
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Transaction, Tx
from shared.runtime.problems import ChangedMeanwhile, FormIncomplete, NotFound, Refusal, refusals

router = APIRouter(responses=refusals(NotFound, WatchHasEnded, ChangedMeanwhile, FormIncomplete))


@dataclass(frozen=True)
class Sitting:
    """One form sent by one worker: what every saving route is given."""

    request: Request
    staff: Staff
    form: FormData
    tx: Transaction

    @cached_property
    def typed(self) -> Typed:
        return Typed(self.form, self.tx.now)

    @property
    def by(self) -> StaffRef:
        return access.staff_ref(self.staff)

    @property
    def rules(self) -> Rules:
        return access.rules(self.request, self.typed.today)

    async def audit(self, action: str, watch: Watch) -> None:
        await audit.record(
            self.tx, self.staff, action, "watch", watch.plan_id, household_id=watch.household_id, purpose="watch", legal_basis=watch.legal_basis
        )


Work = Callable[[Sitting, Watch], Awaitable[None]]


async def _on_watch(at: Sitting, plan_id: UUID, name: str, work: Work) -> Response:
    """Loads the watch for changing and does `work`. 422 gives the form `name` back; any other refusal leaves the page standing."""
    watch = await store.watch_to_change(at.tx, plan_id)
    access.writable(at.tx, watch.household_id)
    try:
        await work(at, watch)
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        values = await views.watch_page(at.request, at.tx, at.staff, watch, at.typed.again(name, refusal))
        return render(at.request, "watch.html", values | {"saved": False}, block=f"{name}_form", status=422)
    return redirect(at.request, f"/outreach/watch/{plan_id}?saved=true")


@router.post("/watch/{plan_id}/check-ins", responses=refusals(FutureCheckIn, CheckInBeforePlan, ReturnUnclear, CallFirst))
async def check_in(request: Request, plan_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """安否確認を記録する。二度押しは一つの記録になる。"""
    return await _on_watch(Sitting(request, staff, form, tx), plan_id, "check_in", _check_in)


async def _check_in(at: Sitting, watch: Watch) -> None:
    typed = at.typed
    made_id = typed.given_id("check_in_id")
    if await store.is_recorded(at.tx, made_id):
        return
    moment, until, memo = typed.moment("on", "clock"), typed.day("until"), typed.text("memo")
    outcome = typed.one_of("outcome", CheckInOutcome, "どうだったかを選んでください。")
    typed.done()
    made = CheckIn(made_id, outcome, moment, until if outcome is CheckInOutcome.KNOWN_AWAY else None, memo, typed.text("called", 8) == "1")
    decided = watches.check_in(watch, made, seen=typed.version(), by=at.by, now=at.tx.now, rules=at.rules)
    await store.save_check_in(at.tx, decided, made)
    await at.audit("check_in", watch)


@router.post("/watch/{plan_id}/tier")
async def change_tier(request: Request, plan_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """段階を変える。"""

    async def work(at: Sitting, watch: Watch) -> None:
        tier = at.typed.one_of("tier", WatchTier, "段階を選んでください。")
        await store.save_watch(tx, watches.change_tier(watch, tier, seen=at.typed.version(), by=at.by, at=tx.now, rules=at.rules))
        await at.audit("change_tier", watch)

    return await _on_watch(Sitting(request, staff, form, tx), plan_id, "tier", work)


@router.post("/watch/{plan_id}/end", responses=refusals(EndReasonMissing))
async def end(request: Request, plan_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """見守りを終える。根拠がなくなれば、氏名の写しを消す。"""

    async def work(at: Sitting, watch: Watch) -> None:
        reason = at.typed.text("reason", 400)
        at.typed.done()
        await store.save_watch(tx, watches.end(watch, reason, seen=at.typed.version(), by=at.by, on=at.typed.today))
        await identity.forget(tx, watch.household_id)
        await at.audit("end", watch)

    return await _on_watch(Sitting(request, staff, form, tx), plan_id, "end", work)


@router.post("/watch/{plan_id}/consent")
async def consent_heard(request: Request, plan_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """訪問先で聞いた、同意の取り下げ・拒否。この窓口の根拠をすぐに改め、受付に知らせる。写しは、受付からの撤回で消えて受領になる。"""
    return await _on_watch(Sitting(request, staff, form, tx), plan_id, "consent", _consent_heard)


async def _consent_heard(at: Sitting, watch: Watch) -> None:
    fact_id, member = at.typed.given_id("fact_id"), at.typed.ident("consent_of")
    on = at.typed.day("heard_on") or at.typed.today
    at.typed.done()
    await store.watches_to_change(at.tx, watch.household_id)
    known = [one.member_id for one in await heard.members(at.tx, watch.household_id)]
    said = spoken.Heard(fact_id, watch.household_id, MemberId(member) if member else None, at.typed.choice("word", spoken.Word), on)
    event = spoken.hear(said, known, at.typed.today)
    if await consents.WORDS.is_said(at.tx, fact_id):
        return  # the second press of the button
    await AGREEMENTS.hear(at.tx, consent_said.by_fact(event, consents.UNIT, at.tx.now), why=fact_id)
    at.tx.publish(event)
    await audit.record(at.tx, at.staff, "withdraw", "consent", fact_id, household_id=watch.household_id, purpose="watch", legal_basis=spoken.BASIS)


@router.post("/watch/{plan_id}/ask")
async def ask_again(request: Request, plan_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """氏名を受付に照会する、し直す。"""
    watch = await store.watch_to_change(tx, plan_id)
    access.writable(tx, watch.household_id)
    if not watch.running:
        raise WatchHasEnded
    question = await identity.newest_question(tx, watch.household_id) or await _ground(tx, watch)
    await disclosure.ask(tx, question, why=str(uuid4()))
    await Sitting(request, staff, form, tx).audit("ask", watch)
    return redirect(request, f"/outreach/watch/{plan_id}")


@router.post("/households/{household_id}/plan", responses=refusals(AlreadyWatched))
async def plan(request: Request, household_id: UUID, staff: Writer, form: Form, tx: Tx) -> Response:
    """つなぎなしで見守りを計画する。根拠は、その世帯の受理したつなぎ、なければ内部利用。"""
    at, household = Sitting(request, staff, form, tx), HouseholdId(household_id)
    if not await heard.members(tx, household):
        raise NotFound
    accepted = await store.accepted_referral_of(tx, household)
    try:
        planned = await planned_watch(at, household, accepted)
    except FormIncomplete as refusal:
        values = await views.plan_page(tx, staff, household, None, at.typed.again("plan", refusal))
        return render(request, "plan.html", values, block="plan_form", status=422)
    if await store.add_watch(tx, planned):
        await at.audit("plan", planned.state)
        if await identity.newest_question(tx, household) is None:
            await disclosure.ask(tx, await _ground(tx, planned.state))
    return redirect(request, f"/outreach/watch/{planned.state.plan_id}")


async def planned_watch(at: Sitting, household_id: HouseholdId, ground: Referral | None) -> Outcome[Watch]:
    """様式の計画。根拠はつなぎのものだが、見守る人の同意がなければ「同意」ではない。同じ計画がもう保存されていれば、それを返す（二度押し）。

    FormIncomplete when who or how often is missing.
    """
    plan_id = at.typed.given_id("plan_id")
    others = await store.watches_to_change(at.tx, household_id)
    known = next((watch for watch in others if watch.plan_id == plan_id), None)
    if known:
        return Outcome(known)
    member_id = await _member(at, household_id)
    tier = at.typed.one_of("tier", WatchTier, "段階を選んでください。")
    at.typed.done()
    whose = (member_id,) if member_id else ground.member_ids if ground else ()
    basis = await consents.basis_for(at.tx, household_id, whose, ground.legal_basis if ground else consents.OTHERWISE)
    return watches.plan(plan_id, household_id, member_id, tier, basis=basis, by=at.by, at=at.tx.now, rules=at.rules, others=others)


async def _member(at: Sitting, household_id: HouseholdId) -> MemberId | None:
    """選ばれた人。いま世帯にいる人でなければ、欄に知らせる。"""
    if at.typed.text("member_id", 64) == views.WHOLE:
        return None
    chosen = at.typed.ident("member_id")
    if chosen not in {member.member_id for member in await heard.members(at.tx, household_id) if member.left is None}:
        at.typed.problems["member_id"] = "見守る人を選んでください。" if chosen is None else OPEN_AGAIN
        return None
    assert chosen is not None
    return MemberId(chosen)


async def _ground(tx: Transaction, watch: Watch) -> Question:
    """氏名を尋ねる根拠: 受理したつなぎ、なければ見守り。"""
    accepted = await store.accepted_referral_of(tx, watch.household_id)
    return disclosure.about_referral(accepted) if accepted else disclosure.about_watch(watch)
