"""気づき（アラート）の一生: 出た → 確認 → 受け持つ → 見送り（理由）または対応済。Pure.

重ねない単位は ルール＋世帯＋年度の四半期。開いている気づきは育つだけで、二つにはならない。
閉じた気づきは、新しい事実が届けば前回の理由を添えて新しい版で出る。見送りは冷却期間のあいだ、ほかは同じ四半期のあいだ黙る。
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.notify.deadlines import day_of, fiscal_quarter
from services.notify.grounds import Ground, least
from services.notify.parameters import Parameters
from services.notify.rules.finding import Evidence, Finding, Person
from shared.contracts.alert import AlertAcknowledged, AlertDismissed, AlertDone, AlertRaised, AlertTaken, DismissReason, Severity
from shared.contracts.event import Event, HouseholdId, Lane, LegalBasis
from shared.runtime.problems import ChangedMeanwhile, Refusal

#: 区分のもとの根拠。要る根拠がその区分でほかの名を持てば（虐待の通報、困窮の支援会議）、そちら
_BASIS = {Lane.CONSENT: LegalBasis.CONSENT, Lane.ART106_6: LegalBasis.ART106_6, Lane.MANDATORY_REPORT: LegalBasis.LIFE_EMERGENCY}


class AlertIsClosed(Refusal):
    code = "alert_is_closed"
    sentence = "この気づきは、もう閉じています。一覧を開き直してください。新しい事実が届けば、もう一度お知らせします。"


class AlertState(StrEnum):
    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    TAKEN = "taken"
    DISMISSED = "dismissed"
    DONE = "done"

    @property
    def label(self) -> str:
        return {"raised": "未確認", "acknowledged": "確認済", "taken": "受け持ち中", "dismissed": "見送り", "done": "対応済"}[self.value]

    @property
    def is_open(self) -> bool:
        return self in (AlertState.RAISED, AlertState.ACKNOWLEDGED, AlertState.TAKEN)


@dataclass(frozen=True, slots=True)
class Previous:
    """前の版がどう閉じたか。"""

    state: AlertState
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """受け持っている職員。"""

    sub: str
    name: str


@dataclass(frozen=True, slots=True)
class Alert:
    id: UUID
    household_id: HouseholdId
    rule_id: str
    rule_version: str
    quarter: str
    version: int
    state: AlertState
    severity: Severity
    to: str
    lane: Lane
    domains: tuple[str, ...]
    people: tuple[Person, ...]
    evidence: tuple[Evidence, ...]
    raised_at: datetime
    due: datetime
    acknowledge_by: datetime
    step: str | None = None
    #: いまもルールに当てはまるか。当てはまらなくなっても人が閉じる
    holds: bool = True
    holder: Holder | None = None
    closed_at: datetime | None = None
    #: 見送りの理由、または自動で閉じたときの理由（見守りの結果）
    reason: str | None = None
    previous: Previous | None = None
    escalated: int = 0
    #: ルールが本当に要る根拠。一つでも開いていない人には、この気づきは見えない
    needed: tuple[Ground, ...] = ()
    quiet: bool = False
    reported: bool = False
    #: 保存のたびに増える。二人が同時に押したとき、後の人に見比べてもらう
    revision: int = 0

    @property
    def key(self) -> str:
        return f"{self.rule_id}@{self.to}" if self.reported else self.rule_id

    @property
    def is_grounded(self) -> bool:
        """何を根拠に出たかが分かっている。根拠を残す前の気づきは、まだ分からない。"""
        return bool(self.needed) and all(one.basis for one in self.needed)

    @property
    def declared(self) -> LegalBasis | None:
        """根拠を残す前に出た気づきが、知らせたときに名のった区分の根拠。同意と通告は、いまだれに開いているか分からないので、ない。"""
        return None if self.needed else {Lane.INTERNAL: LegalBasis.INTERNAL_69_2_2, Lane.ART106_6: LegalBasis.ART106_6}.get(self.lane)


@dataclass(frozen=True, slots=True)
class Outcome:
    """新しい姿と、言うべき出来事。`announce` は、画面に新着として出すか。"""

    alert: Alert
    events: tuple[Event, ...] = ()
    announce: bool = False


# ── ルールが見つけたとき ─────────────────────────────────────────────────────────────────────────


def consider(
    finding: Finding, latest: Alert | None, *, household_id: HouseholdId, now: datetime, parameters: Parameters, new_id: UUID, late: bool = False
) -> Outcome | None:
    """気づきを出す・育てる・黙る、のどれか。`late` は古い便りをまとめて読んだとき: 新しい事実がなければ、前に閉じたものは出さない。"""
    if latest is None:
        return _raise(finding, None, household_id=household_id, now=now, parameters=parameters, new_id=new_id)
    if latest.state.is_open:
        return _grow(latest, finding, now, parameters)
    news = finding.signatures - {one.signature for one in latest.evidence}
    if not news and (late or not finding.recurs or _still_quiet(latest, now, parameters)):
        return None
    return _raise(finding, latest, household_id=household_id, now=now, parameters=parameters, new_id=new_id)


def _still_quiet(closed: Alert, now: datetime, parameters: Parameters) -> bool:
    same_quarter = closed.quarter == fiscal_quarter(day_of(now))
    cooling = (
        closed.state is AlertState.DISMISSED and closed.closed_at is not None and now < closed.closed_at + timedelta(days=parameters.cooldown_days)
    )
    return same_quarter or cooling


def _raise(finding: Finding, before: Alert | None, *, household_id: HouseholdId, now: datetime, parameters: Parameters, new_id: UUID) -> Outcome:
    alert = Alert(
        id=new_id,
        household_id=household_id,
        rule_id=finding.rule_id,
        rule_version=finding.version,
        quarter=fiscal_quarter(day_of(now)),
        version=before.version + 1 if before else 1,
        state=AlertState.RAISED,
        severity=finding.severity,
        to=finding.to,
        lane=finding.lane,
        domains=finding.domains,
        people=finding.people,
        evidence=finding.evidence,
        raised_at=now,
        due=finding.due,
        acknowledge_by=parameters.acknowledge_by(finding.severity, now),
        step=finding.step,
        previous=Previous(before.state, before.reason, before.closed_at or before.raised_at) if before else None,
        needed=finding.needed,
        quiet=finding.quiet,
        reported=finding.reported,
    )
    return Outcome(alert, _said(alert, _raised(alert)), announce=True)


def _grow(alert: Alert, finding: Finding, now: datetime, parameters: Parameters) -> Outcome | None:
    """開いている気づきに根拠が増える。重くなったら、もう一度確認してもらう。"""
    grown = replace(
        alert, holds=True, domains=finding.domains, people=finding.people, evidence=finding.evidence, step=finding.step,
        rule_version=finding.version, lane=finding.lane, needed=finding.needed, quiet=finding.quiet,
    )  # fmt: skip
    if finding.severity < alert.severity:  # "S1" < "S2": もっと重い
        heavier = replace(
            grown,
            severity=finding.severity,
            state=AlertState.RAISED,
            due=finding.due,
            acknowledge_by=parameters.acknowledge_by(finding.severity, now),
            escalated=0,
        )
        return Outcome(_next(heavier), _said(heavier, _raised(heavier)), announce=True)
    if finding.step != alert.step:
        grown = replace(grown, due=finding.due)
    return Outcome(_next(grown)) if grown != alert else None


def no_longer(alert: Alert, reason: str | None, now: datetime) -> Outcome | None:
    """ルールに当てはまらなくなった。`reason`（安否が確かめられた、根拠を見られなくなった）があれば閉じ、なければ印だけ付けて人が閉じる。"""
    if not alert.state.is_open:
        return None
    if reason is not None:
        closed = replace(alert, state=AlertState.DONE, holds=False, reason=reason, closed_at=now)
        about = _of(closed) | {"legal_basis": least(_basis(closed))}  # that it is over is said without the consent that may have ended it
        return Outcome(_next(closed), _said(closed, AlertDone(**about, at=now)))
    return Outcome(_next(replace(alert, holds=False))) if alert.holds else None


# ── 職員が押したとき ─────────────────────────────────────────────────────────────────────────


def acknowledge(alert: Alert, *, revision: int, at: datetime) -> Outcome:
    """確認した。確認済・受け持ち中なら何も変わらない。"""
    _guard(alert, revision, "確認")
    if alert.state is not AlertState.RAISED:
        return Outcome(alert)
    return Outcome(_next(replace(alert, state=AlertState.ACKNOWLEDGED, escalated=0)), _said(alert, AlertAcknowledged(**_of(alert), at=at)))


def take(alert: Alert, *, by: Holder, revision: int, at: datetime) -> Outcome:
    """受け持つ。ほかの職員が受け持っていれば、引き受け直す。"""
    _guard(alert, revision, "受け持つ")
    if alert.state is AlertState.TAKEN and alert.holder == by:
        return Outcome(alert)
    return Outcome(_next(replace(alert, state=AlertState.TAKEN, holder=by, escalated=0)), _said(alert, AlertTaken(**_of(alert), at=at)))


def dismiss(alert: Alert, reason: DismissReason, *, revision: int, at: datetime) -> Outcome:
    """誤報・見送り。理由は次に同じ気づきが出たときに見せる。"""
    _guard(alert, revision, f"見送り（{reason.label}）")
    closed = replace(alert, state=AlertState.DISMISSED, reason=reason, closed_at=at)
    return Outcome(_next(closed), _said(alert, AlertDismissed(**_of(alert), reason=reason, at=at)))


def finish(alert: Alert, *, revision: int, at: datetime) -> Outcome:
    """対応済にする。"""
    _guard(alert, revision, "対応済")
    return Outcome(_next(replace(alert, state=AlertState.DONE, closed_at=at)), _said(alert, AlertDone(**_of(alert), at=at)))


def _guard(alert: Alert, revision: int, action: str) -> None:
    if not alert.state.is_open:
        raise AlertIsClosed
    if alert.revision != revision:
        theirs = {"いまの状態": alert.state.label, "受け持ち": alert.holder.name if alert.holder else "なし"}
        raise ChangedMeanwhile(
            "この気づきは、表示したあとに変わりました。いまの内容を確かめて、もう一度押してください。", theirs=theirs, yours={"操作": action}
        )


def _next(alert: Alert) -> Alert:
    return replace(alert, revision=alert.revision + 1)


def _said(alert: Alert, *events: Event) -> tuple[Event, ...]:
    return () if alert.quiet else events


def _of(alert: Alert) -> dict[str, Any]:
    return {"household_id": alert.household_id, "legal_basis": _basis(alert), "alert_id": alert.id}


def _basis(alert: Alert) -> LegalBasis:
    usual = _BASIS.get(alert.lane, LegalBasis.INTERNAL_69_2_2)
    stands_on = {one.basis for one in alert.needed if one.basis and one.lane is alert.lane}
    return min(stands_on, key=lambda basis: (basis is usual, basis), default=usual)


def _raised(alert: Alert) -> AlertRaised:
    return AlertRaised(
        **_of(alert),
        rule_id=alert.rule_id,
        rule_version=alert.rule_version,
        severity=alert.severity,
        domains=alert.domains,
        to=alert.to,
        lane=alert.lane,
        raised_at=alert.raised_at,
        due=alert.due,
    )
