"""届いたつなぎ（FM8 つなぎ票）: 見守りを計画して受理する、理由をつけて不受理にする、保留にする。"""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from services.outreach.staff import StaffRef
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import ConsultationId, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.runtime.problems import Refusal


class ReferralState(StrEnum):
    RECEIVED = "received"
    HELD = "held"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        return {"received": "返信待ち", "held": "保留", "accepted": "受理", "declined": "不受理", "withdrawn": "受付の取消"}[self.value]

    @property
    def waiting(self) -> bool:
        """返事がまだか。保留も、返信期限までに決める約束なので「まだ」。"""
        return self in (ReferralState.RECEIVED, ReferralState.HELD)


class ReferralAlreadyAnswered(Refusal):
    code = "referral_already_answered"
    sentence = "このつなぎには、すでに返事をしています。"


class ReferralWithdrawn(Refusal):
    code = "referral_withdrawn"
    sentence = "このつなぎのもとになった受付は取り消されました。返事はいりません。"


class ReasonMissing(Refusal):
    status = 422
    code = "reason_missing"
    sentence = "不受理の理由を選んでください。"


@dataclass(frozen=True, slots=True)
class Referral:
    referral_id: ReferralId
    household_id: HouseholdId
    from_unit: str
    member_ids: tuple[MemberId, ...]
    topics: tuple[str, ...]
    urgency: Urgency
    consent: ConsentState
    legal_basis: LegalBasis
    made_on: date
    reply_due: date
    receipt_no: str | None = None
    state: ReferralState = ReferralState.RECEIVED
    answered_by: StaffRef | None = None
    answered_on: date | None = None
    decline_reason: DeclineReason | None = None
    consultation_id: ConsultationId | None = None
    version: int = 1


def arrive(event: ReferralMade, source: str) -> Referral:
    """届いたつなぎ。返事をするまで「返信待ち」。"""
    return Referral(
        event.referral_id, event.household_id, source, event.member_ids, event.topics, event.urgency, event.consent, event.legal_basis, event.made_on,
        event.reply_due, event.receipt_no, consultation_id=event.consultation_id,
    )  # fmt: skip


def accept(referral: Referral, *, seen: int, by: StaffRef, on: date) -> Outcome[Referral]:
    """受理する。見守りの計画と同じ COMMIT で。"""
    answered = _answered(referral, ReferralState.ACCEPTED, seen, by, on)
    return Outcome(answered, (ReferralAccepted(**_about(referral), accepted_on=on),))


def decline(referral: Referral, reason: DeclineReason | None, *, seen: int, by: StaffRef, on: date) -> Outcome[Referral]:
    """理由をつけて不受理にする。理由がなければ ReasonMissing。"""
    answered = _answered(referral, ReferralState.DECLINED, seen, by, on)
    if reason is None:
        raise ReasonMissing(fields={"reason": ReasonMissing.sentence})
    return Outcome(replace(answered, decline_reason=reason), (ReferralDeclined(**_about(referral), reason=reason, declined_on=on),))


def hold(referral: Referral, *, seen: int, by: StaffRef, on: date) -> Outcome[Referral]:
    """保留にする。返信期限は変わらない。"""
    return Outcome(_answered(referral, ReferralState.HELD, seen, by, on), (ReferralHeld(**_about(referral), held_on=on),))


def withdraw(referral: Referral) -> Outcome[Referral]:
    """もとの受付が取り消された。返事の済んだつなぎは変えない（見守りを終えるかは担当者が決める）。"""
    if not referral.state.waiting:
        return Outcome(referral)
    return Outcome(replace(referral, state=ReferralState.WITHDRAWN, version=referral.version + 1))


def same_answer(referral: Referral, state: ReferralState, by: StaffRef) -> bool:
    """同じ人の二度押しか。"""
    return referral.state is state and referral.answered_by is not None and referral.answered_by.sub == by.sub


def _answered(referral: Referral, state: ReferralState, seen: int, by: StaffRef, on: date) -> Referral:
    if referral.state is ReferralState.WITHDRAWN:
        raise ReferralWithdrawn
    if not referral.state.waiting or seen != referral.version:
        who = referral.answered_by.name if referral.answered_by else "ほかの職員"
        raise ReferralAlreadyAnswered(f"{who}さんが先に「{referral.state.label}」にしました。一覧を開き直して確かめてください。")
    return replace(referral, state=state, answered_by=by, answered_on=on, version=referral.version + 1)


def _about(referral: Referral) -> dict[str, object]:
    return {"household_id": referral.household_id, "legal_basis": referral.legal_basis, "referral_id": referral.referral_id}
