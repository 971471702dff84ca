"""同意は目的を限る: どの使い道に、どの目的の同意が要るか (codes/consent_uses.yaml)。Pure; dated like every code list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

from shared.contracts.consent import Purpose
from shared.contracts.event import UnitCode

TABLE = Path(__file__).parent / "codes" / "consent_uses.yaml"


class Use(StrEnum):
    """窓口が同意を使うところ。"""

    SUPPORT = "support"
    CONFERENCE = "conference"
    OUTREACH = "outreach"


@dataclass(frozen=True, slots=True)
class Wanted:
    """一つの使い道に要る目的。"""

    purposes: frozenset[Purpose]
    units: frozenset[UnitCode] = frozenset()

    @property
    def words(self) -> str:
        """要る目的を、画面の言葉で。"""
        return "か".join(f"「{one.label}」" for one in Purpose if one in self.purposes)

    def met_by(self, purposes: Collection[str] | None) -> bool:
        """`purposes` の同意で足りるか。None は、目的を限らずに聞いた言葉。"""
        return purposes is None or not self.purposes.isdisjoint(purposes)


@cache
def wanted(use: Use, on: date) -> Wanted:
    """`on` の日に要る目的。表にまだない使い道には、どの同意も足りない。"""
    return _table(on).get(use, Wanted(frozenset()))


def use_of(unit: UnitCode, on: date) -> Use:
    """その窓口が同意を使うところ。"""
    return next((use for use, found in _table(on).items() if unit in found.units), Use.SUPPORT)


@cache
def _table(on: date) -> dict[Use, Wanted]:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    current: dict[Use, tuple[date, Wanted]] = {}
    for raw in document["entries"]:
        start, use = raw.get("from", document["from"]), Use(raw["code"])
        if start <= on <= raw.get("until", date.max) and (use not in current or current[use][0] <= start):
            current[use] = (start, Wanted(frozenset(Purpose(one) for one in raw["purposes"]), frozenset(raw.get("units", ()))))
    return {use: found for use, (_, found) in current.items()}
