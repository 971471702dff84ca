"""Liveness from outside the event loop: a thread ends the process when the loop has been silent for too long.

A health route cannot do this: it runs on the loop it should judge (a task that never waits starves it, backbone.md §3 F1).
The supervisor starts the process again; whatever was in hand is rolled back and done by the next one.
"""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

#: exit status of a process whose loop was silent; nothing else ends with it
LOOP_SILENT = 86


class Watchdog:
    """`limit`, `every`: seconds. `age` is how long ago the loop beat, `lag` how late its last beat came."""

    def __init__(self, limit: float, *, every: float = 1.0) -> None:
        self.limit, self._every = limit, every
        self._stderr: TextIO = sys.__stderr__ or sys.stderr
        self._stopped = threading.Event()
        self._beaten = self._excused = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self.lag = 0.0

    @property
    def age(self) -> float:
        return time.monotonic() - self._beaten

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watches the running loop while the block lasts. What a process does before and after is not judged."""
        # For code that holds the interpreter's lock, so that the thread cannot run (a regular expression gone wild): the kernel counts
        # the processor time since the last beat, SIGPROF writes the same stacks and ends the process. A frozen process uses none.
        faulthandler.register(signal.SIGPROF, file=self._stderr, all_threads=True, chain=True)
        self._beat(asyncio.get_running_loop(), time.monotonic())
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        try:
            yield
        finally:
            self._stopped.set()
            if self._timer is not None:
                self._timer.cancel()
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.unregister(signal.SIGPROF)

    def _beat(self, loop: asyncio.AbstractEventLoop, expected: float) -> None:
        self._beaten = time.monotonic()
        self.lag = max(0.0, self._beaten - expected)
        signal.setitimer(signal.ITIMER_PROF, self.limit)
        self._timer = loop.call_later(self._every, self._beat, loop, self._beaten + self._every)

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._stopped.wait(self._every):
            now = time.monotonic()
            if now - looked > 3 * self._every:
                # This thread slept too: the process was frozen (SIGSTOP, a suspended machine). The loop gets its full time again.
                self._excused = now
            looked = now
            if now - max(self._beaten, self._excused) > self.limit:
                self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(f"loop_silent seconds={self.age:.1f} limit={self.limit:g}", file=self._stderr, flush=True)
            faulthandler.dump_traceback(file=self._stderr, all_threads=True)  # files, lines and function names; never a value
        os._exit(LOOP_SILENT)
