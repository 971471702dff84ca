"""世帯の知識とこれまでの気づきから、いま何を知らせ、何を閉じるかを決める。Pure: the whole decision of this unit in one place."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from services.notify.alert import Alert, Outcome, consider, no_longer
from services.notify.household import HouseholdFacts
from services.notify.parameters import Parameters
from services.notify.rules import Kind, evaluate
from shared.contracts.event import HouseholdId


def notice(
    household: HouseholdFacts, latest: Mapping[str, Alert], now: datetime, parameters: Parameters, *, new_id: Callable[[], UUID], late: bool = False
) -> tuple[Outcome, ...]:
    """`latest` はルールごとの最後の気づき。変わるものだけを返す。同じ知識で二度呼べば、二度目は何も返さない。"""
    findings = evaluate(household, now, parameters)
    raised = [
        consider(
            finding,
            latest.get(rule_id),
            household_id=HouseholdId(household.id),
            now=now,
            parameters=parameters,
            new_id=new_id(),
            late=late,
        )
        for rule_id, finding in findings.items()
    ]
    over = [no_longer(alert, _settled_by(household, alert), now) for rule_id, alert in latest.items() if rule_id not in findings]
    return tuple(outcome for outcome in raised + over if outcome is not None)


def _settled_by(household: HouseholdFacts, alert: Alert) -> str | None:
    """自分で閉じる気づきの、理由の区分: 安否が確かめられた見守り（R-105、T-04）と、そろった受領（R-916）。ほかのルールは人が閉じる。"""
    return _safe(household, _refs(alert, Kind.WATCH)) or _answered(household, _refs(alert, Kind.RECEIPT))


def _refs(alert: Alert, kind: Kind) -> set[UUID]:
    return {one.ref for one in alert.evidence if one.kind is kind}


def _answered(household: HouseholdFacts, missed: set[UUID]) -> str | None:
    complete = {one.id for one in household.withdrawals if not one.units}
    return "answered" if missed and missed <= complete else None


def _safe(household: HouseholdFacts, plans: set[UUID]) -> str | None:
    if not plans:
        return None
    watches = [watch for watch in household.watches if watch.id in plans]
    if len(watches) < len(plans):  # まだ聞いていないだけかもしれない（投影の作り直し）
        return None
    watch = max(watches, key=lambda one: (one.last_at is not None, one.last_at or one.next_due))  # 最後に確かめられた見守りが理由
    if watch.ended_on is not None:
        return "ended"
    if watch.member_id is not None and watch.member_id not in {member.id for member in household.living()}:
        return "left"
    return watch.last_outcome.value if watch.last_outcome and watch.last_outcome.success else "replanned"
