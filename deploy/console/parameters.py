"""Dated parameters of the console: ours in parameters.yaml, the city's own in <CITY_PARAMETERS>/console.yaml, which win."""

from datetime import date
from pathlib import Path
from typing import Any

import yaml

OURS = Path(__file__).parent / "parameters.yaml"


def _entries(path: Path, name: str) -> list[dict[str, Any]]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(name, []) if path.is_file() else []


def _in_force(entries: list[dict[str, Any]], on: date) -> dict[str, Any] | None:
    return max((entry for entry in entries if entry["from"] <= on), key=lambda entry: entry["from"], default=None)


def retention_days(on: date, city: Path | None = None) -> int:
    """流れの記録を残す日数（日）。"""
    name = "trace_retention_days"
    entry = (_in_force(_entries(city / "console.yaml", name), on) if city else None) or _in_force(_entries(OURS, name), on)
    if entry is None:
        raise LookupError(f"no {name} in force on {on}")
    return int(entry["value"])
