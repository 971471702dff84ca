"""気づきのルールの数値を、日付つきの YAML から値にする。The city's notify.yaml wins from its own date on."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.notify.deadlines import at_time, day_of
from shared.contracts.alert import Severity
from shared.contracts.codes import code_list, fact_kinds
from shared.contracts.event import Lane
from shared.contracts.visit import WatchTier
from shared.runtime.business_days import Calendar
from shared.runtime.parameters import in_force

OURS = Path(__file__).with_name("parameters.yaml")
_END_OF_DAY = time(23, 59)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Value):
    """期限までの長さ。暦日・開庁日・分のどれか一つ。"""

    ack_minutes: int | None = None
    ack_business_days: int | None = None
    due_days: int | None = None
    due_business_days: int | None = None


class Step(_Value):
    """見守りの段取りの一段。期限から `after_hours` 時間後に始める。"""

    after_hours: int
    step: str
    severity: Severity


class ParentEvents(_Value):
    """親の出来事。"left.died" は世帯を離れた理由、"dementia.diagnosed" は事実の種類と値。"""

    urgent: frozenset[str]
    other: frozenset[str]


class RuleText(_Value):
    """ルールの版・送り先・言葉。`due_days` があれば重さの期限より先に立つ。"""

    version: str
    title: str
    severity: Severity
    urgent_severity: Severity | None = None
    due_days: int | None = None
    to: str
    lane: Lane
    todo: str
    checks: tuple[str, ...]


class Parameters(_Value):
    """ある日に効いている値。One field per entry of parameters.yaml; a missing or unknown entry is an error at start."""

    parent_min_age: int
    child_min_age: int
    child_max_age: int
    elder_parent_min_age: int
    elder_child_min_age: int
    not_unmarried: frozenset[str]
    third_adult_min_age: int
    generation_gap: tuple[int, int]
    withdrawn_values: frozenset[str]
    not_working_values: frozenset[str]
    not_working_months: int
    parent_income_values: frozenset[str]
    no_service_values: frozenset[str]
    parent_events: ParentEvents
    child_settled: frozenset[str]
    event_window_days: int
    single_min_age: int
    dependent_minor_age: int
    dependent_care_levels: frozenset[str]
    dependent_handbooks: frozenset[str]
    dependent_dementia: frozenset[str]
    combined_min_domains: int
    combined_min_groups: int
    domain_groups: frozenset[str]
    not_a_domain: frozenset[str]
    sla: Mapping[Severity, Span]
    closing_time: time
    closed_days: frozenset[str]
    escalate_to: tuple[str, ...]
    hears_alerts: tuple[str, ...]
    cooldown_days: int
    late_hours: int
    late_settle_seconds: int
    review_every_days: int
    review_at: time
    ladder: Mapping[WatchTier, tuple[Step, ...]]
    rules: Mapping[str, RuleText]
    #: CL-04 の値 → 分野の数え方
    issue_groups: Mapping[str, tuple[str, ...]]
    #: 一人に同時にいくつも当てはまる事実の種類（facts.yaml の many）
    many_at_once: frozenset[str]

    @property
    def open_days(self) -> Calendar:
        return Calendar(self.closed_days)

    def due(self, rule_id: str, severity: Severity, now: datetime) -> datetime:
        """対応の期限。日で数える期限はその日の閉庁まで、当日の期限は日付が変わるまで。"""
        span, own_days, today = self.sla[severity], self.rules[rule_id].due_days, day_of(now)
        if own_days is not None:
            return at_time(today + timedelta(days=own_days), self.closing_time)
        if span.due_business_days is not None:
            return at_time(self.open_days.after(today, span.due_business_days), self.closing_time)
        return at_time(today + timedelta(days=span.due_days), self.closing_time) if span.due_days else at_time(today, _END_OF_DAY)

    def acknowledge_by(self, severity: Severity, now: datetime) -> datetime:
        """誰かが確認するまでの期限。"""
        span = self.sla[severity]
        if span.ack_minutes is not None:
            return now + timedelta(minutes=span.ack_minutes)
        return at_time(self.open_days.after(day_of(now), span.ack_business_days or 1), self.closing_time)

    def next_review(self, now: datetime) -> datetime:
        """次に全世帯を見直す時刻。"""
        return at_time(day_of(now) + timedelta(days=self.review_every_days), self.review_at)


@cache
def parameters_on(day: date, city: Path | None = None) -> Parameters:
    """`day` に効いている値。`city` は市の値の folder（settings.city_parameters）。"""
    values: dict[str, Any] = {
        "rules": {},
        "issue_groups": {entry.code: entry.groups for entry in code_list("CL-04", day).entries},
        "many_at_once": {kind for kind, fact in fact_kinds(day).items() if fact.many},
    }
    for name, parameter in in_force(day, OURS, *([city / "notify.yaml"] if city else [])).items():
        section, _, key = name.rpartition(".")
        (values["rules"] if section == "rules" else values)[key] = parameter.value
    return Parameters.model_validate(values)
