"""Loading and saving: one row per household, one per alert, one per change that open pages must see."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import TextClause, select, text
from sqlalchemy.dialects.postgresql import insert

from services.notify import escalation, tables
from services.notify.alert import Alert, Outcome
from services.notify.bell import ring
from services.notify.household import HouseholdFacts
from services.notify.parameters import Parameters
from shared.messaging import Envelope
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

_FACTS = TypeAdapter(HouseholdFacts)
_ALERT = TypeAdapter(Alert)

#: Creates the row if need be, locks it until the commit, gives it: two desks' events about one household wait for each other here,
#: so that neither misses what the other said.
_LOCKED = text(
    """
    insert into household (household_id, facts, heard_at) values (:household_id, cast(:empty as jsonb), :now)
    on conflict (household_id) do update set heard_at = excluded.heard_at
    returning facts, late_at
    """
)
_KEEP = text("update household set area = :area, facts = cast(:facts as jsonb), late_at = :late_at where household_id = :household_id")
_KNOWN_OF = text("select household_id, facts from household where household_id = any(:households)")
_KEEP_KNOWN = text(
    """
    insert into household (household_id, area, facts, heard_at)
    select household_id, area, facts::jsonb, :now
    from unnest(cast(:ids as uuid[]), cast(:areas as text[]), cast(:facts as text[])) as k(household_id, area, facts)
    on conflict (household_id) do update set area = excluded.area, facts = excluded.facts
    """
)
_LATEST = text("select distinct on (rule_id, to_unit) body from alert where household_id = :household_id order by rule_id, to_unit, version desc")
_EVERY = text("select body from alert where household_id = :household_id order by id for update")
#: a household with the last alert of each of its rules, for each desk it was told
_WITH_ALERTS = """
    select h.household_id, h.facts, array(
        select distinct on (rule_id, to_unit) body from alert a where a.household_id = h.household_id order by rule_id, to_unit, version desc
    ) as alerts
    from household h where h.household_id > :after
"""
_NOBODY = UUID(int=0)
_LATE = text(f"{_WITH_ALERTS} and h.late_at is not null order by h.household_id limit :limit for update of h")
#: 時がたつだけでルールに当てはまりうる世帯: 誰かが記録した、関わっている、または誰かが離れた
_REVIEWED = text(
    f"""{_WITH_ALERTS} and h.late_at is null and jsonb_path_exists(h.facts, '$ ? (exists (@.facts[*]) || exists (@.cases[*])
        || exists (@.referrals[*]) || exists (@.watches[*]) || exists (@.withdrawals[*]) || exists (@.members[*].left_on ? (@ != null)))')
    order by h.household_id limit :limit"""
)
_WAITS_FOR_GROUNDS = text("select exists (select from alert where is_open and coalesce(jsonb_array_length(body -> 'needed'), 0) = 0)")
#: heard before version 0003 kept on which basis something was told
LACKS_GROUNDS = """
select exists (select from household h, unnest(array['facts', 'cases', 'referrals', 'watches']) kind, jsonb_array_elements(h.facts -> kind) one
  where one ->> 'basis' is null)
