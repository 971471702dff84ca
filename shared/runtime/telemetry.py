"""One trace from the browser's request through outbox, NATS and consumers to the alert.

A span leaves the process only after `cleaned`: an allow-list of attributes, templates as names, exceptions by type. Names, readings and
free text come in through query strings, form bodies, headers, SQL values and exception messages; none of these is let through.
"""

import logging
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import requests
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry import metrics, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.textmap import CarrierT, Getter, default_getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.runtime.logs import configure_logging, log
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit

WELFARE = frozenset({"receipt_no", "household_ref", "event_id", "event_type", "rule_id"})

#: What a span may carry; anything else is dropped (desk.md §4.1, backbone.md §2.10).
ALLOWED = frozenset(
    {f"welfare.{key}" for key in WELFARE}
    | {"http.request.method", "http.response.status_code", "http.route", "error.type", "exception.type"}
    | {"db.system.name", "db.namespace", "db.operation.name", "db.query.text"}
    | {
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
        "messaging.destination.template",
        "messaging.destination.partition.id",
        "messaging.consumer.group.name",
        "messaging.message.id",
        "messaging.batch.message_count",
    }
)
#: An id, a code, a route template, a class name: ASCII without the characters of queries, e-mail addresses and sentences.
_PLAIN = re.compile(r"[A-Za-z0-9 _./:{}<>*+-]{1,160}")
#: Values inside SQL: quoted and dollar-quoted strings, numbers that are not bind markers.
_SQL_VALUE = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|(?<![\w$\"])\d+(?:\.\d+)?\b", re.DOTALL)
#: Not traced: probes, the long-lived stream, files, and the trace store's own door (its spans would beget spans for ever).
_UNTRACED = "/livez,/readyz,/metrics,/stream,/static/,/v1/traces"


class _TraceparentOnly(TraceContextTextMapPropagator):
    """Takes nothing but the ids from outside: `tracestate` and `baggage` are free text that a browser could fill."""

    def extract(self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter) -> Context:
        found = getter.get(carrier, "traceparent") or []
        return super().extract({"traceparent": found[0]} if found else {}, context)


class _Sampling(Sampler):
    """Everything that has a cause. A database call without one is a worker looking for work, several times a second: dropped."""

    def __init__(self) -> None:
        self.on = False

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        has_cause = bool(links) or trace.get_current_span(parent_context).get_span_context().is_valid
        wanted = self.on and (has_cause or kind is not SpanKind.CLIENT)
        return SamplingResult(Decision.RECORD_AND_SAMPLE if wanted else Decision.DROP, attributes, trace_state)

    def get_description(self) -> str:
        return "everything with a cause"


@lru_cache(maxsize=1024)
def sql_without_values(statement: str) -> str:
    """The shape of a statement: bind markers stay, anything written into the text becomes `?`."""
    return _SQL_VALUE.sub("?", statement).replace("\0", "")[:1000]


def kept(key: str, value: Any) -> str | int | float | bool | None:
    """The value of an attribute as it may leave (or enter the trace store), or None."""
    if key not in ALLOWED:
        return None
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if key == "db.query.text":
        return sql_without_values(str(value))
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def harmless_name(name: str) -> str | None:
    """A span's name when it is a template or a verb; None when it could be anything else."""
    return name if _PLAIN.fullmatch(name) else None


def _attributes(given: Any) -> dict[str, Any]:
    return {key: safe for key, value in (given or {}).items() if (safe := kept(key, value)) is not None}


def _name(span: ReadableSpan, attributes: dict[str, Any]) -> str:
    """Route or template, never a path somebody typed."""
    if span.kind is SpanKind.SERVER:
        return f"{attributes.get('http.request.method', 'HTTP')} {attributes.get('http.route', '')}".strip()
    return harmless_name(span.name) or span.kind.name.lower()


def _ids(context: SpanContext | None) -> SpanContext | None:
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags) if context else None


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """The span as it may leave the process."""
    attributes = _attributes(span.attributes)
    return ReadableSpan(
        name=_name(span, attributes),
        context=_ids(span.context),
        parent=_ids(span.parent),
        resource=span.resource,
        attributes=attributes,
        events=[Event("exception", _attributes(event.attributes), event.timestamp) for event in span.events if event.name == "exception"],
        links=[Link(ids) for link in span.links if (ids := _ids(link.context))],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class Careful(SpanExporter):
    """Cleans, hands on, and keeps a failing trace store from disturbing the unit or its log: one line when it fails, one when it is back."""

    SAY_AGAIN, REST = 300.0, 1.0  # seconds

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lost = 0
        self._said_at = self._failed_at = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if time.monotonic() - self._failed_at < self.REST:  # so that a full queue does not hold up a stopping unit batch by batch
            self._lost += len(spans)
            return SpanExportResult.FAILURE
        try:
            result = self._inner.export([cleaned(span) for span in spans])
        except Exception:  # whatever the exporter's network stack throws
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._delivered()
        else:
            self._failed(len(spans))
        return result

    def _failed(self, count: int) -> None:
        self._lost += count
        self._failed_at = time.monotonic()
        if self._failed_at - self._said_at > self.SAY_AGAIN:
            log.warning("traces_not_delivered", lost=self._lost)
            self._said_at = self._failed_at

    def _delivered(self) -> None:
        if self._lost:
            log.info("traces_delivered_again", lost=self._lost)
            self._lost, self._said_at = 0, float("-inf")

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)


