"""確認されないまま期限を過ぎた気づきを、上の人に知らせ直す（担当 → 主任 → センター長）。Pure."""

from dataclasses import replace
from datetime import datetime

from services.notify.alert import Alert, AlertState, Outcome
from services.notify.parameters import Parameters


def escalate(alert: Alert, now: datetime, parameters: Parameters) -> Outcome | None:
    """確認の期限が過ぎていれば一段上げて、次の期限を置く。確認済・閉じたもの・いちばん上まで上げたものはそのまま。"""
    if alert.state is not AlertState.RAISED or now < alert.acknowledge_by or alert.escalated >= len(parameters.escalate_to):
        return None
    again = parameters.acknowledge_by(alert.severity, now)
    return Outcome(replace(alert, escalated=alert.escalated + 1, acknowledge_by=again, revision=alert.revision + 1), announce=True)


def wakes_at(alert: Alert, parameters: Parameters) -> datetime | None:
    """次に確認の期限を見る時刻。見る必要がなければ None。"""
    waiting = alert.state is AlertState.RAISED and alert.escalated < len(parameters.escalate_to)
    return alert.acknowledge_by if waiting else None


def told(alert: Alert, parameters: Parameters) -> str:
    """いま知らせている人。「主任」など、まだなら空。"""
    return parameters.escalate_to[min(alert.escalated, len(parameters.escalate_to)) - 1] if alert.escalated else ""
