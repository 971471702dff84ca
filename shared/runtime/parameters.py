"""Dated parameters: every threshold and period is a list of {value, from, source[, unit]} under its name, in YAML.

A later layer wins over an earlier one for every name it has in force: ours, then the unit's own, then the city's
(`CITY_PARAMETERS/<name>.yaml`). A layer whose entries have not begun yet leaves the layer below it standing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml


class ParameterMissing(LookupError):
    """No value is in force for this name on this day: the parameter files are wrong, not the person at the desk."""


@dataclass(frozen=True, slots=True)
class Parameter:
    value: Any
    since: date
    source: str
    unit: str = ""


def _flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, tuple[Parameter, ...]]]:
    """`reply: {A: [...]}` and `reply.A: [...]` are the same name."""
    for key, below in tree.items():
        if isinstance(below, Mapping):
            yield from _flat(below, f"{path}{key}.")
        else:
            yield f"{path}{key}", tuple(Parameter(e["value"], e["from"], e["source"], e.get("unit", "")) for e in below)


@cache
def _layer(path: Path) -> Mapping[str, tuple[Parameter, ...]]:
    return dict(_flat(yaml.safe_load(path.read_text(encoding="utf-8")) or {})) if path.is_file() else {}


@cache
def in_force(on: date, *layers: Path) -> Mapping[str, Parameter]:
    """Every name with the parameter that holds on `on`. Files that do not exist are empty layers."""
    found: dict[str, Parameter] = {}
    for path in layers:
        for name, entries in _layer(path).items():
            begun = [entry for entry in entries if entry.since <= on]
            if begun:
                found[name] = max(begun, key=lambda entry: entry.since)
    return found


def value(name: str, on: date, *layers: Path) -> Any:
    """One value by its dotted name. Raises ParameterMissing."""
    try:
        return in_force(on, *layers)[name].value
    except KeyError:
        raise ParameterMissing(f"{name} has no value on {on}") from None


def city_layer(city: Path | None, name: str) -> tuple[Path, ...]:
    """The city's own file for `name`, as layers to append."""
    return (city / f"{name}.yaml",) if city else ()
