"""だれが見たか: すべての窓口に同時にたずね、時の順に並べる。答えない窓口があれば、その名を必ず示す。"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from shared.contracts.event import HouseholdId
from shared.contracts.seen import SeenAnswer, SeenEntry, SeenRequest
from shared.messaging.link import AWAY
from shared.messaging.requests import RequestFailed, RequestRefused

T = TypeVar("T")
#: 秒。一つの窓口の一度の答えを待つ長さ。全体は一分に収まる
PATIENCE = 10.0
#: 一つの窓口から集める行数の上限（超えたら「続きがある」と示す）
MOST_ROWS = 4000


class Ask(Protocol):
    async def __call__(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Sighting:
    """一つの窓口の一行。"""

    unit: str
    entry: SeenEntry


@dataclass(frozen=True)
class Found:
    """`silent` は答えなかった窓口、`cut` は行が多すぎて途中までの窓口。"""

    sightings: tuple[Sighting, ...] = ()
    answered: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """この記録を調べた人。一度の問いは、たずねたすべての窓口に一行ずつ残るので、一つに数える。"""

    actor: str
    roles: tuple[str, ...]
    purpose: str | None
    times: int
    last: datetime


#: 閲覧ではなく、閲覧の記録を調べたこと（点検の印を付けたことも）
ASKING = frozenset({"ask_audit", "confirm_reading", "ask_reader"})


def looked(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """閲覧・記録だけ。調べたことの行が、見たことの行を埋もれさせないように。"""
    return tuple(one for one in sightings if one.entry.action not in ASKING)


def askers(sightings: Iterable[Sighting]) -> list[Asker]:
    """新しい順。"""
    by_question: dict[tuple[str, str | None], dict[str, list[SeenEntry]]] = {}
    for one in sightings:
        if one.entry.action in ASKING:
            by_question.setdefault((one.entry.actor, one.entry.purpose), {}).setdefault(one.unit, []).append(one.entry)
    found = [_asker(actor, purpose, units) for (actor, purpose), units in by_question.items()]
    return sorted(found, key=lambda one: one.last, reverse=True)


def _asker(actor: str, purpose: str | None, units: Mapping[str, list[SeenEntry]]) -> Asker:
    entries = [entry for found in units.values() for entry in found]
    return Asker(actor, entries[0].roles, purpose, max(map(len, units.values())), max(entry.at for entry in entries))


@dataclass
class _FromOne:
    entries: list[SeenEntry] = field(default_factory=list)
    cut: bool = False


async def ask_everybody(ask: Ask, units: Iterable[str], asked: SeenRequest) -> Found:
    """分野が増えても、名乗った窓口のすべてにたずねる。"""
    answers = await of_everybody({unit: _of_one(ask, unit, asked) for unit in units})
    came = {unit: one for unit, one in answers.items() if one is not None}
    sightings = [Sighting(unit, entry) for unit, one in came.items() for entry in one.entries]
    sightings.sort(key=lambda one: (one.entry.at, one.unit, one.entry.row), reverse=True)
    return Found(tuple(sightings), tuple(came), tuple(sorted(set(answers) - set(came))), tuple(unit for unit, one in came.items() if one.cut))


async def of_everybody(questions: Mapping[str, Awaitable[T]]) -> dict[str, T | None]:
    """答えない・断る・止まっている窓口は None。ほかの窓口の答えは、それで失われない。"""

    async def one(question: Awaitable[T]) -> T | None:
        try:
            return await question
        except (RequestRefused, RequestFailed, *AWAY):
            return None

    return dict(zip(questions, await asyncio.gather(*map(one, questions.values())), strict=True))


async def _of_one(ask: Ask, unit: str, asked: SeenRequest) -> _FromOne:
    found, before = _FromOne(), asked.before
    while True:
        answer = await _answer(ask, unit, asked.model_copy(update={"before": before}))
        found.entries.extend(answer.entries)
        before = answer.before
        if before is None or len(found.entries) >= MOST_ROWS:
            found.cut = before is not None
            return found


async def household_of_receipt(ask: Ask, asked: SeenRequest) -> HouseholdId | None:
    """受付番号の世帯は、受付だけが知っている。RequestFailed など: 受付が答えない。"""
    return (await _answer(ask, "intake", asked)).household_id


async def _answer(ask: Ask, unit: str, asked: SeenRequest) -> SeenAnswer:
    return SeenAnswer.model_validate_json(await ask(f"{unit}.seen", asked.model_dump_json().encode(), timeout=PATIENCE))
