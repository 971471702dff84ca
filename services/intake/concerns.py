"""受付で聞き取る「気になること」の選択肢。語彙は facts.yaml、どれを受付で出すかは concerns.yaml。"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from services.intake.sheet import Concern
from shared.contracts.codes import fact_kinds

HERE = Path(__file__).parent


@dataclass(frozen=True)
class ConcernField:
    """一つの欄。選択肢が一つならチェック、二つ以上なら選択。"""

    kind: str
    label: str
    options: tuple[tuple[str, str], ...]

    @property
    def is_check(self) -> bool:
        return len(self.options) == 1

    def chosen(self, value: str) -> Concern | None:
        """選ばれた値。空なら「聞いていない」。知らない値は LookupError。"""
        if not value:
            return None
        if value not in dict(self.options):
            raise LookupError(self.kind)
        return Concern(self.kind, value)


@dataclass(frozen=True)
class ConcernFields:
    member: tuple[ConcernField, ...]
    household: tuple[ConcernField, ...]


@cache
def concern_fields(city: Path | None = None) -> ConcernFields:
    replaced = city / "intake_concerns.yaml" if city else None
    path = replaced if replaced and replaced.is_file() else HERE / "concerns.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return ConcernFields(*(tuple(_field(entry) for entry in document[scope]) for scope in ("member", "household")))


def _field(entry: dict[str, Any]) -> ConcernField:
    kind = fact_kinds()[entry["kind"]]
    return ConcernField(kind.kind, entry["label"], tuple((value, kind.values[value]) for value in entry["values"]))
