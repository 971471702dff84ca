"""The flow as text, for `make trace RECEIPT=R8-0001`."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.console.flow import FlowUnknown, flows
from deploy.console.page import Line, drawing, milliseconds
from deploy.console.waterfall import Gap, Waterfall
from shared.runtime.database import Database

BAR = 36
QUIET = 0.8  # seconds: twice the senders' delay; until then more spans may be on their way


async def wait_for(database: Database, typed: str, seconds: float, *, statements: bool) -> list[Waterfall]:
    """The flow, once it is known and nothing more comes in. Raises FlowUnknown after `seconds`, NumberUnreadable at once."""
    deadline = time.monotonic() + seconds
    last: list[Waterfall] = []
    while True:
        try:
            async with database.read() as rd:
                found = await flows(rd, typed, statements=statements)
        except FlowUnknown:
            if time.monotonic() >= deadline:
                raise
            found = []
        if found and (found == last or time.monotonic() >= deadline):
            return found
        last = found
        await asyncio.sleep(min(QUIET, max(0.05, deadline - time.monotonic())))


def _bar(line: Line) -> Text:
    start = min(int(line.x / 1000 * BAR), BAR - 1)
    length = max(1, round(line.width / 1000 * BAR))
    mark, style = ("█", "red" if line.failed else "blue") if line.kind == "span" else ("░", "yellow")
    return Text(" " * start) + Text(mark * min(length, BAR - start), style=style)


def _label(line: Line) -> Text:
    text = Text(line.indent.replace("　", " "))
    if line.kind == "span":
        text.append(line.label, style="red" if line.failed else "")
    else:
        text.append(f"… {line.label}", style="yellow")
    if line.note:
        text.append(f"  ({line.note})", style="dim")
    return text


def _table(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("窓口", no_wrap=True)
    table.add_column("動き", overflow="fold", ratio=1)
    table.add_column("始まり", justify="right", no_wrap=True)
    table.add_column("長さ", justify="right", no_wrap=True)
    table.add_column("時間の帯", width=BAR, no_wrap=True)
    for line in lines:
        table.add_row(line.service, _label(line), line.start, line.duration, _bar(line))
    return table


def draw(console: Console, typed: str, falls: Sequence[Waterfall]) -> None:
    began = falls[0].began_ns
    for fall in falls:
        drawn = drawing(fall)
        console.print(Text(f"{typed}   {drawn.services}   全体 {drawn.total}", style="bold"))
        later = "" if fall.began_ns == began else f"   最初の受付から {milliseconds(fall.began_ns - began)} 後"
        console.print(Text(f"記録番号 {drawn.trace_id}   始まり {drawn.began.astimezone():%Y-%m-%d %H:%M:%S.%f}{later}", style="dim"))
        console.print(_table(drawn.lines))
        for label, waited in drawn.waits:
            console.print(Text(f"  … {label}: 最長 {waited}", style="yellow"))
        console.print()


def as_json(typed: str, falls: Sequence[Waterfall]) -> str:
    """For scripts: the same rows with nanoseconds."""
    return orjson.dumps({"number": typed, "flows": [_plain(fall) for fall in falls]}, option=orjson.OPT_INDENT_2).decode()


def _plain(fall: Waterfall) -> dict[str, Any]:
    waits = {gap.value: fall.waited(gap) for gap in Gap}
    rows = [{**asdict(row), "span": asdict(row.span) if row.span else None} for row in fall.rows]
    told = {"trace_id": fall.trace_id, "began_ns": fall.began_ns, "total_ns": fall.total_ns, "services": fall.services}
    return told | {"waits_ns": waits, "rows": rows}
