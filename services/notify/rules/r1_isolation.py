"""R-1xx 孤立: 65歳以上の単身になった、見守りの期限が過ぎた。"""

from datetime import datetime

from services.notify.deadlines import day_of
from services.notify.household import HouseholdFacts
from services.notify.parameters import Parameters
from services.notify.rules.finding import Evidence, Finding, Kind, Person, about, found, from_fact, from_leaving
from services.notify.watch import Rung, missed
from shared.contracts.household import LeavingReason


def became_single(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-101 ほかの人が世帯を離れて、65歳以上の人がひとりになった。はじめから単身の世帯と、登録の訂正は数えない。"""
    day, alone = day_of(now), household.at_home()
    if len(alone) != 1 or (alone[0].age_on(day) or 0) < parameters.single_min_age:
        return None
    departures = _departures(household, now, parameters)
    if not departures:
        return None
    people = [Person("single", alone[0].band_on(day))]
    return found("R-101", household, now, parameters, evidence=departures, people=people, recurs=False)


def missed_watch(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-105 見守りの期限までに安否が確かめられなかった。出来事ではなく時刻が引き金になる。重さと段はいちばん進んだ見守り、根拠は過ぎたすべて。"""
    rungs = missed(household, now, parameters)
    if not rungs:
        return None
    worst = rungs[0]
    severity = worst.step.severity
    due = worst.until or parameters.due("R-105", severity, now)
    evidence = [one for rung in rungs for one in _watch_evidence(household, rung, now)]
    return found("R-105", household, now, parameters, evidence=evidence, severity=severity, due=due, recurs=False, step=worst.step.step)


def _departures(household: HouseholdFacts, now: datetime, parameters: Parameters) -> list[Evidence]:
    day = day_of(now)
    left = [
        from_leaving(member, "intake", about(member, day))
        for member in household.members
        if member.left_on and member.left_reason is not LeavingReason.CORRECTED and (day - member.left_on).days <= parameters.event_window_days
    ]
    moved = [household.fact(member.id, "whereabouts") for member in household.living()]
    facility = [
        from_fact(fact, about(household.member(fact.member_id), day))
        for fact in moved
        if fact and fact.value == "facility" and (day - fact.as_of).days <= parameters.event_window_days
    ]
    return left + facility


def _watch_evidence(household: HouseholdFacts, rung: Rung, now: datetime) -> list[Evidence]:
    watch, day = rung.watch, day_of(now)
    person = about(household.member(watch.member_id), day)
    plan = Evidence(
        Kind.WATCH, watch.unit, watch.id, day_of(watch.next_due), f"tier.{watch.tier}", person, watch.member_id,
        at=watch.next_due, step=rung.step.step,
    )  # fmt: skip
    if watch.last_outcome is None or watch.last_at is None:
        return [plan]
    last = Evidence(Kind.CHECK_IN, watch.unit, watch.id, day_of(watch.last_at), watch.last_outcome, person, watch.member_id, at=watch.last_at)
    return [plan, last]
