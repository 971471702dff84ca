"""Whatever knocks at the spans' door, only what the allow-list knows comes in, and nothing falls over."""

import gzip
import random

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from deploy.console import otlp

NOW = 1_800_000_000 * 10**9
DAY = 86400 * 10**9


def request(**changed: object) -> ExportTraceServiceRequest:
    """One good span; any field of it may be changed."""
    body = ExportTraceServiceRequest()
    resource = body.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=str(changed.pop("service", "intake")))))
    span = resource.scope_spans.add().spans.add()
    fields = {
        "trace_id": b"a" * 16,
        "span_id": b"b" * 8,
        "name": "GET /intake",
        "start_time_unix_nano": NOW - 5,
        "end_time_unix_nano": NOW,
        "kind": 2,
    }
    for name, value in (fields | changed).items():
        setattr(span, name, value)
    return body


def read(body: ExportTraceServiceRequest | bytes) -> otlp.Arrival:
    return otlp.read(body if isinstance(body, bytes) else body.SerializeToString(), now_ns=NOW, oldest_ns=NOW - 30 * DAY)


def test_a_good_span_comes_in() -> None:
    (span,) = read(request(parent_span_id=b"c" * 8)).spans
    assert (span.service, span.name, span.kind) == ("intake", "GET /intake", "server")
    assert (span.trace_id, span.span_id, span.parent_id) == ((b"a" * 16).hex(), (b"b" * 8).hex(), (b"c" * 8).hex())


def test_attributes_that_are_not_on_the_list_stay_outside() -> None:
    body = request(name="GET /x?kana=タカハシ")
    span = body.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.append(KeyValue(key="url.query", value=AnyValue(string_value="kana=x")))
    span.attributes.append(KeyValue(key="welfare.receipt_no", value=AnyValue(string_value="R8-0001")))
    span.attributes.append(KeyValue(key="welfare.rule_id", value=AnyValue(string_value="高橋\0")))
    span.attributes.append(KeyValue(key="http.response.status_code", value=AnyValue(double_value=float("nan"))))
    span.attributes.append(KeyValue(key="db.query.text", value=AnyValue(string_value="select 'タカハシ' where a = $1\0")))
    (kept,) = read(body).spans
    assert kept.attributes == {"welfare.receipt_no": "R8-0001", "db.query.text": "select ? where a = $1"}
    assert kept.name == "server"


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": b"a" * 15},
        {"trace_id": b"\0" * 16},
        {"span_id": b""},
        {"parent_span_id": b"x"},
        {"service": "高橋"},
        {"service": ""},
        {"start_time_unix_nano": 2**64 - 1},
        {"start_time_unix_nano": NOW + 1},
        {"start_time_unix_nano": 0, "end_time_unix_nano": 2**64 - 1},
        {"start_time_unix_nano": NOW - 31 * DAY},
        {"start_time_unix_nano": NOW + DAY, "end_time_unix_nano": NOW + DAY},
    ],
)
def test_a_span_out_of_bounds_is_counted_and_left_outside(wrong: dict[str, object]) -> None:
    arrival = read(request(**wrong))
    assert (arrival.spans, arrival.rejected) == ((), 1)
    assert arrival.answer()


@pytest.mark.parametrize("body", [b"\xff" * 100, b'{"resourceSpans": []}', b"\x0a\x05abc", b"\x0a\xff\xff\xff\xff\x0f"])
def test_a_body_that_is_no_otlp_is_refused(body: bytes) -> None:
    with pytest.raises(otlp.BodyUnreadable):
        read(body)


def test_nesting_without_end_is_refused() -> None:
    value = AnyValue(string_value="x").SerializeToString()
    for _ in range(3000):
        array = b"\x0a" + _varint(len(value)) + value
        value = b"\x2a" + _varint(len(array)) + array
    entry = b"\x0a\x01k\x12" + _varint(len(value)) + value
    resource = b"\x0a" + _varint(len(entry)) + entry
    spans = b"\x0a" + _varint(len(resource)) + resource
    with pytest.raises(otlp.BodyUnreadable):
        read(b"\x0a" + _varint(len(spans)) + spans)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_bodies_with_flipped_bytes_are_read_or_refused_but_never_crash() -> None:
    good, chance = request().SerializeToString(), random.Random(8)
    for _ in range(500):
        broken = bytearray(good)
        broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            read(bytes(broken))
        except otlp.BodyUnreadable:
            continue


def test_gzip_is_unpacked_but_a_bomb_is_not() -> None:
    assert otlp.unpacked(gzip.compress(b"spans"), "gzip") == b"spans"
    with pytest.raises(otlp.BodyTooLarge):
        otlp.unpacked(gzip.compress(b"\0" * (otlp.LARGEST + 1)), "gzip")
    with pytest.raises(otlp.BodyUnreadable):
        otlp.unpacked(gzip.compress(b"spans" * 100)[:-9], "gzip")
    with pytest.raises(otlp.WrongMediaType):
        otlp.unpacked(b"", "br")
