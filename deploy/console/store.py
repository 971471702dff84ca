"""Spans in the console's database: kept by day, found by receipt number or trace id, forgotten by dropping a day."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, text

from deploy.console.spans import Span
from shared.runtime.database import Read, Transaction

#: Enough for any honest flow; a hostile one must not fill the memory.
MOST_SPANS = 3000
MOST_ROUNDS = 8
_LOCK = 0x7472616365  # "trace": partitions are made and dropped by one at a time

_KEEP = text(
    """
    insert into span (day, trace_id, span_id, parent_id, service, name, kind, start_ns, end_ns, failed, attributes, links)
    values (:day, :trace_id, :span_id, :parent_id, :service, :name, :kind, :start_ns, :end_ns, :failed, cast(:attributes as jsonb), :links)
    on conflict do nothing
    """
)
_OF_TRACES = text(
    """
    select trace_id, span_id, parent_id, service, name, kind, start_ns, end_ns, failed, attributes, links
    from span where trace_id = any(:trace_ids) order by start_ns limit :most
    """
)


def day_of(span: Span) -> date:
    return datetime.fromtimestamp(span.start_ns / 1e9, UTC).date()


async def keep(tx: Transaction, spans: Sequence[Span]) -> None:
    """Idempotent: a sender that repeats itself changes nothing."""
    if not spans:
        return
    await make_days(tx, {day_of(span) for span in spans})
    await tx.execute(_KEEP, [_values(span) for span in spans])


def _values(span: Span) -> dict[str, Any]:
    fields = {name: getattr(span, name) for name in ("trace_id", "span_id", "parent_id", "service", "name", "kind", "start_ns", "end_ns", "failed")}
    return fields | {"day": day_of(span), "attributes": orjson.dumps(dict(span.attributes)).decode(), "links": list(span.links)}


async def days(handle: Read) -> set[date]:
    """The days there is a partition for."""
    rows = await handle.rows(text("select relname from pg_inherits join pg_class on pg_class.oid = inhrelid where inhparent = 'span'::regclass"))
    return {datetime.strptime(row.relname, "span_%Y%m%d").replace(tzinfo=UTC).date() for row in rows}


async def make_days(tx: Transaction, wanted: Iterable[date]) -> None:
    if not (missing := set(wanted) - await days(tx)):
        return
    await tx.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for day in sorted(missing):
        until = day + timedelta(days=1)
        await tx.execute(text(f"create table if not exists span_{day:%Y%m%d} partition of span for values from ('{day}') to ('{until}')"))


async def forget_before(tx: Transaction, oldest: date) -> list[date]:
    """Drops whole days. Waits at most two seconds for readers; what is still in use is dropped the next time."""
    await tx.execute(text("set local lock_timeout = '2s'"))
    await tx.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    old = sorted(day for day in await days(tx) if day < oldest)
    for day in old:
        await tx.execute(text(f"drop table span_{day:%Y%m%d}"))
    return old


async def traces_of(handle: Read, receipt_no: str) -> list[str]:
    """Traces that did something for this receipt number, in order of time. Merely looking (GET) is not doing."""
    found = await handle.rows(
        text(
            """
            select trace_id from span where receipt_no = :receipt_no and attributes ->> 'http.request.method' is distinct from 'GET'
            group by trace_id order by min(start_ns) limit 20
            """
        ),
        {"receipt_no": receipt_no},
    )
    return [row.trace_id for row in found]


async def flow(handle: Read, trace_id: str) -> dict[str, Span]:
    """The spans of a trace, and of the traces its spans set off, by links."""
    spans: dict[str, Span] = {}
    fresh = await _of_traces(handle, [trace_id])
    for _ in range(MOST_ROUNDS):
        spans |= fresh
        room = MOST_SPANS - len(spans)
        if not fresh or room <= 0:
            break
        known = {span.trace_id for span in spans.values()}
        fresh = await _of_traces(handle, sorted(await _set_off(handle, list(fresh)) - known), room)
    return spans


async def _of_traces(handle: Read, trace_ids: list[str], most: int = MOST_SPANS) -> dict[str, Span]:
    if not trace_ids:
        return {}
    spans = (_span(row) for row in await handle.rows(_OF_TRACES, {"trace_ids": trace_ids, "most": most}))
    return {span.key: span for span in spans}


async def _set_off(handle: Read, keys: list[str]) -> set[str]:
    found = await handle.rows(text("select distinct trace_id from span where links && :keys limit 200"), {"keys": keys})
    return {row.trace_id for row in found}


def _span(row: Row[Any]) -> Span:
    return Span(**{**row._mapping, "links": tuple(row.links)})
