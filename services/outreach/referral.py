"""届いたつなぎ: 見守りを始めて受ける、理由をつけて断る、保留にする。Pure."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from shared.contracts.consultation import Urgency
from shared.contracts.event import Event, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.runtime.problems import FormIncomplete, Refusal


class ReferralAlreadyAnswered(Refusal):
    code = "referral_already_answered"
    sentence = "このつなぎには、すでに返事をしています。一覧を開き直してください。"


class ReferralState(StrEnum):
    RECEIVED = "received"
    HELD = "held"
    ACCEPTED = "accepted"
    DECLINED = "declined"

    @property
    def label(self) -> str:
        return {"received": "返信待ち", "held": "保留", "accepted": "受理", "declined": "不受理"}[self.value]

    @property
    def waiting(self) -> bool:
        return self in (ReferralState.RECEIVED, ReferralState.HELD)


@dataclass(frozen=True, slots=True)
class Referral:
    id: ReferralId
    household_id: HouseholdId
    from_unit: str
    member_ids: tuple[MemberId, ...]
    urgency: Urgency
    legal_basis: LegalBasis
    made_on: date
    reply_due: date
    receipt_no: str | None = None
    state: ReferralState = ReferralState.RECEIVED


@dataclass(frozen=True, slots=True)
class Answer:
    referral: Referral
    events: tuple[Event, ...]


def arrive(event: ReferralMade, source: str) -> Referral:
    return Referral(
        event.referral_id, event.household_id, source, event.member_ids, event.urgency, event.legal_basis, event.made_on, event.reply_due,
        event.receipt_no,
    )  # fmt: skip


def accept(referral: Referral, on: date) -> Answer:
    """見守りの計画を立てるときに受理になる。"""
    return _answer(referral, ReferralState.ACCEPTED, ReferralAccepted(**_of(referral), accepted_on=on))


def decline(referral: Referral, reason: DeclineReason | None, on: date) -> Answer:
    if reason is None:
        raise FormIncomplete("不受理の理由を選んでください。", fields={"reason": "不受理の理由を選んでください。"})
    return _answer(referral, ReferralState.DECLINED, ReferralDeclined(**_of(referral), reason=reason, declined_on=on))


def hold(referral: Referral, on: date) -> Answer:
    """返信期限までに決める。"""
    return _answer(referral, ReferralState.HELD, ReferralHeld(**_of(referral), held_on=on))


def _answer(referral: Referral, state: ReferralState, event: Event) -> Answer:
    if not referral.state.waiting:
        raise ReferralAlreadyAnswered
    return Answer(replace(referral, state=state), (event,))


def _of(referral: Referral) -> dict[str, object]:
    return {"household_id": referral.household_id, "legal_basis": referral.legal_basis, "referral_id": referral.id}
