"""安否確認の段取り（R-105）: 期限が過ぎたら、電話 → 近所・民生委員・キーパーソン → 2人で訪問。Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.household import HouseholdFacts, Watch
from services.notify.parameters import Parameters, Step
from shared.contracts.visit import CheckInOutcome

STEP_LABELS = {
    "call": "別の方法（電話など）で、きょうのうちに確かめる",
    "neighbour": "近所・民生委員・キーパーソンに確かめてもらう",
    "on_site": "2人で訪問し、外から声をかける（異変があれば 119・110）",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """いまの段と、その段が始まった時刻、次の段に移る時刻（最後の段なら None）。"""

    watch: Watch
    step: Step
    since: datetime
    until: datetime | None


def missed(household: HouseholdFacts, now: datetime, parameters: Parameters) -> list[Rung]:
    """期限を過ぎた見守りのすべて、段の進んだものから。一つの世帯に見守りは二つあってよい。"""
    rungs = [rung for watch in _running(household) if (rung := _rung(watch, now, parameters))]
    return sorted(rungs, key=lambda rung: (rung.step.severity, rung.since, rung.watch.id.hex))


def wakes_at(watch: Watch, now: datetime, parameters: Parameters) -> datetime | None:
    """次に見直す時刻: 期限、またはその後の段の始まり。終わった見守りと最後の段の後は None。"""
    if watch.ended_on is not None:
        return None
    moments = (watch.next_due + timedelta(hours=step.after_hours) for step in parameters.ladder[watch.tier])
    return min((moment for moment in moments if moment > now), default=None)


def _running(household: HouseholdFacts) -> list[Watch]:
    """終わっておらず、見守る人がまだ世帯にいるもの。"""
    here = {member.id for member in household.living()}
    return [watch for watch in household.watches if watch.ended_on is None and (watch.member_id is None or watch.member_id in here)]


def _rung(watch: Watch, now: datetime, parameters: Parameters) -> Rung | None:
    steps = parameters.ladder[watch.tier]
    if watch.last_outcome is CheckInOutcome.ALARMING and watch.last_at is not None:  # 異変は段を飛ばす
        return Rung(watch, steps[-1], watch.last_at, None)
    begun = [step for step in steps if watch.next_due + timedelta(hours=step.after_hours) <= now]
    if not begun:
        return None
    later = steps[len(begun)] if len(begun) < len(steps) else None
    until = watch.next_due + timedelta(hours=later.after_hours) if later else None
    return Rung(watch, begun[-1], watch.next_due + timedelta(hours=begun[-1].after_hours), until)
