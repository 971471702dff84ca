"""区分の一覧（CL-01 …）と、事実の語彙。Dated data in YAML beside this file; the city may replace entries.

A list file has `id`, `title`, `source`, `from` and `entries`; an entry may carry its own `from`, `until`, `source`.
The city puts a file of the same name into the directory named by `CITY_PARAMETERS`: an entry with the same code
replaces ours from its `from` date on, a new code is added, `until` ends one. Labels of ended codes stay readable.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml

HERE = Path(__file__).parent
_JST = ZoneInfo("Asia/Tokyo")
_ALWAYS = date(1, 1, 1)

Scope = Literal["member", "household", "either"]


class UnknownCodeList(LookupError):
    """No list of this id: neither ours nor the city's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """一つの区分。`groups` は CL-04 の分野の数え方など。"""

    code: str
    label: str
    groups: tuple[str, ...] = ()
    hint: str = ""
    source: str = ""

    @property
    def group(self) -> str:
        return self.groups[0] if self.groups else ""


@dataclass(frozen=True, slots=True)
class CodeList:
    """ある日に使える区分の一覧。`entries` は選択肢の順。"""

    id: str
    title: str
    source: str
    entries: tuple[Entry, ...]
    labels: Mapping[str, str]

    def label(self, code: str) -> str:
        """表示名。終わった区分も読める。知らない区分は、そのまま返す（新しい版の相手から届いたとき画面を止めない）。"""
        return self.labels.get(code, code)

    def has(self, code: str) -> bool:
        """この日に選べる区分か。"""
        return any(entry.code == code for entry in self.entries)

    def entry(self, code: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.code == code), None)

    def choices(self) -> list[tuple[str, str]]:
        """(value, label) in the order of the form."""
        return [(entry.code, entry.label) for entry in self.entries]


@dataclass(frozen=True, slots=True)
class FactKind:
    """事実の種類: 表示名、値→表示名、世帯員ごとか世帯ごとか。"""

    kind: str
    label: str
    values: Mapping[str, str]
    scope: Scope
    source: str = ""
    #: 同時にいくつも当てはまる。ほかは新しい記録が古い記録に代わる
    many: bool = False

    def label_of(self, value: str) -> str:
        return self.values.get(value, value)


def code_list(list_id: str, on: date | None = None) -> CodeList:
    """`on` の日（省けば今日）に使える区分。例 `code_list("CL-01").label("12")` は「介護のこと」。"""
    return _code_list(list_id, on or datetime.now(_JST).date(), _city_directory())


def fact_kinds(on: date | None = None) -> Mapping[str, FactKind]:
    """FactRecorded の語彙: kind → FactKind。"""
    return _fact_kinds(on or datetime.now(_JST).date(), _city_directory())


def list_ids() -> list[str]:
    """Every code list shipped here (facts excluded)."""
    return sorted(path.stem for path in HERE.glob("*.yaml") if path.stem != "facts")


def _city_directory() -> Path | None:
    given = os.environ.get("CITY_PARAMETERS")
    return Path(given) if given else None


@cache
def _read(path: Path) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def _documents(name: str, city: Path | None) -> list[Mapping[str, Any]]:
    """Ours first, then the city's, so that on equal dates the city wins."""
    places = [HERE / f"{name}.yaml"] + ([city / f"{name}.yaml"] if city else [])
    return [_read(path) for path in places if path.is_file()]


@cache
def _code_list(list_id: str, on: date, city: Path | None) -> CodeList:
    documents = _documents(list_id, city)
    if not documents:
        raise UnknownCodeList(f"{list_id}: no such code list in {HERE}" + (f" or {city}" if city else ""))
    current: dict[str, tuple[date, Mapping[str, Any]]] = {}
    labels: dict[str, str] = {}
    for document in documents:
        for raw in document["entries"]:
            start = raw.get("from", document.get("from", _ALWAYS))
            labels.setdefault(raw["code"], raw["label"])
            if start <= on and start >= current.get(raw["code"], (_ALWAYS, {}))[0]:
                current[raw["code"]] = (start, raw)
                labels[raw["code"]] = raw["label"]
    entries = tuple(_entry(raw, documents) for _, raw in current.values() if raw.get("until", date.max) >= on)
    return CodeList(id=list_id, title=documents[0]["title"], source=documents[0]["source"], entries=entries, labels=labels)


def _entry(raw: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> Entry:
    groups = tuple(raw["groups"]) if "groups" in raw else ((raw["group"],) if "group" in raw else ())
    source = raw.get("source") or next(iter(documents))["source"]
    return Entry(code=raw["code"], label=raw["label"], groups=groups, hint=raw.get("hint", ""), source=source)


@cache
def _fact_kinds(on: date, city: Path | None) -> Mapping[str, FactKind]:
    current: dict[str, tuple[date, FactKind]] = {}
    for document in _documents("facts", city):
        for kind, raw in document["kinds"].items():
            start = raw.get("from", document.get("from", _ALWAYS))
            if start <= on and start >= current.get(kind, (_ALWAYS, None))[0]:
                current[kind] = (start, _fact_kind(kind, raw, on, city))
    return {kind: fact for kind, (_, fact) in current.items()}


def _fact_kind(kind: str, raw: Mapping[str, Any], on: date, city: Path | None) -> FactKind:
    values = dict(raw.get("values", {}))
    if "values_of" in raw:
        values |= {entry.code: entry.label for entry in _code_list(raw["values_of"], on, city).entries}
    return FactKind(kind=kind, label=raw["label"], values=values, scope=raw["scope"], source=raw.get("source", ""), many=raw.get("many", False))
