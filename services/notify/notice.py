"""世帯の知識とこれまでの気づきから、いま何を知らせ、何を閉じるかを決める。Pure: the whole decision of this unit in one place."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.notify.alert import Alert, Outcome, consider, no_longer
from services.notify.deadlines import day_of
from services.notify.grounds import Eyes, Ground, eyes_of_unit
from services.notify.household import HouseholdFacts
from services.notify.parameters import Parameters
from services.notify.rules import Kind, evaluate
from services.notify.rules.finding import grounded
from shared.contracts.event import HouseholdId, LegalBasis


def notice(
    household: HouseholdFacts, latest: Mapping[str, Alert], now: datetime, parameters: Parameters, *, new_id: Callable[[], UUID], late: bool = False
) -> tuple[Outcome, ...]:
    """`latest` は `Alert.key` ごとの最後の気づき。変わるものだけを返す。同じ知識で二度呼べば、二度目は何も返さない。"""
    findings = evaluate(household, now, parameters)
    home = HouseholdId(household.id)
    raised = {
        key: consider(finding, latest.get(key), household_id=home, now=now, parameters=parameters, new_id=new_id(), late=late)
        for key, finding in findings.items()
    }
    known = {key: _with_grounds(household, alert) for key, alert in latest.items()}
    over = {key: _over(household, alert, now) for key, alert in known.items() if key not in findings}
    found = raised | over
    grounds = [_saved(known[key]) for key, alert in latest.items() if found.get(key) is None and known[key] != alert]
    return tuple(outcome for outcome in (*found.values(), *grounds) if outcome is not None)


def without_withdrawn(household: HouseholdFacts, alert: Alert, now: datetime) -> Outcome | None:
    """撤回された同意で届いた根拠を、気づきから消す（閉じた気づきからも）。消すものがなければ None。"""
    eyes = eyes_of_unit(alert.to, day_of(now))
    kept = tuple(one for one in alert.evidence if one.basis is not LegalBasis.CONSENT or eyes.see(one.ground, household.said))
    return _saved(replace(alert, evidence=kept)) if kept != alert.evidence else None


def seen(household: HouseholdFacts, alert: Alert, eyes: Eyes) -> Alert | None:
    """この読み手に見える姿: 開いている根拠だけ。要る根拠が一つでも開いていなければ、気づきそのものが見えない。

    根拠を残す前に出た気づきは、名のった区分が開いていれば、題だけが見える（版が上がった朝に、開いていた気づきが消えないように）。
    """
    if household.id in eyes.glasses:
        return alert
    needed = alert.needed or ((Ground("", alert.declared),) if alert.declared else ())
    if not needed or not all(eyes.see(one, household.said) for one in needed):
        return None
    return replace(alert, evidence=tuple(one for one in alert.evidence if eyes.see(one.ground, household.said)))


def _over(household: HouseholdFacts, alert: Alert, now: datetime) -> Outcome | None:
    """当てはまらなくなった。根拠を残す前に聞いた知らせがあるうちは、そうとは言えない（投影を作り直すと分かる）。"""
    reason = _settled_by(household, alert, now)
    unknown = any(household.ground_of(piece).basis is None for piece in household.pieces())
    return no_longer(alert, reason, now) if reason or not unknown else None


def _with_grounds(household: HouseholdFacts, alert: Alert) -> Alert:
    """根拠を残す前の気づきに、いま分かる根拠を添える。一つでも分からなければ、そのまま。"""
    evidence = tuple(grounded(one, household) for one in alert.evidence)
    if alert.is_grounded or any(one.basis is None for one in evidence):
        return alert
    return replace(alert, evidence=evidence, needed=tuple(dict.fromkeys(one.ground for one in evidence)))


def _saved(alert: Alert) -> Outcome:
    """根拠だけが変わった。言うことは何もない。"""
    return Outcome(replace(alert, revision=alert.revision + 1))


def _settled_by(household: HouseholdFacts, alert: Alert, now: datetime) -> str | None:
    """自分で閉じる気づきの、理由の区分: 安否が確かめられた見守り（R-105、T-04）と、そろった受領（R-916）。ほかのルールは人が閉じる。
    あて先のだれにも見えなくなった気づきも、閉じられる人がいないので、自分で閉じる。"""
    by_itself = _safe(household, _refs(alert, Kind.WATCH)) or _answered(household, _refs(alert, Kind.RECEIPT))
    hidden = alert.is_grounded and seen(household, alert, eyes_of_unit(alert.to, day_of(now))) is None
    return by_itself or ("unseen" if hidden else None)


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
