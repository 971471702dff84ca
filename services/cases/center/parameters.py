"""The center's own rules of a day: which alerts call for a conference, and why."""

from datetime import date
from pathlib import Path

from services.cases.casework.parameters import layers
from services.cases.center import PROFILE
from shared.runtime import parameters


def proposes_on(on: date, city: Path | None) -> dict[str, str]:
    """規則の番号 → 案の画面に出す理由。"""
    return {entry["rule"]: entry["why"] for entry in parameters.value("proposes_conference", on, *layers(PROFILE, city))}
