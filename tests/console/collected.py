"""What left the process, for tests that look at spans."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from deploy.console import otlp
from deploy.console.spans import Span
from shared.runtime import telemetry
from shared.runtime.settings import Settings
from shared.runtime.unit import TREE, Unit

UNIT = Unit.read(TREE / "deploy/console/unit.toml")


class Collected(SpanExporter):
    """Keeps spans while it is `on`. A provider is global and takes processors for ever, so there is one of these for all tests."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.on = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans if self.on else ()
        return SpanExportResult.SUCCESS

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def wire(self) -> bytes:
        body: bytes = encode_spans(self.spans).SerializeToString()
        return body

    def arrived(self) -> dict[str, Span]:
        """The spans as the console reads them."""
        spans = otlp.read(self.wire(), now_ns=time.time_ns(), oldest_ns=0).spans
        return {span.key: span for span in spans}


_one: list[Collected] = []


@contextmanager
def collecting() -> Iterator[Collected]:
    running = telemetry.start(UNIT, Settings(profile="test", database_url="postgresql://none"))
    if not _one:
        _one.append(Collected())
        running.export_to(_one[0], at_once=True)
    collected, before = _one[0], running.sampling.on
    collected.spans.clear()
    collected.on = running.sampling.on = True
    try:
        yield collected
    finally:
        collected.on, running.sampling.on = False, before
