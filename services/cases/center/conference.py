"""会議の案: 気づき（アラート）から、どの会議にかけるかを決める (domain.md §1.2)。

同意のない案件は支援会議（社会福祉法106条の6）にだけかけられる。同意がそろえば重層的支援会議でもよい。
一つの世帯に案は一つ: 理由が増えても会議は増えない。
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.contracts.alert import AlertRaised
from shared.contracts.event import HouseholdId, Lane, UnitCode


class Forum(StrEnum):
    CONFIDENTIAL = "confidential_conference"
    CONSENTED = "consented_conference"

    @property
    def label(self) -> str:
        return {"confidential_conference": "支援会議", "consented_conference": "重層的支援会議"}[self.value]

    @property
    def ground(self) -> str:
        return {
            "confidential_conference": "社会福祉法106条の6。市が招集し、同意がなくても開ける。出席者には罰則つきの守秘義務がある。",
            "consented_conference": "本人の同意がある案件に限る。プランの適切さと役割分担を決める。",
        }[self.value]

    @property
    def lane(self) -> Lane:
        return Lane.ART106_6 if self is Forum.CONFIDENTIAL else Lane.CONSENT


class DraftState(StrEnum):
    DRAFT = "draft"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Reason:
    """案のもとになったアラート一つ。語りは持たない。"""

    alert_id: UUID
    rule_id: str
    lane: Lane
    domains: tuple[UnitCode, ...]
    raised_at: datetime
    due: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    conference_id: UUID
    household_id: HouseholdId
    reasons: tuple[Reason, ...]
    state: DraftState = DraftState.DRAFT

    @property
    def forum(self) -> Forum:
        """一つでも同意のない理由があれば、支援会議。"""
        return Forum.CONSENTED if all(reason.lane is Lane.CONSENT for reason in self.reasons) else Forum.CONFIDENTIAL

    @property
    def lane(self) -> Lane:
        return self.forum.lane

    @property
    def domains(self) -> tuple[UnitCode, ...]:
        return tuple(sorted({domain for reason in self.reasons for domain in reason.domains}))

    @property
    def due(self) -> datetime:
        return min(reason.due for reason in self.reasons)


def propose(alert: AlertRaised, existing: Draft | None, *, proposes: Mapping[str, str], conference_id: UUID) -> Draft | None:
    """アラートから案を作る、または同じ世帯の案に理由を足す。会議にかける規則（`proposes`）でなければ None。"""
    if alert.rule_id not in proposes:
        return None
    reason = Reason(alert.alert_id, alert.rule_id, alert.lane, alert.domains, alert.raised_at, alert.due)
    if existing is None:
        return Draft(conference_id, alert.household_id, (reason,))
    others = tuple(known for known in existing.reasons if known.alert_id != alert.alert_id)
    return replace(existing, reasons=(*others, reason))


def drop(draft: Draft, alert_id: UUID) -> Draft:
    """アラートが「事実と違う」などで退けられた。理由がなくなれば、案も取り下げる。"""
    left = tuple(reason for reason in draft.reasons if reason.alert_id != alert_id)
    return replace(draft, reasons=left) if left else replace(draft, state=DraftState.DROPPED)
