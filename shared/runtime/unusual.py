"""Which readings of a month a supervisor should ask about, ranked. The scoring is pure and its numbers are dated data (unusual.yaml)."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import text

from shared.contracts.unusual import Sign, Unusual, UnusualAnswer, UnusualRequest
from shared.desk.wareki import JST
from shared.runtime import audit, parameters
from shared.runtime.auth import Staff
from shared.runtime.business_days import Calendar
from shared.runtime.database import Read
from shared.runtime.policies import Gate, Place, Reader, may_enter
from shared.runtime.problems import NotAllowed
from shared.runtime.seen import UnreadableQuestion

if TYPE_CHECKING:
    from shared.messaging import Handlers, WorkerContext

UNUSUAL = "unusual"
#: entries of one unit at most: a list that nobody reads to its end protects nobody
MOST = 50
OURS = Path(__file__).with_name("unusual.yaml")
Pair = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one household. `refused`: it was not shown."""

    at: datetime
    actor: str
    household_id: UUID
    roles: tuple[str, ...] = ()
    refused: bool = False

    @property
    def pair(self) -> Pair:
        return self.actor, self.household_id


@dataclass(frozen=True, slots=True)
class Known:
    """What this unit knows: households it has to do with, people who worked on a household, and who is close to one (by name, by address)."""

    related: frozenset[UUID] = frozenset()
    worked: frozenset[Pair] = frozenset()
    close: Mapping[Sign, frozenset[Pair]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    weights: Mapping[Sign, int]
    threshold: int
    many_households: int
    opens: time
    closes: time
    calendar: Calendar
    inserted: frozenset[str] = field(default_factory=frozenset)


@cache
def rules_on(on: date, city: Path | None = None) -> Rules:
    def value(name: str) -> Any:
        return parameters.value(name, on, OURS, *parameters.city_layer(city, "unusual"))

    return Rules(
        weights={sign: int(value(f"weights.{sign}")) for sign in Sign},
        threshold=int(value("threshold")),
        many_households=int(value("many_households")),
        opens=time.fromisoformat(value("opens")),
        closes=time.fromisoformat(value("closes")),
        calendar=Calendar(frozenset(value("closed_days"))),
        inserted=frozenset(value("inserted")),
    )


def rank(readings: Iterable[Reading], known: Known, rules: Rules) -> list[Unusual]:
    """One entry per person and household that reaches the threshold, the most telling first."""
    by_pair: dict[Pair, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_pair[reading.pair].append(reading)
    crowded = _crowded_hours(by_pair, rules)
    scored = [_scored(found, _signs(found, known, rules, crowded), rules) for found in by_pair.values()]
    return sorted((one for one in scored if one.score >= rules.threshold), key=lambda one: (-one.score, -one.times, one.actor, str(one.household_id)))


def _signs(found: list[Reading], known: Known, rules: Rules, crowded: Collection[tuple[str, datetime]]) -> frozenset[Sign]:
    pair, local = found[0].pair, [reading.at.astimezone(JST) for reading in found]
    telling = {
        Sign.NO_RELATION: pair[1] not in known.related and pair not in known.worked,
        Sign.REFUSED: any(reading.refused for reading in found),
        Sign.MANY: any((pair[0], _hour(at)) in crowded for at in local),
        Sign.CLOSED_DAY: any(rules.calendar.is_closed(at.date()) for at in local),
        Sign.OFF_HOURS: any(not rules.calendar.is_closed(at.date()) and not rules.opens <= at.time() < rules.closes for at in local),
    }
    return frozenset(sign for sign, tells in telling.items() if tells) | {sign for sign, pairs in known.close.items() if pair in pairs}


def _crowded_hours(by_pair: Mapping[Pair, list[Reading]], rules: Rules) -> set[tuple[str, datetime]]:
    """(who, hour) in which somebody looked at more households than anybody at a desk does."""
    seen: dict[tuple[str, datetime], set[UUID]] = defaultdict(set)
    for (actor, household), found in by_pair.items():
        for reading in found:
            seen[actor, _hour(reading.at.astimezone(JST))].add(household)
    return {hour for hour, households in seen.items() if len(households) > rules.many_households}


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _scored(found: list[Reading], signs: frozenset[Sign], rules: Rules) -> Unusual:
    return Unusual(
        actor=found[0].actor,
        roles=tuple(sorted({role for reading in found for role in reading.roles})),
        household_id=found[0].household_id,
        times=len(found),
        first=min(reading.at for reading in found),
        last=max(reading.at for reading in found),
        signs=tuple(sign for sign in Sign if sign in signs),
        score=sum(rules.weights[sign] for sign in signs),
    )


# ── out of the audit

_READINGS = text(
    """
    select at, actor, household_id, roles, decision = 'refuse' as refused from audit
    where at >= :since and at < :until and household_id is not null and action in ('view', 'print') and position(':' in actor) = 0
      and (purpose is null or not purpose = any(:inserted))
    """
)
_WORKED = text(
    """
    select distinct actor, household_id from audit
    where at >= :since and at < :until and household_id is not null and decision = 'allow'
      and action not in ('view', 'list', 'search', 'watch', 'print', 'ask_audit')
    """
)


async def nobody(handle: Read, pairs: Collection[Pair]) -> Mapping[Sign, frozenset[Pair]]:
    """A unit that knows neither names nor addresses."""
    return {}


@dataclass(frozen=True)
class Relation:
    """What a unit tells of itself. `related`: SQL that gives the household_id of those in `:households` that it has to do with.

    `close`: those of (who, household) who may be family or neighbours, by the sign that says so; only intake knows."""

    related: str
    close: Callable[[Read, Collection[Pair]], Awaitable[Mapping[Sign, frozenset[Pair]]]] = nobody


def serve_unusual(handlers: "Handlers", relation: Relation, city: Path | None = None) -> None:
    @handlers.serve(UNUSUAL)
    async def unusual(request: bytes, context: "WorkerContext", asker: str) -> bytes:
        try:
            asked = UnusualRequest.model_validate_json(request)
        except ValidationError:
            raise UnreadableQuestion from None
        person = Staff(asked.by, "", frozenset(asked.roles))
        if not may_enter(Reader(person.roles), Place(context.db.unit), Gate.READ_AUDIT):
            raise NotAllowed
        async with context.db.transaction() as tx:
            answer = await of_month(tx, asked.month, relation, city)
            shown = [one.household_id for one in answer.entries]
            await audit.record(tx, person, "ask_audit", "month", asked.month, households=shown, purpose="audit")
        return answer.model_dump_json().encode()


async def of_month(handle: Read, month: str, relation: Relation, city: Path | None) -> UnusualAnswer:
    first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=JST)
    bound = {"since": first, "until": _next_month(first)}
    rules = rules_on(first.date(), city)
    rows = await handle.rows(_READINGS, bound | {"inserted": list(rules.inserted)})
    readings = [Reading(row.at, row.actor, row.household_id, tuple(row.roles), row.refused) for row in rows]
    pairs = {reading.pair for reading in readings}
    households = list({household for _, household in pairs})
    known = Known(
        related=frozenset(row.household_id for row in await handle.rows(text(relation.related), {"households": households})),
        worked=frozenset((row.actor, row.household_id) for row in await handle.rows(_WORKED, bound)),
        close=await relation.close(handle, pairs),
    )
    entries = rank(readings, known, rules)
    return UnusualAnswer(entries=tuple(entries[:MOST]), readings=len(readings), people=len({reading.actor for reading in readings}))


def _next_month(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
