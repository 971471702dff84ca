"""決まりを読む: 同梱の parameters.yaml、その上に市の outreach.yaml。日付つきの値。"""

from datetime import date, time
from functools import cache
from pathlib import Path

from services.outreach.watch import Rules
from shared.contracts.visit import WatchTier
from shared.runtime import parameters

OURS = Path(__file__).with_name("parameters.yaml")


def _layers(city: Path | None) -> tuple[Path, ...]:
    return (OURS, *parameters.city_layer(city, "outreach"))


@cache
def rules_on(on: date, city: Path | None = None) -> Rules:
    """その日の決まり。"""
    files = _layers(city)
    return Rules(
        interval_days={tier: int(parameters.value(f"interval_days.{tier}", on, *files)) for tier in WatchTier},
        due_time=time.fromisoformat(parameters.value("due_time", on, *files)),
        longest_away_days=int(parameters.value("longest_away_days", on, *files)),
    )


def center_phone(on: date, city: Path | None = None) -> str:
    return str(parameters.value("center_phone", on, *_layers(city)))
