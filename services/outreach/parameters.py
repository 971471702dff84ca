"""見守りの間隔を、日付つきの YAML から値にする。The city's outreach.yaml wins from its own date on."""

from collections.abc import Mapping
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from shared.contracts.visit import WatchTier

OURS = Path(__file__).with_name("parameters.yaml")


class Parameters(BaseModel):
    """ある日に効いている値。"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval_days: Mapping[WatchTier, int]
    due_time: time
    after_return_days: int
    max_away_days: int


@cache
def parameters_on(day: date, city: Path | None = None) -> Parameters:
    """`day` に効いている値。`city` は市の値の folder（settings.city_parameters）。"""
    places = [OURS] + ([city / "outreach.yaml"] if city and (city / "outreach.yaml").is_file() else [])
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for place in places:
        for name, dated in yaml.safe_load(place.read_text(encoding="utf-8"))["parameters"].items():
            entries.setdefault(name, []).extend(dated)
    return Parameters.model_validate({name: _begun(dated, day)["value"] for name, dated in entries.items()})


def _begun(dated: list[Mapping[str, Any]], day: date) -> Mapping[str, Any]:
    in_order = sorted(dated, key=lambda entry: entry["from"])  # stable: on equal dates the city's entry stays behind
    return next((entry for entry in reversed(in_order) if entry["from"] <= day), in_order[0])
