"""名前のある世帯（demo.yaml）。They take their places from the same pool, so the sums of the city stay exact."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.city.names import Word
from deploy.city.pool import Pool
from deploy.city.shapes import Place


@dataclass(frozen=True)
class Story:
    key: str
    title: str
    type: str
    area: str
    surname: Word
    given: tuple[Word, ...]
    places: tuple[Place, ...]
    former: tuple[Place, ...]
    former_given: tuple[Word, ...]
    key_person: str
    poverty: bool
    split: bool
    truth: Mapping[int, Mapping[str, str]]
    history: tuple[Mapping[str, Any], ...]


@cache
def stories() -> tuple[Story, ...]:
    raw = yaml.safe_load((Path(__file__).parent / "demo.yaml").read_text(encoding="utf-8"))
    return tuple(_story(entry) for entry in raw)


def story(key: str) -> Story:
    return next(told for told in stories() if told.key == key)


def take(told: Story, pool: Pool) -> list[Place]:
    """Their exact ages and sexes leave the pool."""
    for place in told.places:
        pool.take_sex(place.sex, place.age, place.age, place.age)
    return list(told.places)


def _story(raw: Mapping[str, Any]) -> Story:
    former = raw.get("former", [])
    return Story(
        key=raw["key"], title=raw["title"], type=raw["type"], area=raw["area"], surname=Word(*raw["surname"].split("/")),
        given=tuple(Word(*member["given"].split("/")) for member in raw["members"]), places=tuple(_place(member) for member in raw["members"]),
        former=tuple(_place(member) for member in former), former_given=tuple(Word(*member["given"].split("/")) for member in former),
        key_person=raw["key_person"], poverty=raw.get("poverty", False), split=raw.get("split", False),
        truth=raw["truth"], history=tuple(raw["history"]),
    )  # fmt: skip


def _place(raw: Mapping[str, Any]) -> Place:
    return Place(raw["role"], raw["relation"], raw["generation"], raw["sex"], raw["age"], raw["marital"])
