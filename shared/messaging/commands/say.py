"""Answers for people (a table, Japanese / English) and for programs (`--json`), and the three exit codes.

0 all right · 1 something needs attention · 2 asked wrongly. A refusal says what to do.
"""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

#: what every command takes
Json = Annotated[bool, typer.Option("--json", help="機械が読む形 / for programs")]
UnitCode = Annotated[str | None, typer.Option("--unit", help="ユニットの code（例 cases-children）/ unit code")]

ATTENTION, USAGE = 1, 2


class Refused(Exception):
    """Not done, and what to do instead, in both languages."""

    def __init__(self, ja: str, en: str, exit_code: int = USAGE) -> None:
        self.ja, self.en, self.exit_code = ja, en, exit_code
        super().__init__(en)


@dataclass(frozen=True)
class Grid:
    """A table: headings, and which of them are numbers (to the right)."""

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: frozenset[str] = frozenset()

    def on(self, console: Console) -> None:
        table = Table(box=None, pad_edge=False)
        for heading in self.headings:
            table.add_column(heading, justify="right" if heading in self.numbers else "left", no_wrap=heading in self.numbers)
        for row in self.rows:
            table.add_row(*(escape(shown(cell)) for cell in row))
        console.print(table)


@dataclass(frozen=True)
class Answer:
    """`content` is the stable shape of `--json`; `grids` and `lines` say the same to people."""

    content: Mapping[str, Any]
    ok: bool = True
    lines: Sequence[str] = ()
    grids: Sequence[Grid] = ()


def shown(cell: object) -> str:
    match cell:
        case None:
            return "-"
        case bool():
            return "はい" if cell else "いいえ"
        case float():
            return f"{cell:.1f}"
        case datetime():
            return cell.astimezone().strftime("%m-%d %H:%M:%S")
        case str():
            return cell
        case Iterable():
            return "、".join(map(str, cell)) or "-"
    return str(cell)


def answer(work: Coroutine[Any, Any, Answer], as_json: bool) -> None:
    """Runs it, prints it, ends with the exit code."""
    found = asyncio.run(work)
    if as_json:
        typer.echo(json.dumps(found.content, ensure_ascii=False, indent=1, default=_plain))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for grid in found.grids:
            grid.on(console)
        for line in found.lines:
            console.print(escape(line))
    raise typer.Exit(0 if found.ok else ATTENTION)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)


def refuse(refused: Refused) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[red]{escape(refused.ja)}[/red]\n{escape(refused.en)}")
    sys.exit(refused.exit_code)