@dataclass(frozen=True)
class Telemetry:
    provider: TracerProvider
    sampling: _Sampling

    def export_to(self, exporter: SpanExporter, *, at_once: bool = False) -> None:
        """Every finished span, cleaned, goes to `exporter`: in batches within half a second, or `at_once` (tests)."""
        careful = Careful(exporter)
        # 256 spans stay below the 1 MB a unit accepts as a body
        in_batches = partial(BatchSpanProcessor, schedule_delay_millis=300, max_export_batch_size=256)
        self.provider.add_span_processor(SimpleSpanProcessor(careful) if at_once else in_batches(careful))
        self.sampling.on = True

    def flush(self, timeout_millis: int = 3000) -> bool:
        return self.provider.force_flush(timeout_millis)

    def stop(self) -> None:
        """Sends what is left; a dead trace store holds a stopping unit up for at most about five seconds."""
        self.provider.shutdown()


_running: Telemetry | None = None


def _otlp(endpoint: str) -> OTLPSpanExporter:
    """`endpoint` is "http://host:port" or the whole address of a collector's traces door."""
    session = requests.Session()
    session.trust_env = False  # a proxy from the environment must not see traces
    url = endpoint if endpoint.rstrip("/").endswith("/v1/traces") else endpoint.rstrip("/") + "/v1/traces"
    return OTLPSpanExporter(endpoint=url, timeout=5, session=session)


def _resource(unit: Unit, settings: Settings) -> Resource:
    return Resource(
        {
            "service.name": unit.code,
            "service.namespace": "tsunagari",
            "service.instance.id": settings.instance,
            "deployment.environment.name": settings.profile.value,
            **({"welfare.domain": unit.welfare_domain} if unit.welfare_domain else {}),
        }
    )


def start(unit: Unit, settings: Settings) -> Telemetry:
    """Once per process (a second call gives the first's Telemetry). Without OTLP_ENDPOINT ids still travel, nothing is recorded."""
    global _running
    if _running is None:
        for noisy in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)  # Careful speaks for them
        sampling = _Sampling()
        sampler = ParentBased(root=sampling, remote_parent_sampled=sampling, remote_parent_not_sampled=sampling)
        _running = Telemetry(TracerProvider(sampler=sampler, resource=_resource(unit, settings)), sampling)
        trace.set_tracer_provider(_running.provider)
        set_global_textmap(_TraceparentOnly())
        if settings.otlp_endpoint:
            _running.export_to(_otlp(settings.otlp_endpoint))
    return _running


#: FastAPI's own spans (since 0.165) carry `url.query` as it was typed, and cost more than the rest of a small request. Ours are below.
NOT_BY_FASTAPI: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def instrument_app(app: FastAPI) -> None:
    """A span for each request, named by its route."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"], excluded_urls=_UNTRACED)


def instrument_engine(engine: AsyncEngine) -> None:
    """A span for each statement of this engine.

    `SQLAlchemyInstrumentor.instrument` refuses SQLAlchemy 2.1 without a word, instruments only the first engine of a process and patches
    SQLAlchemy as a whole; what it attaches to an engine works, so that is attached directly.
    """
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    usage = metrics.get_meter(__name__).create_up_down_counter("db.client.connection.count")
    EngineTracer(trace.get_tracer(__name__), engine.sync_engine, usage)


def tracer() -> trace.Tracer:
    return _tracer_of(trace.get_tracer_provider())


@lru_cache(maxsize=2)
def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    """OpenTelemetry makes a new one at each question, which took a tenth of a consumer's time."""
    return provider.get_tracer("tsunagari")


def recording() -> bool:
    """Whether spans go anywhere. Without that, ids travel on as they came."""
    return _running is not None and _running.sampling.on


@contextmanager
def within(context: Context) -> Iterator[None]:
    """What is done inside belongs to this context, without a span of its own."""
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def trace_id() -> str | None:
    """Of the current span, 32 hex digits; None outside one."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def context_headers() -> tuple[str | None, str | None]:
    """(traceparent, tracestate) of the current span, to be stored with what it causes."""
    carrier: dict[str, str] = {}
    _TraceparentOnly().inject(carrier)
    return carrier.get("traceparent"), carrier.get("tracestate")


def extract(traceparent: str | None, tracestate: str | None = None) -> Context:
    """The context a stored traceparent names; an empty one when it is missing or broken. `tracestate` is never trusted."""
    return _TraceparentOnly().extract({"traceparent": traceparent} if traceparent else {}, Context())


def link(traceparent: str | None, tracestate: str | None = None) -> Link | None:
    return link_to(extract(traceparent, tracestate))


def link_to(created: Context) -> Link | None:
    context = trace.get_current_span(created).get_span_context()
    return Link(context) if context.is_valid else None


def annotate(**welfare: str | UUID | None) -> None:
    """Writes welfare.receipt_no, household_ref, event_id, event_type, rule_id on the current span; other keys are a TypeError."""
    if unknown := set(welfare) - WELFARE:
        raise TypeError(f"not a welfare attribute: {', '.join(sorted(unknown))}")
    span = trace.get_current_span()
    for key, value in welfare.items():
        if value is not None:
            span.set_attribute(f"welfare.{key}", str(value))


@contextmanager
def span(name: str, *, cause: tuple[str | None, str | None] | None = None, **welfare: str | UUID | None) -> Iterator[trace.Span]:
    """A step worth seeing. `cause` is what `context_headers` gave when it was set off; without it the current span is the parent."""
    context = extract(*cause) if cause else None
    with tracer().start_as_current_span(name, context=context) as current:
        annotate(**welfare)
        yield current


__all__ = [
    "ALLOWED", "Careful", "Telemetry", "annotate", "cleaned", "configure_logging", "context_headers", "extract", "harmless_name",
    "instrument_app", "instrument_engine", "kept", "link", "link_to", "log", "recording", "span", "sql_without_values", "start", "trace_id", "tracer",
    "within",
]  # fmt: skip
