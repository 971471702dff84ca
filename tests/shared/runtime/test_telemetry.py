"""A trace joins what belongs together and tells nothing about anybody."""

import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import redirect_stdout
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, Form
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from deploy.onebox.postgres import EmbeddedPostgres
from shared.runtime import telemetry
from shared.runtime.database import Database
from tests.console.collected import Collected, collecting

CANARY = "タカハシ"
CANARY_ASCII = "090-5555-0123"


@pytest.fixture
def left() -> Iterator[Collected]:
    """What left the process during the test."""
    with collecting() as collected:
        yield collected


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(postgres.url(), "console")
    telemetry.instrument_engine(database.engine)
    yield database
    await database.close()


async def save_twice(database: Database, name: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("create temporary table person (name text constraint one_name primary key) on commit drop"))
        await tx.execute(text("insert into person values (:name), (:name)"), {"name": name})


def canary_app() -> FastAPI:
    app = FastAPI()

    @app.post("/people/{person}")
    async def touch(person: str, name: str = Form()) -> dict[str, str]:
        telemetry.annotate(receipt_no="R8-0001", rule_id=name)
        trace.get_current_span().set_attribute("person.name", name)
        trace.get_current_span().add_event(name)
        if person == "boom":
            raise ValueError(f"cannot save {name}")
        return {}

    telemetry.instrument_app(app)
    return app


async def test_a_statement_inside_a_request_leaves_a_database_span(left: Collected, database: Database) -> None:
    """Trap 1: with SQLAlchemy 2.1 the stock instrumentation silently traces nothing."""
    with telemetry.span("request"):
        async with database.read() as rd:
            await rd.scalar(text("select :value"), {"value": "1"})
    query = next(span for span in left.spans if span.attributes.get("db.system.name") == "postgresql")
    assert query.kind is SpanKind.CLIENT
    assert query.attributes["db.query.text"].startswith("select $1")
    assert query.parent.span_id == left.spans[-1].context.span_id


async def test_two_engines_of_one_process_are_both_traced(left: Collected, database: Database, postgres: EmbeddedPostgres) -> None:
    other = Database(postgres.url(), "other")
    telemetry.instrument_engine(other.engine)
    with telemetry.span("request"):
        for handle in (database, other):
            async with handle.read() as rd:
                await rd.scalar(text("select 1"))
    await other.close()
    assert left.names().count("select") == 2


async def test_a_worker_looking_for_work_leaves_no_span(left: Collected, database: Database) -> None:
    async with database.read() as rd:
        await rd.scalar(text("select 1"))
    assert left.spans == []


async def test_a_failing_statement_tells_its_type_and_no_row(left: Collected, database: Database) -> None:
    with pytest.raises(IntegrityError), telemetry.span("request"):
        await save_twice(database, CANARY)
    assert any(not span.status.is_ok for span in left.spans)
    assert CANARY.encode() not in left.wire()
    assert all(span.status.description is None for span in left.spans)


def test_values_written_into_a_statement_are_taken_out() -> None:
    statement = f"insert into t values ('{CANARY}', 'it''s', $1, 0905550123, $x${CANARY}$x$, 1.5) /* col2 */"
    assert telemetry.sql_without_values(statement) == "insert into t values (?, ?, $1, ?, ?, ?) /* col2 */"


