"""基準値を読む: その日に効いている値を、根拠のついた parameters.yaml（と市の intake.yaml）から。"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from services.intake.consent_scan import Limits as ScanLimits
from services.intake.matching import Weights
from shared.contracts.consultation import Urgency
from shared.runtime import parameters
from shared.runtime.business_days import Calendar

OURS = Path(__file__).parent / "parameters.yaml"


@dataclass(frozen=True)
class Period:
    """`days` 日。`business` なら役所の開いている日で数える。"""

    days: int
    business: bool


@dataclass(frozen=True)
class Parameters:
    """ある日に効いている基準値。"""

    weights: Weights
    reply: Mapping[Urgency, Period]
    draft_days: int
    #: 同意の期間（日）、取り直しを知らせる日数、受領を待つ日数
    consent_days: int
    retake_notice_days: int
    receipt_days: int
    #: 同意書の写しの大きさと数
    scans: ScanLimits
    calendar: Calendar
    #: 保護の期限の何日前から確かめるか
    remind_days: int
    #: 緊急閲覧の長さ（分）と、点検までの開庁日
    glass_minutes: int
    glass_review_days: int
    #: 本人からではない相談の経路（CL-02）
    lead_routes: tuple[str, ...]

    def reply_due(self, made_on: date, urgency: Urgency) -> date:
        """つなぎ先の返信期限。"""
        period = self.reply[urgency]
        return self.calendar.after(made_on, period.days) if period.business else made_on + timedelta(days=period.days)


@cache
def parameters_on(on: date, city: Path | None = None) -> Parameters:
    found = parameters.in_force(on, OURS, *parameters.city_layer(city, "intake"))
    weights = Weights(**{name.removeprefix("matching."): given.value for name, given in found.items() if name.startswith("matching.")})
    reply = {u: Period(found[f"reply.{u}"].value, found[f"reply.{u}"].unit == "business_days") for u in Urgency}
    return Parameters(
        weights,
        reply,
        found["draft.days"].value,
        found["consent.days"].value,
        found["consent.retake_notice_days"].value,
        found["consent.receipt_days"].value,
        ScanLimits(found["consent.scan_bytes"].value, found["consent.scan_files"].value),
        Calendar(frozenset(found["closed.year_end"].value)),
        remind_days=found["protection.remind_days"].value,
        glass_minutes=found["glass.minutes"].value,
        glass_review_days=found["glass.review_days"].value,
        lead_routes=tuple(found["lead.routes"].value),
    )
