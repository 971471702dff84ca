"""サンプル市の形を parameters.yaml から読む。Typed where the code walks over it, plain mappings for rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ADULT, ELDERLY = 18, 65


@dataclass(frozen=True, slots=True)
class HouseholdType:
    code: str
    label: str
    households: int
    persons: int
    elderly: int
    minors: int


@dataclass(frozen=True, slots=True)
class AreaShape:
    weight: float
    elderly_tilt: float
    key_person_none: float


@dataclass(frozen=True)
class Parameters:
    """町の形。`raw` は割合の表（parameters.yaml の見出しのまま）。"""

    municipality_code: str
    municipality_name: str
    seed: int
    history_years: int
    band_width: int
    pyramid: Mapping[str, tuple[int, ...]]
    types: Mapping[str, HouseholdType]
    areas: Mapping[str, AreaShape]
    raw: Mapping[str, Any]

    def rate(self, section: str, key: str) -> Any:
        return self.raw[section][key]


@cache
def parameters() -> Parameters:
    raw = yaml.safe_load((HERE / "parameters.yaml").read_text(encoding="utf-8"))
    pyramid = raw["pyramid"]
    return Parameters(
        municipality_code=raw["municipality"]["code"],
        municipality_name=raw["municipality"]["name"],
        seed=raw["seed"],
        history_years=raw["history_years"]["value"],
        band_width=pyramid["width"],
        pyramid={"M": tuple(pyramid["male"]), "F": tuple(pyramid["female"])},
        types={code: HouseholdType(code=code, **row) for code, row in raw["household_types"].items()},
        areas={code: AreaShape(**row) for code, row in raw["areas"].items()},
        raw=raw,
    )


def by_age(table: Mapping[int, float], age: int) -> float:
    """The rate of the highest age in the table that `age` has reached, else 0."""
    return max(((start, rate) for start, rate in table.items() if start <= age), default=(0, 0.0))[1]
