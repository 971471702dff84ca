"""相談の出来事。Owned by intake."""

from datetime import date
from enum import StrEnum
from typing import ClassVar

from shared.contracts.event import Code, ConsultationId, Event


class ConsentState(StrEnum):
    """同意の状態 (FM1-3, FM1-11)。"""

    GIVEN = "given"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"

    @property
    def label(self) -> str:
        return {"given": "同意あり", "refused": "同意なし", "not_asked": "まだ聞いていない"}[self.value]


class Urgency(StrEnum):
    """緊急度 CL-06。A 生命・身体の危険 / B 3日以内 / C 2週間以内 / D 定例。"""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class ConsultationReceived(Event):
    """相談を受け付けた。内容は CL-01 の区分だけ。"""

    channel: ClassVar[str] = "consultation"
    name: ClassVar[str] = "received"

    consultation_id: ConsultationId
    receipt_no: Code
    received_on: date
    topics: tuple[Code, ...]
    main_topic: Code | None = None
    route: Code
    urgency: Urgency
    consent: ConsentState


class ConsultationWithdrawn(Event):
    """受付を取り消した（誤入力など）。"""

    channel: ClassVar[str] = "consultation"
    name: ClassVar[str] = "withdrawn"

    consultation_id: ConsultationId