@pytest.mark.parametrize("person", ["someone", "boom"])
def test_no_name_leaves_by_query_form_header_path_or_exception(left: Collected, person: str) -> None:
    headers = {"user-agent": CANARY_ASCII, "tracestate": f"x={CANARY_ASCII}", "baggage": f"name={CANARY_ASCII}"}
    headers["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with TestClient(canary_app(), raise_server_exceptions=False, headers=headers) as client:
        client.post(f"/people/{person}", params={"kana": CANARY, "tel": CANARY_ASCII}, data={"name": CANARY})
        client.get(f"/people/{CANARY}/{CANARY_ASCII}")
    server = next(span for span in left.spans if "welfare.receipt_no" in span.attributes)
    assert server.name == "POST /people/{person}"
    assert server.attributes["welfare.receipt_no"] == "R8-0001"
    assert server.attributes["http.request.method"] == "POST"
    assert set(server.attributes) <= telemetry.ALLOWED
    assert f"{server.context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    for form in (CANARY, CANARY_ASCII, "%E3%82%BF"):
        assert form.encode() not in left.wire()
    if person == "boom":
        assert {event.attributes["exception.type"] for event in server.events} == {"ValueError"}


def test_probes_streams_files_and_the_trace_stores_own_door_are_not_traced(left: Collected) -> None:
    app = FastAPI()
    telemetry.instrument_app(app)
    with TestClient(app) as client:
        for path in ("/livez", "/readyz", "/metrics", "/notify/stream", "/static/desk/desk.css", "/v1/traces"):
            client.get(path)
    assert left.spans == []


def test_a_stored_context_joins_a_later_step_to_the_same_trace(left: Collected) -> None:
    with telemetry.span("cause") as cause:
        stored = telemetry.context_headers()
    with telemetry.span("effect", cause=stored, event_id=UUID(int=7)):
        pass
    assert stored[0] is not None
    assert stored[1] is None
    effect = left.spans[-1]
    assert effect.parent.span_id == cause.get_span_context().span_id
    assert effect.attributes["welfare.event_id"] == str(UUID(int=7))
    link = telemetry.link(*stored)
    assert link is not None
    assert link.context.trace_id == effect.context.trace_id


@pytest.mark.parametrize("broken", [None, "", "00-zz-00-01", CANARY, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_broken_stored_context_is_no_cause(left: Collected, broken: str | None) -> None:
    assert telemetry.link(broken, CANARY) is None
    with telemetry.span("alone", cause=(broken, CANARY)):
        pass
    assert left.spans[-1].parent is None


def test_only_welfare_attributes_can_be_annotated() -> None:
    with pytest.raises(TypeError, match="name"):
        telemetry.annotate(name=CANARY)


class Dead(SpanExporter):
    calls = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.calls += 1
        raise ConnectionError(CANARY)


def test_a_dead_trace_store_disturbs_nobody_and_is_said_once() -> None:
    dead, out = Dead(), io.StringIO()
    with redirect_stdout(out):
        telemetry.configure_logging("console")
        careful = telemetry.Careful(dead)
        assert {careful.export([]) for _ in range(50)} == {SpanExportResult.FAILURE}
    assert dead.calls == 1
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["traces_not_delivered"]


def logged(work: Callable[[], None]) -> list[dict[str, Any]]:
    out = io.StringIO()
    with redirect_stdout(out):
        telemetry.configure_logging("console")
        logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)  # another test's uvicorn.Config may have silenced it
        work()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_log_line_knows_its_trace(left: Collected) -> None:
    def work() -> None:
        with telemetry.span("request"):
            telemetry.log.info("saved", count=3)

    (line,) = logged(work)
    assert line["trace_id"] == f"{left.spans[0].context.trace_id:032x}"
    assert (line["service"], line["event"], line["count"]) == ("console", "saved", 3)


async def test_an_exception_is_logged_by_type_and_place_without_its_rows(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        await save_twice(database, CANARY_ASCII)
    error = caught.value
    assert CANARY_ASCII in error.orig.__cause__.detail  # the driver still carries the row; our engine hides the parameters

    def work() -> None:
        telemetry.log.error("not_saved", cause=error, exc_info=error)
        logging.getLogger("asyncio").error("Task failed\nfuture: %r", error, exc_info=error)

    ours, theirs = logged(work)
    assert CANARY_ASCII not in json.dumps([ours, theirs])
    assert {"sqlstate", "constraint_name"} <= set().union(*ours["error"]["chain"])
    assert any("test_telemetry.py" in place for place in ours["error"]["at"])
    assert theirs["event"] == "Task failed"


def test_third_parties_log_templates_and_numbers_but_no_values() -> None:
    def work() -> None:
        logging.getLogger("uvicorn.error").info("%s asked for port %d", CANARY_ASCII, 8000)
        telemetry.log.info("x", who=CANARY)

    lines = logged(work)
    assert lines[0]["event"] == "? asked for port 8000"
    assert lines[1]["who"] == "(withheld)"


def test_the_access_log_is_off() -> None:
    assert logged(lambda: logging.getLogger("uvicorn.access").info("GET /?kana=x")) == []
