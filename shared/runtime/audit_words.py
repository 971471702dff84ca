"""The codes of an audit row in the words of the desk: for the auditor's screen and for `tsunagari audit`. An unknown code is shown as it is."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from shared.contracts.access import BreakGlassReason, Verdict
from shared.contracts.retention import HoldReason
from shared.contracts.seen import SeenEntry, Why
from shared.runtime.auth import ROLE_LABELS


@cache
def _words() -> dict[str, dict[str, str]]:
    words: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("audit_words.yaml").read_text(encoding="utf-8"))
    words["purposes"] |= {one.value: one.label for one in (*BreakGlassReason, *Verdict, *HoldReason, *Why)}
    return words


def _said(vocabulary: str, code: str | None) -> str:
    return _words()[vocabulary].get(code, code) if code else ""


def did(entry: SeenEntry) -> str:
    """なにをしたか: 「ケースを見た」「世帯をさがして見た（ほか 3 世帯）」。"""
    actions = _words()["actions"]
    words = actions.get(f"{entry.action} {entry.object_kind}") or actions.get(entry.action, f"{{}}（{entry.action}）")
    words = words.format(_said("kinds", entry.object_kind))
    refused = entry.decision == "refuse" and entry.action != "refuse"
    return words + (f"（ほか {entry.shown - 1} 世帯）" if entry.shown > 1 else "") + ("（断られた）" if refused else "")


def who(actor: str) -> str:
    """職員番号はそのまま。窓口・運用担当・規則は、そうと分かるように。"""
    kind, _, name = actor.partition(":")
    return {"unit": f"窓口 {name}", "operator": f"運用担当 {name}", "rule": f"規則 {name}"}.get(kind, actor) if name else actor


def roles(held: Iterable[str]) -> str:
    return "・".join(ROLE_LABELS.get(role, role) for role in held)


def purpose(code: str | None) -> str:
    return _said("purposes", code)


def basis(code: str | None) -> str:
    return _said("bases", code)


def returned(codes: Iterable[str]) -> str:
    return "・".join(_said("returned", code) for code in codes)
