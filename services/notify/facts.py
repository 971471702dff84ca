"""聞いた便りを、世帯の知識に畳み込む。Pure: the same events in any order that keeps each desk's own order give the same household."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol, TypeVar
from uuid import UUID

from services.notify.household import Case, Consultation, Fact, HouseholdFacts, Member, Referral, ReferralState, Watch, Withdrawal
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged, FactRecorded, FactRetracted
from shared.contracts.consent import ReceiptsMissed
from shared.contracts.consultation import ConsultationReceived, ConsultationWithdrawn
from shared.contracts.event import Event
from shared.contracts.household import Area, HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.protection import ProtectionDeclared
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.contracts.visit import CheckInRecorded, WatchEnded, WatchPlanned

HEARD: tuple[type[Event], ...] = (
    HouseholdRegistered, MemberJoined, MemberCorrected, MemberLeft, ConsultationReceived, ConsultationWithdrawn,
    ReferralMade, ReferralAccepted, ReferralDeclined, ReferralHeld, CaseOpened, CaseStateChanged, CaseClosed,
    FactRecorded, FactRetracted, WatchPlanned, CheckInRecorded, WatchEnded, ProtectionDeclared, ReceiptsMissed,
)  # fmt: skip


class _Kept(Protocol):
    @property
    def id(self) -> UUID: ...


E = TypeVar("E", bound=_Kept)


@dataclass(frozen=True, slots=True)
class Told:
    """誰が、いつ、何番目に言ったか。"""

    unit: str
    at: datetime
    seq: int


def hear(household: HouseholdFacts, event: Event, told: Told) -> HouseholdFacts:
    """便りを一つ聞く。もう聞いた番号なら、同じ値をそのまま返す（二度届いても変わらない）。"""
    line = f"{told.unit}/{event.channel}"
    if told.seq <= household.heard.get(line, 0):
        return household
    return replace(_fold(household, event, told), heard={**household.heard, line: told.seq})


def _fold(household: HouseholdFacts, event: Event, told: Told) -> HouseholdFacts:
    match event:
        case HouseholdRegistered():
            return replace(household, area=event.area)
        case ProtectionDeclared():
            return replace(household, area=Area.UNKNOWN)
        case MemberJoined() | MemberCorrected() | MemberLeft():
            return _member(household, event)
        case ConsultationReceived():
            received = Consultation(event.consultation_id, event.receipt_no, event.received_on, event.consent)
            return replace(household, consultations=_put(household.consultations, received))
        case ConsultationWithdrawn():
            kept = [replace(one, cancelled=True) for one in household.consultations if one.id == event.consultation_id]
            return replace(household, consultations=_put(household.consultations, kept[0])) if kept else household
        case ReferralMade() | ReferralAccepted() | ReferralDeclined() | ReferralHeld():
            return _referral(household, event, told)
        case CaseOpened() | CaseStateChanged() | CaseClosed():
            return _case(household, event, told)
        case FactRecorded() | FactRetracted():
            return _fact(household, event, told)
        case WatchPlanned() | CheckInRecorded() | WatchEnded():
            return _watch(household, event, told)
        case ReceiptsMissed():
            missed = Withdrawal(event.withdrawal_id, event.member_id, event.since, event.units)
            return replace(household, withdrawals=_put(household.withdrawals, missed))
    return household


def _member(household: HouseholdFacts, event: MemberJoined | MemberCorrected | MemberLeft) -> HouseholdFacts:
    known = household.member(event.member_id)
    match event:
        case MemberJoined():  # 離れた人がまた加われば、離れた記録は消える
            member = Member(event.member_id, event.role, event.birth_month, event.effective_on)
        case MemberCorrected() if known:
            member = replace(known, role=event.role, birth_month=event.birth_month)
        case MemberLeft() if known:
            member = replace(known, left_on=event.effective_on, left_reason=event.reason)
        case _:
            return household
    return replace(household, members=_put(household.members, member))


def _referral(household: HouseholdFacts, event: ReferralMade | ReferralAccepted | ReferralDeclined | ReferralHeld, told: Told) -> HouseholdFacts:
    """つなぎと返事は別の窓口から届くので、返事が先のこともある。返事はつなぎに消されない。"""
    known = _find(household.referrals, event.referral_id)
    match event:
        case ReferralMade():
            base = known or Referral(event.referral_id, event.to, ReferralState.MADE)
            referral = replace(base, unit=event.to, made_on=event.made_on, reply_due=event.reply_due, consultation_id=event.consultation_id)
        case ReferralAccepted():
            referral = _answered(known, event.referral_id, told.unit, ReferralState.ACCEPTED, event.accepted_on)
        case ReferralDeclined():
            referral = _answered(known, event.referral_id, told.unit, ReferralState.DECLINED, event.declined_on)
        case ReferralHeld():
            referral = _answered(known, event.referral_id, told.unit, ReferralState.HELD, event.held_on)
    return replace(household, referrals=_put(household.referrals, referral))


def _answered(known: Referral | None, referral_id: UUID, unit: str, state: ReferralState, on: date) -> Referral:
    return replace(known or Referral(referral_id, unit, state), state=state, answered_on=on)


def _case(household: HouseholdFacts, event: CaseOpened | CaseStateChanged | CaseClosed, told: Told) -> HouseholdFacts:
    known = _find(household.cases, event.case_id)
    match event:
        case CaseOpened():
            case = Case(event.case_id, told.unit, event.state, event.opened_on)
        case CaseStateChanged() if known:
            case = replace(known, state=event.state, closed_on=event.changed_on if event.state is CaseState.CLOSED else None)
        case CaseClosed() if known:
            case = replace(known, state=CaseState.CLOSED, closed_on=event.closed_on)
        case _:
            return household
    return replace(household, cases=_put(household.cases, case))


def _fact(household: HouseholdFacts, event: FactRecorded | FactRetracted, told: Told) -> HouseholdFacts:
    if isinstance(event, FactRetracted):
        return replace(household, facts=_without(household.facts, event.fact_id), retracted=household.retracted | {event.fact_id})
    retracted = household.retracted | ({event.supersedes} if event.supersedes else set())
    facts = _without(household.facts, event.supersedes) if event.supersedes else household.facts
    if event.fact_id not in retracted:
        fact = Fact(
            event.fact_id, event.member_id, event.kind, event.value, event.since, event.as_of, event.confidence, told.unit, told.at,
        )  # fmt: skip
        facts = _put(facts, fact)
    return replace(household, facts=facts, retracted=retracted)


def _watch(household: HouseholdFacts, event: WatchPlanned | CheckInRecorded | WatchEnded, told: Told) -> HouseholdFacts:
    known = _find(household.watches, event.plan_id)
    match event:
        case WatchPlanned():
            base = known or Watch(event.plan_id, told.unit, event.member_id, event.tier, event.next_due, event.planned_on)
            watch = replace(base, member_id=event.member_id, tier=event.tier, next_due=event.next_due, ended_on=None)
        case CheckInRecorded() if known:
            watch = replace(known, next_due=event.next_due, last_outcome=event.outcome, last_at=event.at)
        case WatchEnded() if known:
            watch = replace(known, ended_on=event.ended_on)
        case _:
            return household
    return replace(household, watches=_put(household.watches, watch))


def _find(kept: Iterable[E], wanted: UUID) -> E | None:
    return next((one for one in kept if one.id == wanted), None)


def _without(kept: Iterable[E], gone: UUID) -> tuple[E, ...]:
    return tuple(one for one in kept if one.id != gone)


def _put(kept: Iterable[E], new: E) -> tuple[E, ...]:
    return tuple(sorted((*_without(kept, new.id), new), key=lambda one: one.id.hex))
