"""`python -m shared.contracts.generate` writes schemas/, asyncapi/, CODEOWNERS, the README's event map and what the runbook says an erasure
leaves; a test compares them.

The samples are not generated: a golden envelope, once recorded, is kept for ever.
"""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import shared.contracts
from shared.contracts.event import CATALOGUE, Event
from shared.runtime.unit import TREE, Unit, all_units, stays_everywhere

HERE = Path(__file__).parent
RETENTION = "deploy/runbooks/retention.md"
MAP_START, MAP_END = "<!-- event map: made by python -m shared.contracts.generate -->", "<!-- end of event map -->"
STAYS_START, STAYS_END = "<!-- what stays: made by python -m shared.contracts.generate -->", "<!-- end of what stays -->"


def load_all() -> None:
    """Imports every contract module, so that the catalogue is whole."""
    for module in pkgutil.iter_modules(shared.contracts.__path__):
        if module.name not in ("generate", "codes"):
            importlib.import_module(f"shared.contracts.{module.name}")


def schema(event: type[Event]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{event.type_name()}", **event.model_json_schema(mode="serialization")}


def _ours() -> dict[tuple[str, str, int], type[Event]]:
    """The catalogue without what a test defined."""
    return {key: event for key, event in sorted(CATALOGUE.items()) if event.__module__.startswith("shared.")}


def _events_of(unit: Unit) -> list[type[Event]]:
    return [event for key, event in _ours().items() if key[0] in unit.publishes]


def _heard_by(unit: Unit) -> list[tuple[Unit, type[Event]]]:
    """(source, event) pairs this unit receives; its own events only where the source is named outright."""
    heard = []
    for source in all_units():
        channels = {s.channel for s in unit.consumes if s.covers(source.code) and (source.code != unit.code or s.source == source.code)}
        heard += [(source, event) for event in _events_of(source) if event.channel in channels]
    return heard


def _address(source: str, event: type[Event]) -> str:
    return f"evt.{source}.{event.channel}.{event.name}.v{event.major}.{{shard}}"


def asyncapi(unit: Unit) -> dict[str, Any]:
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    pairs = [("send", unit, event) for event in _events_of(unit)]
    pairs += [("receive", source, event) for source, event in _heard_by(unit)]
    for action, source, event in pairs:
        key = f"{source.code}.{event.channel}.{event.name}.v{event.major}"
        channels[key] = {
            "address": _address(source.code, event),
            "parameters": {"shard": {"description": "last hex digit of the household id"}},
            "messages": {event.__name__: {"contentType": "application/json", "payload": {"$ref": f"../schemas/{event.type_name()}.json"}}},
        }
        summary = (event.__doc__ or event.__name__).strip().splitlines()[0]
        operations[f"{action}.{key}"] = {"action": action, "channel": {"$ref": f"#/channels/{key}"}, "summary": summary}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": unit.title,
            "version": "0.1.0",
            "description": f"Events of {unit.code}. Stream {unit.stream}, CloudEvents 1.0 binary mode.",
        },
        "channels": channels,
        "operations": operations,
    }


def event_map() -> str:
    lines = ["| event | said by | heard by | 意味 |", "|---|---|---|---|"]
    for (channel, name, major), event in _ours().items():
        senders = [unit for unit in all_units() if channel in unit.publishes]
        hearers = sorted({unit.code for unit in all_units() if any(e is event for _, e in _heard_by(unit))})
        meaning = (event.__doc__ or "").strip().splitlines()
        said, heard = ", ".join(unit.code for unit in senders), ", ".join(hearers)
        lines.append(f"| `{channel}.{name}.v{major}` | {said} | {heard} | {meaning[0] if meaning else ''} |")
    return "\n".join(lines)


def stays() -> str:
    """Where the number of an erased household still stands, from stays.toml and the manifests."""
    lines = ["| どこに | 何が | なぜ | いつまで |", "|---|---|---|---|"]
    places = [("各ユニットの ", one) for one in stays_everywhere()] + [(f"{unit.title}の ", one) for unit in all_units() for one in unit.stays]
    lines += [f"| {whose}{' '.join(f'`{table}`' for table in one.tables)} | {one.what} | {one.why} | {one.until} |" for whose, one in places]
    return "\n".join(lines)


def _between(path: Path, start: str, made: str, end: str) -> str:
    text = path.read_text(encoding="utf-8")
    return re.sub(f"{re.escape(start)}.*?{re.escape(end)}", lambda _: f"{start}\n{made}\n{end}", text, flags=re.DOTALL)


def codeowners() -> str:
    """Who is asked about a change, from the manifests. Everything without an owner of its own belongs to all."""
    lines = ["# made by python -m shared.contracts.generate from every unit.toml", "* @tsunagari/all"]
    lines += [f"/{unit.root.relative_to(TREE).as_posix()}/ {' '.join(unit.owners)}" for unit in all_units()]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every generated file with its text."""
    load_all()

    def dump(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False) + "\n"

    files = {HERE / "schemas" / f"{event.type_name()}.json": dump(schema(event)) for event in _ours().values()}
    files |= {HERE / "asyncapi" / f"{unit.code}.json": dump(asyncapi(unit)) for unit in all_units()}
    files[TREE / "CODEOWNERS"] = codeowners()
    for page, start, made, end in (("README.md", MAP_START, event_map, MAP_END), (RETENTION, STAYS_START, stays, STAYS_END)):
        if (path := TREE / page).exists():
            files[path] = _between(path, start, made(), end)
    return files


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
