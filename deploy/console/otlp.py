"""The door for spans: OTLP over HTTP, protobuf. Whatever comes in is read as if a stranger had written it.

Only what the allow-list knows is kept, here a second time, so that a unit in another language or with an older library tells us no more.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from deploy.console.spans import Span, Value
from shared.runtime.problems import Refusal
from shared.runtime.telemetry import harmless_name, kept

MEDIA_TYPE = "application/x-protobuf"
LARGEST = 4 * 1024 * 1024
HOUR_NS = 3600 * 10**9
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,40}")
_MOST_LINKS = 128


class BodyUnreadable(Refusal):
    status = 400
    code = "otlp_unreadable"
    sentence = "OTLP（protobuf）として読み取れません。送り手の設定を確かめてください。"


class BodyTooLarge(Refusal):
    status = 413
    code = "otlp_too_large"
    sentence = "一度に送る記録が大きすぎます。まとめる数を減らしてください。"


class WrongMediaType(Refusal):
    status = 415
    code = "otlp_media_type"
    sentence = f"{MEDIA_TYPE} で送ってください。"


@dataclass(frozen=True)
class Arrival:
    spans: tuple[Span, ...]
    rejected: int

    def answer(self) -> bytes:
        response = ExportTraceServiceResponse()
        if self.rejected:
            response.partial_success.rejected_spans = self.rejected
            response.partial_success.error_message = "ids, times or service name out of bounds"
        body: bytes = response.SerializeToString()
        return body


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its gzip wrapping, never more than LARGEST bytes of it."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise WrongMediaType("Content-Encoding は gzip だけを受け付けます。")
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(body, LARGEST)
    except zlib.error:
        raise BodyUnreadable from None
    if stream.unconsumed_tail:
        raise BodyTooLarge
    if not stream.eof:
        raise BodyUnreadable
    return plain


def read(body: bytes, *, now_ns: int, oldest_ns: int) -> Arrival:
    """Spans that began between `oldest_ns` and an hour from now; the others are counted as rejected."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except (DecodeError, ValueError, RecursionError):
        raise BodyUnreadable from None
    wire = list(_wire_spans(request))
    spans = tuple(span for service, sent in wire if (span := _span(service, sent)) and oldest_ns <= span.start_ns <= now_ns + HOUR_NS)
    return Arrival(spans, len(wire) - len(spans))


def _wire_spans(request: ExportTraceServiceRequest) -> Iterator[tuple[str, WireSpan]]:
    for resource in request.resource_spans:
        named = [entry.value.string_value for entry in resource.resource.attributes if entry.key == "service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield (named[0] if named else ""), span


def _span(service: str, wire: WireSpan) -> Span | None:
    identified = _id(wire.trace_id, 16) and _id(wire.span_id, 8) and (not wire.parent_span_id or _id(wire.parent_span_id, 8))
    if not (identified and _SERVICE.fullmatch(service) and wire.start_time_unix_nano <= wire.end_time_unix_nano < 2**63):
        return None
    kind = WireSpan.SpanKind.Name(wire.kind).removeprefix("SPAN_KIND_").lower() if wire.kind in WireSpan.SpanKind.values() else "internal"
    return Span(
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        parent_id=wire.parent_span_id.hex() or None,
        service=service,
        name=harmless_name(wire.name) or kind,
        kind=kind,
        start_ns=wire.start_time_unix_nano,
        end_ns=wire.end_time_unix_nano,
        failed=wire.status.code == Status.STATUS_CODE_ERROR,
        attributes=_attributes(wire),
        links=_links(wire),
    )


def _id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)


def _links(wire: WireSpan) -> tuple[str, ...]:
    whole = (link for link in wire.links[:_MOST_LINKS] if _id(link.trace_id, 16) and _id(link.span_id, 8))
    return tuple(f"{link.trace_id.hex()}:{link.span_id.hex()}" for link in whole)


def _attributes(wire: WireSpan) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for entry in wire.attributes:
        which = entry.value.WhichOneof("value")
        if which in ("string_value", "bool_value", "int_value", "double_value"):
            value = kept(entry.key, getattr(entry.value, which))
            if value is not None:
                found[entry.key] = value
    for event in wire.events:
        if event.name == "exception":
            found |= {entry.key: value for entry in event.attributes if (value := kept(entry.key, entry.value.string_value)) is not None}
    return found
