"""Spans become rows: causes above effects, waits as rows of their own."""

from deploy.console.page import drawing, milliseconds
from deploy.console.spans import Span
from deploy.console.waterfall import Gap, RowKind, Waterfall, waterfall
from tests.console.conftest import MS, A, B, key, span, sql, town


def drawn(spans: list[Span], *, statements: bool = False) -> Waterfall:
    fall = waterfall(spans, A, statements=statements)
    assert fall is not None
    return fall


def outline(fall: Waterfall) -> list[tuple[int, str, float, float]]:
    return [(row.depth, row.label, row.start_ns / MS, row.duration_ns / MS) for row in fall.rows]


def test_a_request_is_followed_through_outbox_broker_and_consumer_to_the_shown_alert() -> None:
    assert outline(drawn(town(), statements=True)) == [
        (0, "POST /intake/consultations", 0, 20),
        (1, "INSERT consultation", 2, 2),
        (1, "INSERT outbox", 5, 4),
        (1, "receive", 10, 6),
        (1, "送信待ち（アウトボックス）", 9, 3),
        (1, "send EVT_INTAKE", 12, 3),
        (1, "NATS の中・受け取りまで", 15, 1),
        (1, "受け取り側で順番待ち", 16, 2),
        (1, "process consultation.received", 18, 12),
        (2, "知らせてから画面に出るまで", 30, 15),
        (2, "alert shown", 45, 1),
    ]


def test_a_linked_trace_belongs_to_the_flow_and_says_so() -> None:
    fall = drawn(town())
    assert [row.label for row in fall.rows if row.linked] == ["receive", "send EVT_INTAKE"]
    assert fall.services == ("intake", "notify")
    assert fall.total_ns == 46 * MS


def test_a_relay_batch_does_not_pull_in_the_other_consultations_it_carried() -> None:
    other = span("9", 1, 11, trace="d" * 32, name="POST someone else")
    batch = span("4", 12, 15, trace=B, name="send", links=[key("9", "d" * 32), key("1")], messaging__operation__type="send")
    labels = [row.label for row in drawn([span("1", 0, 10), other, batch]).rows]
    assert "send" in labels
    assert "POST someone else" not in labels


def test_what_a_linked_step_set_off_is_followed_too() -> None:
    spans = [span("1", 0, 1), span("2", 5, 6, trace=B, links=[key("1")], name="later"), span("3", 5, 6, parent="2", trace=B, name="inside")]
    assert [row.label for row in drawn(spans).rows] == ["step", "次の動きまで", "later", "inside"]


def test_a_cause_that_never_arrived_leaves_a_row_of_its_own() -> None:
    spans = [span("1", 0, 20), span("7", 5, 9, parent="6", name="orphan"), span("8", 10, 12, parent="6", name="sibling")]
    fall = drawn(spans)
    missing = [row for row in fall.rows if row.kind is RowKind.MISSING]
    assert [(row.depth, row.start_ns, row.duration_ns) for row in missing] == [(0, 5 * MS, 7 * MS)]
    assert [row.label for row in fall.rows] == ["step", "記録が届いていない区間", "orphan", "sibling"]


def test_without_a_recorded_receive_the_wait_is_one_gap_to_the_handler() -> None:
    spans = [one for one in town() if one.name != "receive"]
    gaps = [(row.gap, row.duration_ns / MS) for row in drawn(spans).rows if row.gap]
    assert gaps == [(Gap.OUTBOX, 3), (Gap.BROKER, 3), (Gap.SHOWN, 15)]


def test_a_consumer_that_was_down_shows_as_a_long_wait() -> None:
    spans = [*town(), span("8", 60_000, 60_010, parent="1", service="outreach", name="process", messaging__operation__type="process")]
    assert drawn(spans).waited(Gap.BROKER) == 59_985 * MS


def test_a_handler_that_began_before_the_brokers_answer_reached_the_relay_did_not_wait() -> None:
    spans = [
        span("1", 0, 5),
        span("2", 6, 12, parent="1", name="send", messaging__operation__type="send"),
        span("3", 9, 10, parent="1", service="notify", name="process", messaging__operation__type="process"),
    ]
    assert [row.gap for row in drawn(spans).rows if row.gap] == [Gap.OUTBOX]


def test_neighbouring_statements_are_folded_into_one_row() -> None:
    spans = [
        span("1", 0, 20),
        *(sql(str(n), n, n + 0.5, "1", f"SELECT * FROM t{n % 2}") for n in range(2, 6)),
        span("6", 12, 13, parent="1", name="work"),
    ]
    row = drawn(spans).rows[1]
    assert (row.label, row.folded, row.duration_ns) == ("X t0 · X t1", 4, int(3.5 * MS))


def test_events_of_several_handlers_sent_in_one_batch_each_find_their_send() -> None:
    handled = [span(n, 0, 2, parent="1", name=f"process {n}", messaging__operation__type="process") for n in "23"]
    sent = span("4", 5, 8, parent="2", name="send", links=[key("2"), key("3")], messaging__operation__type="send")
    heard = [
        span(n, 9, 10, parent=cause, service="notify", name="process", messaging__operation__type="process") for n, cause in (("5", "2"), ("6", "3"))
    ]
    fall = drawn([span("1", -5, 0), *handled, sent, *heard])
    assert [row.label for row in fall.rows].count("send") == 1
    assert [row.duration_ns / MS for row in fall.rows if row.gap is Gap.BROKER and row.service == "notify"] == [1, 1]


def test_circles_and_hostile_depth_end() -> None:
    circle = [span("2", 1, 2, trace=B, links=[key("3", B)]), span("3", 1, 2, trace=B, links=[key("2", B)])]
    assert len(drawn([span("1", 0, 1), *circle]).rows) == 1
    deep = [Span(A, f"{n:016x}", f"{n - 1:016x}" if n > 1 else None, "intake", "s", "internal", n, n + 1) for n in range(1, 5001)]
    assert len(drawn(deep).rows) == 5000
    assert all(0 <= line.x <= 1000 for line in drawing(drawn(deep)).lines)


def test_an_unknown_trace_is_nothing() -> None:
    assert waterfall(town(), "f" * 32) is None


def test_a_clock_that_is_behind_draws_no_negative_wait() -> None:
    fall = drawn([span("1", 10, 20), span("2", 5, 8, parent="1", service="notify", name="early")])
    assert all(row.start_ns >= 0 and row.duration_ns >= 0 for row in fall.rows)
    assert fall.rows[1].start_ns == 0


def test_durations_are_said_in_words_a_person_reads() -> None:
    said = [milliseconds(int(ms * MS)) for ms in (1.24, 345, 2500, 192_000, 7_500_000)]
    assert said == ["1.2 ms", "345 ms", "2.50 秒", "3分12秒", "2時間5分"]
