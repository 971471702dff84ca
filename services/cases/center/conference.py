"""会議の案: 気づき（アラート）から、どの会議にかけるかを決める (domain.md §1.2)。

同意のない案件は支援会議（社会福祉法106条の6）にだけかけられる。同意がそろえば重層的支援会議でもよい。
一つの世帯に案は一つ: 理由が増えても会議は増えない。
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from shared.contracts.alert import AlertRaised
from shared.contracts.conference import Forum
from shared.contracts.event import HouseholdId, Lane, StaffId, UnitCode
from shared.desk.wareki import japan_day

#: センターが招集できる会議と、その根拠
GROUND = {
    Forum.CONFIDENTIAL: "社会福祉法106条の6。市が招集し、同意がなくても開ける。出席者には罰則つきの守秘義務がある。",
    Forum.CONSENTED: "本人の同意がある案件に限る。プランの適切さと役割分担を決める。",
}


class DraftState(StrEnum):
    DRAFT = "draft"
    DROPPED = "dropped"
    CONVENED = "convened"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Convening:
    """招集した会議: 根拠は一つ。出席するのは窓口（その職員みな）か、名指しの職員（アカウントの番号）。期間は両端の日を含む。"""

    forum: Forum
    units: tuple[UnitCode, ...]
    staff: tuple[StaffId, ...]
    convened_on: date
    ends_on: date
    closed_on: date | None = None

    def ongoing(self, on: date) -> bool:
        return self.closed_on is None and on <= self.ends_on


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
    convening: Convening | None = None

    @property
    def forum(self) -> Forum:
        """招集するまでは、一つでも同意のない理由があれば支援会議。招集すれば、その会議のまま変わらない。"""
        if self.convening:
            return self.convening.forum
        return Forum.CONSENTED if self.agreed else Forum.CONFIDENTIAL

    @property
    def agreed(self) -> bool:
        return all(reason.lane is Lane.CONSENT for reason in self.reasons)

    @property
    def ground(self) -> str:
        return GROUND.get(self.forum, "")

    def takes(self, lane: Lane, on: date) -> bool:
        """招集した会議に、新しい理由を足せるか。重層的支援会議には、同意のある理由だけ。終わった会議には足せない。"""
        return self.convening is None or (self.convening.ongoing(on) and (self.forum is Forum.CONFIDENTIAL or lane is Lane.CONSENT))

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
    if existing is None or not existing.takes(alert.lane, japan_day(alert.raised_at)):
        return Draft(conference_id, alert.household_id, (reason,))
    others = tuple(known for known in existing.reasons if known.alert_id != alert.alert_id)
    return replace(existing, reasons=(*others, reason))


def drop(draft: Draft, alert_id: UUID) -> Draft:
    """アラートが「事実と違う」などで退けられた。理由がなくなれば、案も取り下げる（招集した会議は、人が終える）。"""
    left = tuple(reason for reason in draft.reasons if reason.alert_id != alert_id)
    if not left and draft.convening:
        return draft
    return replace(draft, reasons=left) if left else replace(draft, state=DraftState.DROPPED)
