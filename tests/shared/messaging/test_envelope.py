"""The envelope on the wire: written one way, read strictly, never a crash."""

from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.envelope import EnvelopeError, check_subject, decode, encode, escape, header_lines, read_event, stamp, subject_of
from tests.shared.messaging.town import household, registered

NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
EVENT = registered(household())
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def headers(**changes: str) -> dict[str, str]:
    written = encode(EVENT, id=uuid4(), source="intake", now=NOW, correlation_id=uuid4(), causation_id=uuid4())
    complete = stamp(written, seq=7, pos=42, traceparent=TRACE, tracestate="k=v w")
    return {name: value for name, value in {**complete, **changes}.items() if value}


DATA = EVENT.model_dump_json().encode()
REQUIRED = [
    "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-recordedtime", "ce-channel", "ce-subjectseq",
    "ce-outboxpos", "ce-datacontenttype", "ce-correlationid",
]  # fmt: skip


def reason(given: object, data: bytes = DATA) -> str:
    with pytest.raises(EnvelopeError) as refused:
        decode(given, data)  # type: ignore[arg-type]
    return str(refused.value)


def test_what_is_written_is_read_back() -> None:
    given = headers()
    envelope = decode(given, DATA, stream_seq=9)
    assert (envelope.source, envelope.subject, envelope.seq, envelope.outbox_pos, envelope.stream_seq) == ("intake", EVENT.household_id, 7, 42, 9)
    assert (envelope.time, envelope.traceparent, envelope.tracestate) == (NOW, TRACE, "k=v w")
    assert given["Nats-Msg-Id"] == given["ce-id"] == str(envelope.id)
    assert read_event(envelope, DATA) == EVENT


def test_names_are_read_without_regard_to_case() -> None:
    assert decode({name.upper(): value for name, value in headers().items()}, DATA).seq == 7


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_header_has_its_reason(name: str) -> None:
    assert reason(headers(**{name: ""})) == f"missing_header:{name}"


def test_no_headers_at_all() -> None:
    assert reason(None) == "missing_header"


def test_a_doubled_header_is_refused_however_it_arrives() -> None:
    twice = [*headers().items(), ("CE-ID", str(uuid4()))]
    raw = "".join(f"{name}: {value}\r\n" for name, value in twice[:-1]) + f"ce-id: {uuid4()}\r\n\r\n"
    assert reason(twice) == "duplicate_header:ce-id"
    assert reason(header_lines(raw.encode())) == "duplicate_header:ce-id"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ce-datacontenttype", "text/plain", "wrong_content_type"),
        ("ce-specversion", "0.3", "wrong_version"),
        ("ce-id", "not-a-uuid", "bad_header:ce-id"),
        ("ce-subject", "{" + str(UUID(int=1)) + "}", "bad_header:ce-subject"),
        ("ce-subjectseq", "0", "bad_header:ce-subjectseq"),
        ("ce-subjectseq", "７", "bad_header:ce-subjectseq"),
        ("ce-time", "2026-04-01T09:30:00", "bad_header:ce-time"),
        ("ce-type", "jp.tsunagari.case.opened.v1", "bad_header:ce-type"),
        ("ce-source", "intake", "bad_header:ce-source"),
    ],
)
def test_a_wrong_value_has_its_reason(name: str, value: str, code: str) -> None:
    assert reason(headers(**{name: value})) == code


def test_a_unit_cannot_speak_for_another() -> None:
    envelope = decode(headers(), DATA)
    check_subject(envelope, subject_of("intake", EVENT), "intake")
    for subject, source, code in [
        (subject_of("intake", EVENT), "notify", "foreign_source"),
        (subject_of("intake", EVENT).replace("registered", "member_left"), "intake", "wrong_subject"),
    ]:
        with pytest.raises(EnvelopeError, match=code):
            check_subject(envelope, subject, source)


def test_the_household_in_the_event_is_the_household_on_the_envelope() -> None:
    with pytest.raises(EnvelopeError, match="subject_differs"):
        read_event(decode(headers(), DATA), registered(household()).model_dump_json().encode())


@pytest.mark.parametrize(("value", "written"), [("a b", "a%20b"), ('"%"', "%22%25%22"), ("窓口", "%E7%AA%93%E5%8F%A3"), ("k=v,x=y", "k=v,x=y")])
def test_header_values_are_percent_encoded_ascii(value: str, written: str) -> None:
    assert escape(value) == written
    assert unquote(written) == value


@given(st.text())
def test_any_text_survives_the_escape_without_control_characters(value: str) -> None:
    if not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        assert escape(value).isascii()
        assert escape(value).isprintable()
        assert unquote(escape(value)) == value


@given(st.dictionaries(st.sampled_from([*REQUIRED, "CE-ID", "ce-causationid", "x"]), st.text(max_size=40)), st.binary(max_size=20))
def test_no_header_makes_it_crash(given_headers: dict[str, str], data: bytes) -> None:
    try:
        decode({**headers(), **given_headers}, data)
    except EnvelopeError:
        pass
    try:
        decode(given_headers, data)
    except EnvelopeError:
        pass


@given(st.binary(max_size=200))
def test_no_bytes_make_the_header_reader_crash(raw: bytes) -> None:
    header_lines(raw)
