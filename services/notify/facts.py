"""聞いた便りを、世帯の知識に畳み込む。Pure: the same events in any order that keeps each desk's own order give the same household."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol, TypeVar
from uuid import UUID

from services.notify.grounds import Agreement
from services.notify.household import Case, Consultation, Fact, HouseholdFacts, Member, Referral, ReferralState, Watch, Withdrawal
from shared.contracts import consent_said
from shared.contracts.case import CaseClosed, CaseOpened, CaseState, CaseStateChanged, FactRecorded, FactRetracted
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, ReceiptsMissed
from shared.contracts.consent_said import Said
from shared.contracts.consultation import ConsentState, ConsultationReceived, ConsultationWithdrawn
from shared.contracts.event import Event
from shared.contracts.household import Area, HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.contracts.protection import ProtectionDeclared
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.contracts.visit import CheckInRecorded, WatchEnded, WatchPlanned

HEARD: tuple[type[Event], ...] = (
    HouseholdRegistered, MemberJoined, MemberCorrected, MemberLeft, ConsultationReceived, ConsultationWithdrawn,
    ReferralMade, ReferralAccepted, ReferralDeclined, ReferralHeld, CaseOpened, CaseStateChanged, CaseClosed,
    FactRecorded, FactRetracted, WatchPlanned, CheckInRecorded, WatchEnded, ProtectionDeclared,
    ConsentGiven, ConsentWithdrawn, ReceiptsMissed,
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
        case ConsentGiven() | ConsentWithdrawn():
            return _said(household, _word(event, told))
        case ReceiptsMissed():
            missed = Withdrawal(event.withdrawal_id, event.member_id, event.since, event.units)
            return replace(household, withdrawals=_put(household.withdrawals, missed))
    return household


def _member(household: HouseholdFacts, event: MemberJoined | MemberCorrected | MemberLeft) -> HouseholdFacts:
    known = household.member(event.member_id)
    match event:
        case MemberJoined():  # 離れた人がまた加われば、離れた記録は消える
            member = Member(event.member_id, event.role, event.birth_month, event.effective_on, basis=event.legal_basis)
        case MemberCorrected() if known:
            member = replace(known, role=event.role, birth_month=event.birth_month, basis=event.legal_basis)
        case MemberLeft() if known:
            member = replace(known, left_on=event.effective_on, left_reason=event.reason, basis=event.legal_basis)
        case _:
            return household
    return replace(household, members=_put(household.members, member))


def _referral(household: HouseholdFacts, event: ReferralMade | ReferralAccepted | ReferralDeclined | ReferralHeld, told: Told) -> HouseholdFacts:
    """つなぎと返事は別の窓口から届くので、返事が先のこともある。返事はつなぎに消されない。"""
    known = _find(household.referrals, event.referral_id)
    match event:
        case ReferralMade():
            base = known or Referral(event.referral_id, event.to, ReferralState.MADE)
            referral = replace(
                base, unit=event.to, made_on=event.made_on, reply_due=event.reply_due, consultation_id=event.consultation_id, basis=event.legal_basis
            )
        case ReferralAccepted():
            referral = _answered(known, event, told.unit, ReferralState.ACCEPTED, event.accepted_on)
        case ReferralDeclined():
            referral = _answered(known, event, told.unit, ReferralState.DECLINED, event.declined_on)
        case ReferralHeld():
            referral = _answered(known, event, told.unit, ReferralState.HELD, event.held_on)
    return replace(household, referrals=_put(household.referrals, referral))


def _answered(
    known: Referral | None, event: ReferralAccepted | ReferralDeclined | ReferralHeld, unit: str, state: ReferralState, on: date
) -> Referral:
    """根拠は、つないだ窓口の言ったもの。返事が先なら、それまでは返事の根拠。"""
    base = known or Referral(event.referral_id, unit, state, basis=event.legal_basis)
    return replace(base, state=state, answered_on=on)


def _case(household: HouseholdFacts, event: CaseOpened | CaseStateChanged | CaseClosed, told: Told) -> HouseholdFacts:
    known = _find(household.cases, event.case_id)
    match event:
        case CaseOpened():
            case = Case(event.case_id, told.unit, event.state, event.opened_on, basis=event.legal_basis, member_ids=event.member_ids)
        case CaseStateChanged() if known:
            closed_on = event.changed_on if event.state is CaseState.CLOSED else None
            case = replace(known, state=event.state, closed_on=closed_on, basis=event.legal_basis)
        case CaseClosed() if known:
            case = replace(known, state=CaseState.CLOSED, closed_on=event.closed_on, basis=event.legal_basis)
        case _:
            return household
    return replace(household, cases=_put(household.cases, case))


def _fact(household: HouseholdFacts, event: FactRecorded | FactRetracted, told: Told) -> HouseholdFacts:
    if isinstance(event, FactRetracted):
        return _took_back(household, event.fact_id)
    household = _took_back(household, event.supersedes) if event.supersedes else household
    if event.fact_id in household.retracted:
        return household
    fact = Fact(
        event.fact_id, event.member_id, event.kind, event.value, event.since, event.as_of, event.confidence, told.unit, told.at, event.legal_basis,
    )  # fmt: skip
    return _spoken(replace(household, facts=_put(household.facts, fact)), consent_said.by_fact(event, told.unit, told.at))


def _took_back(household: HouseholdFacts, fact_id: UUID) -> HouseholdFacts:
    """誤りだった「同意あり」は、同じ番号の同意とともに、なかったことになる。誤りだった撤回は戻らない（本人に聞き直す）。"""
    said = tuple(one for one in household.said if not (one.given and one.id == fact_id))
    return replace(household, facts=_without(household.facts, fact_id), said=said, retracted=household.retracted | {fact_id})


def _spoken(household: HouseholdFacts, said: Said | None) -> HouseholdFacts:
    """窓口で聞いた同意は、相手を限らない。"""
    if said is None or said.state is ConsentState.NOT_ASKED:
        return household
    given = said.state is ConsentState.GIVEN
    return _said(household, Agreement(said.source_id, said.member_id, given, None, said.as_of, None, said.said_at))


def _word(event: ConsentGiven | ConsentWithdrawn, told: Told) -> Agreement:
    match event:
        case ConsentGiven():
            purposes = tuple(one.value for one in event.purposes)
            return Agreement(event.consent_id, event.member_id, True, event.recipients, event.valid_from, event.valid_to, told.at, purposes)
        case ConsentWithdrawn():
            return Agreement(event.withdrawal_id, event.member_id, False, event.recipients, event.withdrawn_on, None, told.at)


def _said(household: HouseholdFacts, word: Agreement) -> HouseholdFacts:
    known = _find(household.said, word.id)
    if (word.given and word.id in household.retracted) or (known and known.recipients is not None and word.recipients is None):
        return household  # a mistake, or the owner of consents has already said whom it is for
    return replace(household, said=_put(household.said, word))


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
    return replace(household, watches=_put(household.watches, replace(watch, basis=event.legal_basis)))


def _find(kept: Iterable[E], wanted: UUID) -> E | None:
    return next((one for one in kept if one.id == wanted), None)


def _without(kept: Iterable[E], gone: UUID) -> tuple[E, ...]:
    return tuple(one for one in kept if one.id != gone)


def _put(kept: Iterable[E], new: E) -> tuple[E, ...]:
    return tuple(sorted((*_without(kept, new.id), new), key=lambda one: one.id.hex))
