"""Rows of a flow as the page shows them: words, numbers and the place of each bar. No colour carries meaning alone."""

from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.console.waterfall import Gap, Row, Waterfall

WIDTH = 1000.0  # of the drawing, in its own units
NARROWEST = 3.0
DEEPEST = 10


@dataclass(frozen=True)
class Line:
    kind: str
    indent: str
    service: str
    label: str
    note: str
    start: str
    duration: str
    x: float
    width: float
    failed: bool


@dataclass(frozen=True)
class Drawing:
    trace_id: str
    began: datetime
    total: str
    services: str
    waits: list[tuple[str, str]]
    lines: list[Line]


def milliseconds(nanoseconds: int) -> str:
    """1.2 ms、345 ms、2.50 秒、3分12秒、2時間5分。"""
    ms = nanoseconds / 1e6
    if ms < 100:
        return f"{ms:.1f} ms"
    if ms < 1000:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.2f} 秒"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}分{rest}秒" if minutes < 60 else f"{minutes // 60}時間{minutes % 60}分"


def _note(row: Row) -> str:
    notes = []
    if row.folded > 1:
        notes.append(f"{row.folded} 文")
    if row.linked:
        notes.append("別の記録から（リンク）")
    if row.span and row.span.attributes.get("exception.type"):
        notes.append(str(row.span.attributes["exception.type"]))
    return "・".join(notes)


def _line(row: Row, total: int) -> Line:
    scale = WIDTH / max(total, 1)
    width = max(row.duration_ns * scale, NARROWEST)
    return Line(
        kind=row.kind.value,
        indent="　　" * min(row.depth, DEEPEST),
        service=row.service,
        label=row.label,
        note=_note(row),
        start=milliseconds(row.start_ns),
        duration=milliseconds(row.duration_ns),
        x=round(min(row.start_ns * scale, WIDTH - width), 1),
        width=round(width, 1),
        failed=row.failed,
    )


def drawing(fall: Waterfall) -> Drawing:
    return Drawing(
        trace_id=fall.trace_id,
        began=datetime.fromtimestamp(fall.began_ns / 1e9, UTC),
        total=milliseconds(fall.total_ns),
        services=" → ".join(fall.services),
        waits=[(gap.label, milliseconds(waited)) for gap in Gap if (waited := fall.waited(gap))],
        lines=[_line(row, fall.total_ns) for row in fall.rows],
    )
