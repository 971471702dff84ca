"""様式に打たれたまま: 直してもらうときも、下書きから戻すときも、打った文字をそのまま返すために。"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

MEMBER_ROWS = 6
_ONCE = (
    "form_key", "route", "visitor_name", "visitor_relation", "visitor_phone", "name_unknown", "area", "town", "phone", "text", "main_topic",
    "urgency", "urgency_confirmed", "consent", "household_id", "key_person", "version",
)  # fmt: skip
_MANY = ("topics", "supports", "refer_to", "not_same")
PERSON_FIELDS = ("role", "name", "kana", "birth", "age", "sex")


@dataclass(frozen=True)
class Typed:
    """欄の名前 → 打たれた値（複数選べる欄は並び）。"""

    fields: Mapping[str, list[str]]
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, Any]], kinds: Iterable[str]) -> "Typed":
        """送られた様式から。知らない欄は捨てる。`kinds` は気になることの欄。"""
        fields: dict[str, list[str]] = {}
        kinds = tuple(kinds)
        for name, value in pairs:
            if isinstance(value, str) and _known(name, kinds):
                fields.setdefault(name, []).append(storable(value))
        return cls(_renumbered(fields), kinds)

    @classmethod
    def blank(cls, form_key: UUID, route: str, kinds: Iterable[str]) -> "Typed":
        """新しい様式。経路は前回と同じ、緊急度は D から始める。"""
        start = {"form_key": str(form_key), "route": route, "role": "head", "area": "UNKNOWN", "urgency": "D", "consent": "not_asked"}
        return cls({name: [value] for name, value in start.items()}, tuple(kinds))

    @property
    def key(self) -> UUID | None:
        """様式の鍵。壊れていれば None。"""
        try:
            return UUID(self.one("form_key"))
        except ValueError:
            return None

    def with_key(self, fresh: UUID) -> "Typed":
        """鍵の壊れた様式には、新しい鍵を入れる（次の保存は通る）。"""
        return self if self.key else Typed({**self.fields, "form_key": [str(fresh)]}, self.kinds)

    def one(self, name: str) -> str:
        return self.fields.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        return list(dict.fromkeys(self.fields.get(name, [])))

    @property
    def rows(self) -> list[str]:
        """世帯の人の行の頭（"member-0-" など）。六人まで。"""
        numbers = {int(name.split("-")[1]) for name in self.fields if name.startswith("member-")}
        return [f"member-{n}-" for n in sorted(numbers)][:MEMBER_ROWS]

    def row(self, prefix: str) -> dict[str, str]:
        """様式に書き戻す一行。"""
        return {name: self.one(prefix + name) for name in (*PERSON_FIELDS, *self.kinds)}

    @property
    def is_blank(self) -> bool:
        """下書きにするほどのものが打たれていないか。"""
        said = ("name", "kana", "birth", "age", "town", "phone", "text", "visitor_name", "visitor_phone")
        return not self.rows and not any(self.one(name).strip() for name in said) and not self.all("topics")


def _known(name: str, kinds: tuple[str, ...]) -> bool:
    if name in _ONCE or name in _MANY or name in PERSON_FIELDS or name in kinds:
        return True
    start, _, rest = name.partition("-")
    number, _, field = rest.partition("-")
    return start == "member" and number.isdecimal() and len(number) < 3 and (field in PERSON_FIELDS or field in kinds)


def _renumbered(fields: dict[str, list[str]]) -> dict[str, list[str]]:
    """空の行を除いて 0 から振り直す: 画面に書き戻したとき、誤りの示す先と行がずれないように。"""
    rows: dict[int, dict[str, list[str]]] = {}
    for name in [name for name in fields if name.startswith("member-")]:
        _, number, field = name.split("-", 2)
        rows.setdefault(int(number), {})[field] = fields.pop(name)
    filled = [row for _, row in sorted(rows.items()) if any(value.strip() for values in row.values() for value in values)]
    return fields | {f"member-{n}-{field}": values for n, row in enumerate(filled) for field, values in row.items()}


def storable(value: str) -> str:
    """NUL と壊れた文字は PostgreSQL に保存できない。見えないので、失われるものはない。"""
    return "".join(c for c in value if c != "\x00" and not 0xD800 <= ord(c) <= 0xDFFF)
