"""つなぎ (FM8) の出来事。Made by intake or any domain, answered by the domain it names."""

from datetime import date
from enum import StrEnum
from typing import ClassVar

from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import Code, ConsultationId, Event, MemberId, ReferralId, UnitCode


class DeclineReason(StrEnum):
    NOT_OURS = "not_ours"
    ALREADY_INVOLVED = "already_involved"
    PERSON_DECLINED = "person_declined"
    NO_CAPACITY = "no_capacity"

    @property
    def label(self) -> str:
        return {
            "not_ours": "担当の範囲ではない",
            "already_involved": "すでに関わっている",
            "person_declined": "本人が望まない",
            "no_capacity": "受けられる体制がない",
        }[self.value]


class ReferralMade(Event):
    """窓口 `to` につないだ。`persons` は主に支える世帯員（ID のみ）。"""

    channel: ClassVar[str] = "referral"
    name: ClassVar[str] = "made"

    referral_id: ReferralId
    to: UnitCode
    consultation_id: ConsultationId | None = None
    receipt_no: Code | None = None
    member_ids: tuple[MemberId, ...] = ()
    topics: tuple[Code, ...] = ()
    urgency: Urgency
    consent: ConsentState
    made_on: date
    reply_due: date


class ReferralAccepted(Event):
    channel: ClassVar[str] = "referral"
    name: ClassVar[str] = "accepted"

    referral_id: ReferralId
    accepted_on: date


class ReferralDeclined(Event):
    channel: ClassVar[str] = "referral"
    name: ClassVar[str] = "declined"

    referral_id: ReferralId
    reason: DeclineReason
    declined_on: date


class ReferralHeld(Event):
    """保留。返信期限までに受理・不受理を決める。"""

    channel: ClassVar[str] = "referral"
    name: ClassVar[str] = "held"

    referral_id: ReferralId
    held_on: date
