"""どの段階にいるかを見せる。端末では動く一行、端末でなければ普通の行（一秒を超える段階だけ途中も書く）。"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

SPEAK_EVERY = 5.0


#: 細目を言う（「3/8 cases-children」）
Say = Callable[[str], None]


class Steps:
    """`with steps.step("…") as say:` の間、経過秒とともに表示する。"""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.started = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        began = time.monotonic()
        live: Live | Plain = Live(self.console, title) if self.console.is_terminal else Plain(self.console, title)
        try:
            with live:
                yield live.say
        except BaseException:
            self.console.print(f"[red]✗[/red] {escape(title)}")
            raise
        seconds = time.monotonic() - began
        self.console.print(f"[green]✓[/green] {escape(title)}" + (f" [dim]{seconds:.1f} s[/dim]" if seconds >= 1 else ""))

    def note(self, text: str) -> None:
        self.console.print(f"[yellow]![/yellow] {escape(text)}")


class Live:
    """端末: 回る印、題、いまの細目、経過秒。"""

    def __init__(self, console: Console, title: str) -> None:
        self.title, self.detail, self.began = title, "", time.monotonic()
        self.status = Status("", console=console)
        self.over = threading.Event()
        self.clock = threading.Thread(target=self._tick, daemon=True)

    def _tick(self) -> None:
        while not self.over.wait(0.25):
            seconds = time.monotonic() - self.began
            self.status.update(f"{escape(self.title)} [dim]{escape(self.detail)} {seconds:.0f} s[/dim]")

    def say(self, text: str) -> None:
        self.detail = text

    def __enter__(self) -> Self:
        self.status.update(escape(self.title))
        self.status.start()
        self.clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.clock.join()
        self.status.stop()


class Plain:
    """端末でないとき（CI など）: 長引く段階だけ、数秒おきに一行。"""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title, self.detail, self.began = console, title, "", time.monotonic()
        self.over = threading.Event()
        self.clock = threading.Thread(target=self._tick, daemon=True)

    def _tick(self) -> None:
        wait = 1.0
        while not self.over.wait(wait):
            wait = SPEAK_EVERY
            self.console.print(f"… {escape(self.title)} {escape(self.detail)} ({time.monotonic() - self.began:.0f} s)")

    def say(self, text: str) -> None:
        self.detail = text

    def __enter__(self) -> Self:
        self.clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.clock.join()
