"""From spans to rows: who caused what, how long it took, and where it waited. Pure: the page and the terminal draw the same rows.

A cause is the parent in the same trace, or else what a span links to. Effects are followed across traces, other causes are not: a relay's
batch links to many consultations, and only ours belongs here. A step with several causes stands below the first of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from deploy.console.spans import Span

#: Shorter waits are the noise of two clocks readings (project default), in nanoseconds.
NOTICEABLE = 50_000
SHOWN = "alert shown"


class RowKind(StrEnum):
    SPAN = "span"
    GAP = "gap"
    MISSING = "missing"


class Gap(StrEnum):
    OUTBOX = "outbox"
    BROKER = "broker"
    CONSUMER = "consumer"
    SHOWN = "shown"
    OTHER = "other"

    @property
    def label(self) -> str:
        return {
            "outbox": "送信待ち（アウトボックス）",
            "broker": "NATS の中・受け取りまで",
            "consumer": "受け取り側で順番待ち",
            "shown": "知らせてから画面に出るまで",
            "other": "次の動きまで",
        }[self.value]


@dataclass(frozen=True)
class Row:
    """`start_ns` counts from the beginning of the flow; `linked`: reached by a link, from another trace."""

    kind: RowKind
    depth: int
    service: str
    label: str
    start_ns: int
    duration_ns: int
    failed: bool = False
    linked: bool = False
    gap: Gap | None = None
    span: Span | None = None
    folded: int = 1


@dataclass(frozen=True)
class Waterfall:
    trace_id: str
    began_ns: int
    total_ns: int
    rows: tuple[Row, ...]

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.service for row in self.rows if row.kind is RowKind.SPAN))

    def waited(self, gap: Gap) -> int:
        """Longest single wait of this kind, nanoseconds."""
        return max((row.duration_ns for row in self.rows if row.gap is gap), default=0)


def waterfall(spans: Iterable[Span], trace_id: str, *, statements: bool = False) -> Waterfall | None:
    """The flow that trace `trace_id` began; None when none of its spans is there. `statements`: each SQL statement on its own row."""
    forest = _Forest({span.key: span for span in spans}, trace_id)
    rows = [row for root in forest.roots() for row in forest.rows(root)]
    if not rows:
        return None
    rows = rows if statements else _folded(rows)
    began = min(row.start_ns for row in rows)
    ended = max(row.start_ns + row.duration_ns for row in rows)
    return Waterfall(trace_id, began, ended - began, tuple(replace(row, start_ns=row.start_ns - began) for row in rows))


class _Forest:
    def __init__(self, spans: dict[str, Span], trace_id: str) -> None:
        self.spans, self.trace_id = spans, trace_id
        self.effects: dict[str, list[Span]] = defaultdict(list)
        self.placed: set[str] = set()
        for span in sorted(spans.values(), key=lambda span: (span.start_ns, span.span_id)):
            for cause in self._causes(span):
                self.effects[cause].append(span)

    def _causes(self, span: Span) -> Iterable[str]:
        """Parent and links we have; a parent we do not have only when there is nothing else to hang the span on."""
        named = [key for key in (span.parent_key, *span.links) if key]
        return dict.fromkeys(key for key in named if key in self.spans) or named[:1] * bool(span.parent_key)

    def roots(self) -> list[str | Span]:
        """Spans of the trace without a cause, and keys of causes that never arrived."""
        missing = (key for key in self.effects if key not in self.spans and key.startswith(self.trace_id))
        own = (span for span in self.spans.values() if span.trace_id == self.trace_id and not span.parent_id and not self._set_off_here(span))
        return sorted([*own, *missing], key=self._start)

    def _set_off_here(self, span: Span) -> bool:
        return any(key.startswith(self.trace_id) for key in self._causes(span))

    def _start(self, root: str | Span) -> int:
        return root.start_ns if isinstance(root, Span) else self.effects[root][0].start_ns

    def rows(self, root: str | Span) -> list[Row]:
        if isinstance(root, Span):
            return self._flow([(root, 0, None)])
        waiting = self.effects[root]
        last = max(span.end_ns for span in waiting)
        gone = Row(RowKind.MISSING, 0, waiting[0].service, "記録が届いていない区間", waiting[0].start_ns, last - waiting[0].start_ns)
        return [gone, *self._flow([(span, 1, None) for span in reversed(waiting)])]

    def _flow(self, stack: list[tuple[Span, int, Span | None]]) -> list[Row]:
        """Depth first without recursion: a hostile chain may be thousands deep. Each step is placed once, so circles end."""
        rows: list[Row] = []
        while stack:
            span, depth, cause = stack.pop()
            if span.key in self.placed or (cause and span.parent_key in self.spans and span.parent_key != cause.key):
                continue
            self.placed.add(span.key)
            if cause:
                rows += _waits(cause, span, self.effects[cause.key], depth)
            rows.append(_row(span, depth, linked=cause is not None and cause.trace_id != span.trace_id))
            stack += [(effect, depth + 1, span) for effect in reversed(self.effects.get(span.key, []))]
        return rows


def _row(span: Span, depth: int, *, linked: bool) -> Row:
    return Row(RowKind.SPAN, depth, span.service, span.operation, span.start_ns, max(0, span.end_ns - span.start_ns), span.failed, linked, span=span)


def _gap(gap: Gap, effect: Span, depth: int, since: int, until: int) -> list[Row]:
    if until - since < NOTICEABLE:
        return []
    return [Row(RowKind.GAP, depth, effect.service, gap.label, since, until - since, gap=gap)]


def _waits(cause: Span, effect: Span, siblings: Sequence[Span], depth: int) -> list[Row]:
    """The wait before `effect` began, cut into its parts."""
    if effect.sends:
        return _gap(Gap.OUTBOX, effect, depth, _written(cause, effect, siblings), effect.start_ns)
    if effect.receives:
        return []
    if effect.processes:
        return _delivery(cause, effect, siblings, depth)
    return _gap(Gap.SHOWN if effect.name == SHOWN else Gap.OTHER, effect, depth, cause.end_ns, effect.start_ns)


def _written(cause: Span, effect: Span, siblings: Sequence[Span]) -> int:
    """When the event was in the outbox: the last statement that wrote it. A consumer writes at the end of its batch, after the handler's span."""
    writes = (span.end_ns for span in siblings if span.writes_outbox and span.end_ns <= effect.start_ns)
    return max(writes, default=min(cause.end_ns, effect.start_ns))


