"""ケースと事実の出来事。Owned by the domain that records them."""

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import CaseId, Code, Confidence, Event, MemberId, Month, ReferralId


class CaseState(StrEnum):
    """ケースの状態 (domain.md §3.1)。"""

    LEAD = "LEAD"
    RECEIVED = "RECEIVED"
    SCREENED = "SCREENED"
    RELATION_BUILDING = "RELATION_BUILDING"
    ASSESSING = "ASSESSING"
    PLAN_DRAFT = "PLAN_DRAFT"
    IN_CONFERENCE = "IN_CONFERENCE"
    DECIDED = "DECIDED"
    ACTIVE = "ACTIVE"
    MONITORED = "MONITORED"
    EVALUATING = "EVALUATING"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"
    FOLLOW_UP = "FOLLOW_UP"

    @property
    def label(self) -> str:
        return {
            "LEAD": "気になる情報",
            "RECEIVED": "受付",
            "SCREENED": "スクリーニング済",
            "RELATION_BUILDING": "関係づくり",
            "ASSESSING": "アセスメント",
            "PLAN_DRAFT": "プラン案",
            "IN_CONFERENCE": "会議中",
            "DECIDED": "支援決定",
            "ACTIVE": "支援中",
            "MONITORED": "モニタリング",
            "EVALUATING": "評価",
            "SUSPENDED": "中断（見守り継続）",
            "CLOSED": "終結",
            "FOLLOW_UP": "終結後フォロー",
        }[self.value]


class CaseOpened(Event):
    """ケースを開いた。どの窓口かは封筒の source が語る。"""

    channel: ClassVar[str] = "case"
    name: ClassVar[str] = "opened"

    case_id: CaseId
    referral_id: ReferralId | None = None
    member_ids: tuple[MemberId, ...] = ()
    state: CaseState
    opened_on: date


class CaseStateChanged(Event):
    channel: ClassVar[str] = "case"
    name: ClassVar[str] = "state_changed"

    case_id: CaseId
    state: CaseState
    changed_on: date


class CaseClosed(Event):
    channel: ClassVar[str] = "case"
    name: ClassVar[str] = "closed"

    case_id: CaseId
    reason: Code
    closed_on: date


class FactRecorded(Event):
    """区分された事実を記録した。`kind` と `value` は codes/facts.yaml の語彙だけ。"""

    channel: ClassVar[str] = "fact"
    name: ClassVar[str] = "recorded"

    fact_id: UUID
    member_id: MemberId | None = None
    kind: Code
    value: Code
    since: Month | None = None
    as_of: date
    confidence: Confidence
    supersedes: UUID | None = None


class FactRetracted(Event):
    """記録した事実を取り下げた（誤りだった）。"""

    channel: ClassVar[str] = "fact"
    name: ClassVar[str] = "retracted"

    fact_id: UUID
