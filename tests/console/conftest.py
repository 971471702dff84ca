"""A small flow by hand: consultation at the desk → relay → two consumers → an alert → shown on an open page."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from deploy.console.spans import Span
from shared.runtime.database import Database
from shared.runtime.unit import TREE, Unit

UNIT = Unit.read(TREE / "deploy/console/unit.toml")
A, B = "a" * 32, "b" * 32
MS = 1_000_000


def span(
    span_id: str,
    start: float,
    end: float,
    *,
    parent: str | None = None,
    trace: str = A,
    service: str = "intake",
    name: str = "step",
    links: Sequence[str] = (),
    **attributes: str,
) -> Span:
    """`start` and `end` in milliseconds; `parent` by its short id; attributes with __ for the dot."""
    return Span(
        trace_id=trace,
        span_id=span_id * 16,
        parent_id=parent * 16 if parent else None,
        service=service,
        name=name,
        kind="internal",
        start_ns=int(start * MS),
        end_ns=int(end * MS),
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        links=tuple(links),
    )


def key(span_id: str, trace: str = A) -> str:
    return f"{trace}:{span_id * 16}"


def sql(span_id: str, start: float, end: float, parent: str, statement: str, service: str = "intake", trace: str = A) -> Span:
    return span(span_id, start, end, parent=parent, service=service, trace=trace, name="x", db__system__name="postgresql", db__query__text=statement)


def town() -> list[Span]:
    return [
        span("1", 0, 20, name="POST /intake/consultations", welfare__receipt_no="R8-0001", http__request__method="POST"),
        sql("2", 2, 4, "1", "INSERT INTO consultation (id) VALUES ($1)"),
        sql("3", 5, 9, "1", "with event as (select 1), d as (insert into outbox_sequence select 1) insert into outbox (channel) select 1"),
        span("4", 12, 15, trace=B, name="send EVT_INTAKE", links=[key("1")], messaging__operation__type="send"),
        span("5", 10, 16, trace="c" * 32, service="notify", name="receive", links=[key("1")], messaging__operation__type="receive"),
        span("6", 18, 30, parent="1", service="notify", name="process consultation.received", messaging__operation__type="process"),
        span("7", 45, 46, parent="6", service="notify", name="alert shown"),
    ]


@pytest.fixture
async def console(databases: Callable[..., Awaitable[Database]]) -> Database:
    return await databases(UNIT)