def _delivery(cause: Span, effect: Span, siblings: Sequence[Span], depth: int) -> list[Row]:
    sent = max((span.end_ns for span in siblings if span.sends and span.end_ns <= effect.start_ns), default=None)
    if sent is None:
        overlapping = any(span.sends and span.start_ns <= effect.start_ns for span in siblings)
        return [] if overlapping else _gap(Gap.BROKER, effect, depth, cause.end_ns, effect.start_ns)
    same = (span.end_ns for span in siblings if span.receives and span.service == effect.service and sent <= span.end_ns <= effect.start_ns)
    received = max(same, default=None)
    if received is None:
        return _gap(Gap.BROKER, effect, depth, sent, effect.start_ns)
    return _gap(Gap.BROKER, effect, depth, sent, received) + _gap(Gap.CONSUMER, effect, depth, received, effect.start_ns)


def _folded(rows: Sequence[Row]) -> list[Row]:
    """Neighbouring statements of one step become one row."""
    folded: list[Row] = []
    for row in rows:
        last = folded[-1] if folded else None
        if last and _statement(row) and _statement(last) and row.depth == last.depth:
            labels = dict.fromkeys([*last.label.split(" · "), row.label])
            end = max(last.start_ns + last.duration_ns, row.start_ns + row.duration_ns)
            duration, failed = end - last.start_ns, last.failed or row.failed
            folded[-1] = replace(last, label=" · ".join(labels), duration_ns=duration, failed=failed, folded=last.folded + 1)
        else:
            folded.append(row)
    return folded


def _statement(row: Row) -> bool:
    return row.span is not None and row.span.is_database
