"""つなぎ（FM8 つなぎ票）: 届く・受理・不受理・保留、つないだ先の返事（つなぐのは refer.py）。"""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from services.cases.casework import basis
from services.cases.casework.decision import Caseworker
from shared.contracts import consent_said
from shared.contracts.consent_said import Consents
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import ConsultationId, HouseholdId, LegalBasis, MemberId, ReferralId, UnitCode
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


#: 「◯◯さんが先に〜」の言い方
_DONE = {
    ReferralState.HELD: "保留にしました", ReferralState.ACCEPTED: "受理しました", ReferralState.DECLINED: "不受理にしました",
}  # fmt: skip


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
    from_unit: UnitCode
    to_unit: UnitCode
    member_ids: tuple[MemberId, ...]
    topics: tuple[str, ...]
    urgency: Urgency
    consent: ConsentState
    legal_basis: LegalBasis
    made_on: date
    reply_due: date
    consultation_id: ConsultationId | None = None
    receipt_no: str | None = None
    state: ReferralState = ReferralState.RECEIVED
    answered_by: Caseworker | None = None
    answered_on: date | None = None
    decline_reason: DeclineReason | None = None
    version: int = 1
    #: つないだとき、権利利益を不当に侵害するおそれがないことを確かめた（69条2項3号・4号のとき）
    harm_checked: bool = False
    #: そう考えたわけ。つないだ窓口の中だけに残る
    harm_note: str = ""


def arrive(event: ReferralMade, source: UnitCode) -> Referral:
    """届いたつなぎ。返事をするまで「返信待ち」。"""
    return Referral(
        referral_id=event.referral_id,
        household_id=event.household_id,
        from_unit=source,
        to_unit=event.to,
        member_ids=event.member_ids,
        topics=event.topics,
        urgency=event.urgency,
        consent=event.consent,
        legal_basis=event.legal_basis,
        made_on=event.made_on,
        reply_due=event.reply_due,
        consultation_id=event.consultation_id,
        receipt_no=event.receipt_no,
    )


def agreed(referral: Referral, consents: Consents, *, otherwise: LegalBasis) -> Referral:
    """返事をするときの同意と根拠。つないだ人の全員が同意していなければ、返事の根拠は同意ではない。"""
    state = consent_said.of_all(consents, referral.member_ids)
    return replace(referral, consent=state, legal_basis=basis.following(referral.legal_basis, state, otherwise))


def accept(referral: Referral, *, seen: int, by: Caseworker, on: date) -> Outcome[Referral]:
    """受理する。同じ人の二度押しは同じ答え、ほかの人が先なら ReferralAlreadyAnswered。"""
    if _same_answer(referral, ReferralState.ACCEPTED, by):
        return Outcome(referral)
    _must_wait(referral, seen)
    answered = _answered(referral, ReferralState.ACCEPTED, by, on)
    return Outcome(answered, (ReferralAccepted(**_about(referral), accepted_on=on),))


def decline(referral: Referral, reason: DeclineReason | None, *, seen: int, by: Caseworker, on: date) -> Outcome[Referral]:
    """理由をつけて不受理にする。理由がなければ ReasonMissing。"""
    if _same_answer(referral, ReferralState.DECLINED, by):
        return Outcome(referral)
    _must_wait(referral, seen)
    if reason is None:
        raise ReasonMissing(fields={"reason": ReasonMissing.sentence})
    answered = replace(_answered(referral, ReferralState.DECLINED, by, on), decline_reason=reason)
    return Outcome(answered, (ReferralDeclined(**_about(referral), reason=reason, declined_on=on),))


def hold(referral: Referral, *, seen: int, by: Caseworker, on: date) -> Outcome[Referral]:
    """保留にする。返信期限は変わらない。"""
    if _same_answer(referral, ReferralState.HELD, by):
        return Outcome(referral)
    _must_wait(referral, seen)
    return Outcome(_answered(referral, ReferralState.HELD, by, on), (ReferralHeld(**_about(referral), held_on=on),))


def withdraw(referral: Referral) -> Outcome[Referral]:
    """もとの受付が取り消された。返事の済んだつなぎは変えない（ケースの終結は担当者が決める）。"""
    if not referral.state.waiting:
        return Outcome(referral)
    return Outcome(replace(referral, state=ReferralState.WITHDRAWN, version=referral.version + 1))


def hear(referral: Referral, answer: ReferralAccepted | ReferralDeclined | ReferralHeld) -> Referral:
    """つないだ先の返事。"""
    match answer:
        case ReferralAccepted():
            state, on = ReferralState.ACCEPTED, answer.accepted_on
        case ReferralDeclined():
            state, on = ReferralState.DECLINED, answer.declined_on
        case ReferralHeld():
            state, on = ReferralState.HELD, answer.held_on
    reason = answer.reason if isinstance(answer, ReferralDeclined) else None
    return replace(referral, state=state, answered_on=on, decline_reason=reason, version=referral.version + 1)


def _about(referral: Referral) -> dict[str, object]:
    return {"household_id": referral.household_id, "legal_basis": referral.legal_basis, "referral_id": referral.referral_id}


def _same_answer(referral: Referral, state: ReferralState, by: Caseworker) -> bool:
    return referral.state is state and referral.answered_by is not None and referral.answered_by.sub == by.sub


def _answered(referral: Referral, state: ReferralState, by: Caseworker, on: date) -> Referral:
    return replace(referral, state=state, answered_by=by, answered_on=on, version=referral.version + 1)


def _must_wait(referral: Referral, seen: int) -> None:
    if referral.state is ReferralState.WITHDRAWN:
        raise ReferralWithdrawn
    if not referral.state.waiting or seen != referral.version:
        who = referral.answered_by.name if referral.answered_by else "ほかの職員"
        done = _DONE.get(referral.state, "更新しました")
        raise ReferralAlreadyAnswered(f"{who}さんが先に{done}。一覧を開き直して確かめてください。")
