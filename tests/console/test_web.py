"""The console's two doors: spans from this machine, pages for operators."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import uvicorn
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from deploy.console import store
from deploy.console.app import create_app
from deploy.console.otlp import MEDIA_TYPE
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.telemetry import Careful
from shared.runtime.testing import signed_cookies
from tests.console.conftest import UNIT, town
from tests.console.test_store import at, keep

OPERATOR = Staff("op1", "運用 花子", frozenset({"operator"}))
CASEWORKER = Staff("cw1", "担当 太郎", frozenset({"caseworker"}), frozenset({"children"}))
MakeSettings = Callable[..., Settings]


@pytest.fixture
def settings(test_settings: MakeSettings, console: Database) -> Settings:
    return test_settings(UNIT, database=console)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), client=("127.0.0.1", 40000), follow_redirects=False) as client:
        yield client


def finished() -> list[ReadableSpan]:
    """A request and what it called, made by the real SDK."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "intake"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("POST /intake/consultations") as request:
        request.set_attribute("welfare.receipt_no", "R8-0007")
        request.set_attribute("person.name", "タカハシ")
        with tracer.start_as_current_span("work"):
            pass
    return list(memory.get_finished_spans())


def post(client: TestClient, body: bytes, **headers: str) -> int:
    status: int = client.post("/v1/traces", content=body, headers={"content-type": MEDIA_TYPE, **headers}).status_code
    return status


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[str]:
    """The console behind a real socket."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None, access_log=False, lifespan="on", ws="none"))
        task = asyncio.create_task(server.serve([door]))
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        await task


async def test_spans_of_the_real_sdk_arrive_in_postgresql_by_http(settings: Settings, console: Database) -> None:
    async with listening(settings) as address:
        exporter = Careful(OTLPSpanExporter(endpoint=f"{address}/v1/traces", timeout=5))
        result = await asyncio.to_thread(exporter.export, finished())
        exporter.shutdown()
    assert result is SpanExportResult.SUCCESS
    async with console.read() as rd:
        (trace,) = await store.traces_of(rd, "R8-0007")
        spans = (await store.flow(rd, trace)).values()
    assert [(span.service, span.name, dict(span.attributes)) for span in spans] == [
        ("intake", "POST /intake/consultations", {"welfare.receipt_no": "R8-0007"}),
        ("intake", "work", {}),
    ]


def test_a_broken_body_is_refused_and_the_next_good_one_taken(client: TestClient) -> None:
    assert post(client, b"\xff\xfe hostile") == 400
    assert post(client, b"\x1f\x8b broken", **{"content-encoding": "gzip"}) == 400
    assert post(client, encode_spans(finished()).SerializeToString()) == 200


def test_an_oversized_body_is_refused(client: TestClient) -> None:
    assert post(client, b"\0" * (5 * 1024 * 1024)) == 413


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", ""])
def test_another_media_type_is_refused_so_no_foreign_page_can_post_here(client: TestClient, media_type: str) -> None:
    assert client.post("/v1/traces", content=b"", headers={"content-type": media_type}).status_code == 415


def test_spans_are_taken_from_this_machine_only(client: TestClient, settings: Settings) -> None:
    body = encode_spans(finished()).SerializeToString()
    assert post(client, body, **{"x-forwarded-for": "127.0.0.1"}) == 403
    with TestClient(create_app(settings), client=("192.0.2.7", 40000)) as elsewhere:
        assert post(elsewhere, body) == 403


def test_flows_are_for_operators(client: TestClient, settings: Settings) -> None:
    page = {"accept": "text/html"}
    assert client.get("/ops/trace", headers=page).status_code == 303
    assert client.get("/ops/trace", headers=page | signed_cookies(CASEWORKER, settings)).status_code == 403
    assert client.get("/ops/trace", headers=page | signed_cookies(OPERATOR, settings)).status_code == 200


async def test_the_page_shows_steps_and_waits_and_notes_who_looked(client: TestClient, settings: Settings, console: Database) -> None:
    await keep(console, at(town(), datetime.now(UTC)))
    page = client.get("/ops/trace?receipt=ｒ８－０００１", headers=signed_cookies(OPERATOR, settings)).text
    for word in ("POST /intake/consultations", "送信待ち（アウトボックス）", "知らせてから画面に出るまで", "<rect", "notify"):
        assert word in page
    assert " style=" not in page
    assert len(page.encode()) < 60_000
    async with console.read() as rd:
        seen = await store_audit(rd)
    assert seen == [("op1", "view", "trace", "a" * 32)]


async def store_audit(rd: object) -> list[tuple[str, ...]]:
    from sqlalchemy import text

    rows = await rd.rows(text("select actor, action, object_kind, object_id from audit"))  # type: ignore[attr-defined]
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(("typed", "status", "word"), [("R8-9999", 404, "届いていません"), ("<script>高橋</script>", 422, "R8-0001 のような形")])
def test_a_number_that_leads_nowhere_gets_a_sentence(client: TestClient, settings: Settings, typed: str, status: int, word: str) -> None:
    answer = client.get("/ops/trace", params={"receipt": typed}, headers=signed_cookies(OPERATOR, settings))
    assert answer.status_code == status
    assert word in answer.text
    assert "<script>高橋" not in answer.text