"""
_NO_LONGER_LATE = text("update household set late_at = null where household_id = any(:households)")
_HAS_TIMER = text("select exists (select 1 from timer where kind = :kind and key = :key)")
_LAST_LATE = text("select max(late_at) from household where late_at is not null")


class AlertNotFound(NotFound):
    code = "alert_not_found"
    sentence = "この気づきは見つかりません。一覧を開き直してください。"


@dataclass(frozen=True)
class Kept:
    """`late_at`: 古い便りを聞いたまま、まだ判定していない。"""

    facts: HouseholdFacts
    late_at: datetime | None


async def household(tx: Transaction, household_id: UUID) -> Kept:
    """世帯の知識を、書くために読む。知らない世帯なら空で始まる。"""
    empty = _FACTS.dump_json(HouseholdFacts(household_id)).decode()
    row = await tx.row(_LOCKED, {"household_id": household_id, "empty": empty, "now": tx.now})
    assert row is not None
    return Kept(_FACTS.validate_python(row.facts), row.late_at)


async def keep(tx: Transaction, facts: HouseholdFacts, late_at: datetime | None) -> None:
    values = {"household_id": facts.id, "area": facts.area, "facts": _written(facts), "late_at": late_at}
    await tx.execute(_KEEP, values)


async def known_of(tx: Transaction, households: Iterable[UUID]) -> dict[UUID, HouseholdFacts]:
    """知識だけをまとめて読む。知らない世帯は空で始まる。"""
    wanted = set(households)
    found = await tx.rows(_KNOWN_OF, {"households": list(wanted)})
    return {one: HouseholdFacts(one) for one in wanted} | {row.household_id: read_facts(row.facts) for row in found}


async def keep_known(tx: Transaction, known: Iterable[HouseholdFacts]) -> None:
    """知識だけをまとめて書く（作り直しのとき）。"""
    known = list(known)
    columns = {"ids": [one.id for one in known], "areas": [one.area.value for one in known], "facts": [_written(one) for one in known]}
    await tx.execute(_KEEP_KNOWN, {**columns, "now": tx.now})


def _written(facts: HouseholdFacts) -> str:
    """同じ知識は同じ文字になる（集合の並びは、聞いた順で変わりうる）。"""
    if len(facts.retracted) < 2:
        return _FACTS.dump_json(facts).decode()
    plain = _FACTS.dump_python(facts, mode="json")
    return json.dumps({**plain, "retracted": sorted(plain["retracted"])}, ensure_ascii=False)


async def known(handle: Read, household_id: UUID) -> HouseholdFacts:
    """画面のために読む。知らない世帯なら空。"""
    found = await handle.scalar(select(tables.household.c.facts).where(tables.household.c.household_id == household_id))
    return read_facts(found) if found else HouseholdFacts(household_id)


@dataclass(frozen=True)
class Looked:
    """まとめて読んだうちの一世帯。`read` は、読めなければここでつまずく（ほかの世帯は読める）。"""

    id: UUID
    facts: Any
    alerts: list[Any]

    def read(self) -> tuple[HouseholdFacts, dict[str, Alert]]:
        return read_facts(self.facts), _by_key(self.alerts)


async def late_households(tx: Transaction, after: UUID | None, limit: int) -> list[Looked]:
    """古い便りを聞いたままの世帯、番号順に `after` の次から。行を押さえる。"""
    return await _looked(tx, _LATE, after, limit)


async def households_to_review(tx: Transaction, after: UUID | None, limit: int) -> list[Looked]:
    """便りがなくても見直す世帯、番号順に `after` の次から。読むだけで、行を押さえない。"""
    return await _looked(tx, _REVIEWED, after, limit)


async def _looked(tx: Transaction, query: TextClause, after: UUID | None, limit: int) -> list[Looked]:
    found = await tx.rows(query, {"after": after or _NOBODY, "limit": limit})
    return [Looked(row.household_id, row.facts, row.alerts) for row in found]


async def no_longer_late(tx: Transaction, households: Iterable[UUID]) -> None:
    await tx.execute(_NO_LONGER_LATE, {"households": list(households)})


async def has_timer(handle: Read, kind: str, key: str) -> bool:
    return bool(await handle.scalar(_HAS_TIMER, {"kind": kind, "key": key}))


async def last_late(tx: Transaction) -> datetime | None:
    latest: datetime | None = await tx.scalar(_LAST_LATE)
    return latest


async def latest_alerts(handle: Read, household_id: UUID) -> dict[str, Alert]:
    """その世帯の、ルール（とあて先）ごとの最後の気づき、`Alert.key` ごと。"""
    return _by_key(row.body for row in await handle.rows(_LATEST, {"household_id": household_id}))


def _by_key(bodies: Iterable[Any]) -> dict[str, Alert]:
    """市があて先を変えたルールでは、新しい版が勝つ。"""
    return {one.key: one for one in sorted(map(read_alert, bodies), key=lambda one: one.version)}


async def every_alert(tx: Transaction, household_id: UUID) -> list[Alert]:
    """その世帯のすべての気づき、すべての版。行を押さえる。"""
    return [read_alert(row.body) for row in await tx.rows(_EVERY, {"household_id": household_id})]


async def lacks_grounds(handle: Read) -> bool:
    """根拠を残す前に聞いた知識があるか（`rebuild --doubted` がなくす）。"""
    return bool(await handle.scalar(text(LACKS_GROUNDS)))


async def waits_for_grounds(handle: Read) -> bool:
    """根拠を残す前に出て、まだ根拠の分からない、開いている気づきがあるか。"""
    return bool(await handle.scalar(_WAITS_FOR_GROUNDS))


async def alert(handle: Read, alert_id: UUID, *, to_change: bool = False) -> Alert:
    """`to_change` は行を押さえ、同時に押した二人目を待たせる。"""
    query = select(tables.alert.c.body).where(tables.alert.c.id == alert_id)
    body = await handle.scalar(query.with_for_update() if to_change else query)
    if body is None:
        raise AlertNotFound
    return read_alert(body)


async def save(tx: Transaction, outcomes: Iterable[Outcome], parameters: Parameters, envelope: Envelope | None = None) -> None:
    """気づきと出来事と、確認の時計。`envelope` は引き金になった便り。"""
    for outcome in outcomes:
        await tx.execute(_upsert(outcome.alert, envelope))
        await tx.execute(insert(tables.inbox_change).values(alert_id=outcome.alert.id, announce=outcome.announce, at=tx.now))
        tx.publish(*outcome.events)
        _set_clock(tx, outcome.alert, parameters)
        tx.on_commit(partial(ring))


def _set_clock(tx: Transaction, changed: Alert, parameters: Parameters) -> None:
    at = escalation.wakes_at(changed, parameters)
    if at is None:
        tx.cancel("alert_ack", str(changed.id))
    else:
        tx.schedule("alert_ack", str(changed.id), at, changed.household_id)


def _bases(changed: Alert) -> list[str]:
    if changed.is_grounded:
        return sorted({one.basis.value for one in changed.needed if one.basis})
    return [changed.declared.value] if changed.declared else ["unknown"]


def _upsert(changed: Alert, envelope: Envelope | None) -> Any:
    values = {
        "state": changed.state.value,
        "is_open": changed.state.is_open,
        "severity": changed.severity.value,
        "to_unit": changed.to,
        "due": changed.due,
        "closed_at": changed.closed_at,
        "body": _ALERT.dump_python(changed, mode="json"),
        "bases": _bases(changed),
    }
    fixed = {
        "id": changed.id,
        "household_id": changed.household_id,
        "rule_id": changed.rule_id,
        "version": changed.version,
        "raised_at": changed.raised_at,
        "correlation_id": envelope.correlation_id if envelope else None,
        "traceparent": envelope.traceparent if envelope else None,
    }
    return insert(tables.alert).values(**fixed, **values).on_conflict_do_update(index_elements=["id"], set_=values)


def read_alert(body: Any) -> Alert:
    return _ALERT.validate_python(body)


def read_facts(facts: Any) -> HouseholdFacts:
    return _FACTS.validate_python(facts)
