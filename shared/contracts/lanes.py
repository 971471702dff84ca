"""事実の区分（レーン）: 根拠コードから、どの会議で知らせ合い、どの窓口が受け持つかを引く表 (codes/lanes.yaml)。Pure; dated like every code list."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import yaml

from shared.contracts.conference import Forum
from shared.contracts.event import Lane, LegalBasis, UnitCode

TABLE = Path(__file__).parent / "codes" / "lanes.yaml"


@dataclass(frozen=True, slots=True)
class Ground:
    """一つの根拠で記録された事実が、だれに届いてよいか。"""

    basis: LegalBasis
    lane: Lane
    forum: Forum | None = None
    competent: frozenset[UnitCode] = frozenset()
    role: str = ""


@cache
def ground(basis: LegalBasis, on: date) -> Ground:
    """`on` の日の区分。表にまだない根拠は、いちばん狭い: 記録した窓口のほかには、だれにも届かない。"""
    return _table(on).get(basis, Ground(basis, Lane.MANDATORY_REPORT))


@cache
def _table(on: date) -> dict[LegalBasis, Ground]:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    current: dict[LegalBasis, tuple[date, Ground]] = {}
    for raw in document["entries"]:
        start, basis = raw.get("from", document["from"]), LegalBasis(raw["code"])
        if start <= on <= raw.get("until", date.max) and (basis not in current or current[basis][0] <= start):
            forum = Forum(raw["forum"]) if "forum" in raw else None
            current[basis] = (start, Ground(basis, Lane(raw["lane"]), forum, frozenset(raw.get("competent", ())), raw.get("role", "")))
    return {basis: found for basis, (_, found) in current.items()}
