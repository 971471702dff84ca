"""The center's own rules of a day: which alerts call for a conference and why, and how long one lasts."""

from datetime import date
from pathlib import Path

from services.cases.casework.parameters import layers
from services.cases.center import PROFILE
from services.cases.center.convening import Terms
from shared.runtime import parameters


def proposes_on(on: date, city: Path | None) -> dict[str, str]:
    """規則の番号 → 案の画面に出す理由。"""
    return {entry["rule"]: entry["why"] for entry in parameters.value("proposes_conference", on, *layers(PROFILE, city))}


def terms_on(on: date, city: Path | None) -> Terms:
    """会議の期間。"""
    files = layers(PROFILE, city)
    usual, longest, after = (int(parameters.value(f"conference_days.{name}", on, *files)) for name in ("usual", "longest", "after"))
    return Terms(usual, longest, after)


def of_age_on(on: date, city: Path | None) -> int:
    """成年（歳）: 重層的支援会議に、本人の同意がいる年齢。"""
    return int(parameters.value("consent_of_age", on, *layers(PROFILE, city)))
