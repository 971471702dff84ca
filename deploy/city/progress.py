"""進み具合と残り時間。A bar on a terminal, a line a second elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

_TITLES = {
    "intake": "総合相談", "cases-elderly": "高齢", "cases-disability": "障害", "cases-children": "こども", "cases-poverty": "生活困窮",
    "cases-center": "センター", "outreach": "見守り",
}  # fmt: skip


class Progress:
    """Silent: for tests."""

    @contextmanager
    def of(self, total: int) -> Iterator[Self]:
        """While `total` commands are played."""
        self.begin(total)
        try:
            yield self
        finally:
            self.end()

    def begin(self, total: int) -> None: ...

    def end(self) -> None: ...

    def advance(self, unit: str, count: int) -> None: ...

    def wait(self, what: str) -> None: ...


class Bar(Progress):
    """端末: 棒と、残り時間の見積もり。"""

    def begin(self, total: int) -> None:
        clock = (TimeElapsedColumn(), TextColumn("残り"), TimeRemainingColumn())
        self.bars = Bars(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *clock, console=Console(highlight=False))
        self.task = self.bars.add_task("架空の市", total=total)
        self.bars.start()

    def end(self) -> None:
        self.bars.stop()

    def advance(self, unit: str, count: int) -> None:
        self.bars.update(self.task, advance=count, description=_TITLES.get(unit, unit))

    def wait(self, what: str) -> None:
        self.bars.update(self.task, description=what)


class Lines(Progress):
    """端末でなければ、一秒に一行。"""

    def begin(self, total: int) -> None:
        self.total, self.done, self.began, self.spoken, self.line = total, 0, time.monotonic(), 0.0, ""

    def advance(self, unit: str, count: int) -> None:
        self.done += count
        seconds = time.monotonic() - self.began
        left = seconds / self.done * (self.total - self.done)
        self._say(f"{_TITLES.get(unit, unit)} {self.done:,}/{self.total:,} 件（残り約 {left:.0f} 秒）")

    def wait(self, what: str) -> None:
        self._say(what)

    def _say(self, line: str) -> None:
        now = time.monotonic()
        if now - self.spoken >= 1.0 and line != self.line:
            self.spoken, self.line = now, line
            print(line, flush=True)


def suited() -> Progress:
    return Bar() if sys.stdout.isatty() else Lines()
