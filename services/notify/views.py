"""気づきを、画面の一行と一枚にする。Pure: values in, words out; names are never here (the owner's slot shows them)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.notify import words
from services.notify.alert import Alert, AlertState
from services.notify.deadlines import day_of
from services.notify.escalation import told
from services.notify.household import HouseholdFacts, Stage
from services.notify.parameters import Parameters
from services.notify.rules import Evidence, Kind
from shared.contracts.alert import Severity

#: evidence lines in a row of the list; the rest stands in the detail
LINES = 3
_STAGE_TONE = {Stage.REFERRED: "info", Stage.OPEN: "success", Stage.CLOSED: "neutral"}
#: 関わっていなくても連絡先に入れる、根拠の窓口
_ASKED_TOO = {Kind.FACT: "記録あり", Kind.RECEIPT: "受領なし"}
_STATE_TONE = {AlertState.RAISED: "danger", AlertState.ACKNOWLEDGED: "info", AlertState.TAKEN: "success"}


@dataclass(frozen=True)
class Known:
    """気づきと、その世帯についていま知っていること。"""

    alert: Alert
    household: HouseholdFacts


@dataclass(frozen=True)
class Line:
    """根拠の一行: どこが、何を、いつ、どれくらい確かに。"""

    source: str
    text: str
    at: date
    confidence: str


@dataclass(frozen=True)
class Desk:
    """関わりのある窓口。"""

    unit: str
    title: str
    stage: str
    tone: str
    since: date
    awaiting_reply: bool


@dataclass(frozen=True)
class Row:
    """受信箱の一行。"""

    alert: Alert
    title: str
    household: str
    area: str
    receipt_no: str | None
    lines: tuple[Line, ...]
    #: 一覧に出す分、新しい順（引き金になった事実が先）
    first: tuple[Line, ...]
    more: int
    desks: tuple[Desk, ...]
    clock: str
    clock_tone: str
    marks: tuple[tuple[str, str], ...]
    step: str
    to: str
    todo: str
    checks: tuple[str, ...]
    previous: str
    closing: str

    @property
    def id(self) -> str:
        return f"alert-{self.alert.id}"


def row(known: Known, titles: Mapping[str, str], now: datetime, parameters: Parameters) -> Row:
    alert, text = known.alert, parameters.rules.get(known.alert.rule_id)
    lines = tuple(_line(one, titles) for one in alert.evidence)
    return Row(
        alert=alert,
        title=text.title if text else alert.rule_id,
        household=words.composition_words(alert.people),
        area=known.household.area.label,
        receipt_no=known.household.receipt_no(),
        lines=lines,
        first=tuple(reversed(lines))[:LINES],
        more=max(0, len(lines) - LINES),
        desks=desks(known.household, titles) + _asked_too(known, titles),
        clock=words.clock_words(alert.due, now) if alert.state.is_open else "",
        clock_tone=_clock_tone(alert, now),
        marks=_marks(alert, now, parameters),
        step=words.step_words(alert),
        to=words.unit_words(alert.to, titles),
        todo=text.todo if text else "",
        checks=text.checks if text else (),
        previous=_previous(alert),
        closing=words.closing_words(alert.reason),
    )


def _line(evidence: Evidence, titles: Mapping[str, str]) -> Line:
    source = words.unit_words(evidence.source, titles)
    return Line(source, words.evidence_words(evidence), evidence.as_of, words.confidence_words(evidence))


def by_severity(states: Mapping[tuple[str, str], int]) -> list[tuple[Severity, int]]:
    """`states`: 開いている気づきの数、(重さ, 状態) ごと。"""
    return [(severity, sum(n for (code, _), n in states.items() if code == severity)) for severity in Severity]


def desks(household: HouseholdFacts, titles: Mapping[str, str]) -> tuple[Desk, ...]:
    """関わりのある窓口、支援中から。"""
    order = (Stage.OPEN, Stage.REFERRED, Stage.CLOSED)
    involved = sorted(household.involvement(), key=lambda one: (order.index(one.stage), one.since, one.unit))
    return tuple(
        Desk(one.unit, words.unit_words(one.unit, titles), one.stage.label, _STAGE_TONE[one.stage], one.since, one.awaiting_reply) for one in involved
    )


def _asked_too(known: Known, titles: Mapping[str, str]) -> tuple[Desk, ...]:
    """根拠の事実を記録した、または受領を返していないが、いまは支援もつなぎもない窓口。聞く相手なので、連絡先に入れる。"""
    involved = {one.unit for one in known.household.involvement()}
    asked = {one.source: one for one in known.alert.evidence if one.kind in _ASKED_TOO and one.source not in involved}
    return tuple(Desk(unit, words.unit_words(unit, titles), _ASKED_TOO[one.kind], "neutral", one.as_of, False) for unit, one in sorted(asked.items()))


def _marks(alert: Alert, now: datetime, parameters: Parameters) -> tuple[tuple[str, str], ...]:
    """状態の札と、そのほかの注意の札。"""
    marks = [(alert.state.label, _STATE_TONE.get(alert.state, "neutral"))]
    if alert.state is AlertState.RAISED and alert.escalated:
        marks.append((f"{told(alert, parameters)}へ知らせました", "warning"))
    if alert.version > 1:
        marks.append((f"{alert.version}回目", "warning"))
    if alert.state.is_open and not alert.holds:
        marks.append(("いまは条件に当てはまりません", "neutral"))
    return tuple(marks)


def _clock_tone(alert: Alert, now: datetime) -> str:
    if not alert.state.is_open:
        return ""
    if alert.due < now:
        return "danger"
    return "warning" if alert.due - now < timedelta(days=1) else ""


def _previous(alert: Alert) -> str:
    if alert.previous is None:
        return ""
    reason = words.closing_words(alert.previous.reason)
    how = alert.previous.state.label + (f"（{reason}）" if reason else "")
    return f"{words.day_words(day_of(alert.previous.at))}に{how}。そのあと新しい事実が届きました。"
