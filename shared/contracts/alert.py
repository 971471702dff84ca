"""気づき（アラート）の出来事。Owned by notify. Only the rule, the household and who is involved; no narrative (domain.md §5.0)."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Code, Event, Lane, UnitCode


class Severity(StrEnum):
    """S1 即時 / S2 3営業日 / S3 14日 / S4 次の定例会議。"""

    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"

    @property
    def label(self) -> str:
        return {"S1": "S1 即時", "S2": "S2 3営業日", "S3": "S3 14日以内", "S4": "S4 次の定例会議"}[self.value]


class DismissReason(StrEnum):
    NOT_TRUE = "not_true"
    ALREADY_HANDLED = "already_handled"
    NOT_NOW = "not_now"
    DUPLICATE = "duplicate"

    @property
    def label(self) -> str:
        return {
            "not_true": "事実と違う",
            "already_handled": "すでに対応している",
            "not_now": "いまは様子を見る",
            "duplicate": "同じ知らせがある",
        }[self.value]


class AlertRaised(Event):
    channel: ClassVar[str] = "alert"
    name: ClassVar[str] = "raised"

    alert_id: UUID
    rule_id: Code
    rule_version: Code
    severity: Severity
    domains: tuple[UnitCode, ...]
    to: UnitCode
    lane: Lane
    raised_at: datetime
    due: datetime


class AlertAcknowledged(Event):
    channel: ClassVar[str] = "alert"
    name: ClassVar[str] = "acknowledged"

    alert_id: UUID
    at: datetime


class AlertTaken(Event):
    """担当者が受け持った。"""

    channel: ClassVar[str] = "alert"
    name: ClassVar[str] = "taken"

    alert_id: UUID
    at: datetime


class AlertDismissed(Event):
    channel: ClassVar[str] = "alert"
    name: ClassVar[str] = "dismissed"

    alert_id: UUID
    reason: DismissReason
    at: datetime


class AlertDone(Event):
    channel: ClassVar[str] = "alert"
    name: ClassVar[str] = "done"

    alert_id: UUID
    at: datetime
