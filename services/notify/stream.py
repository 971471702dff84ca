"""開いている画面へ、変化を番号順に流す（Server-Sent Events）。id は通し番号なので、切れても続きから受けとれる。

The worker may run in another process, so the number keeper looks into the database twice a second while anybody watches;
the bell of this process makes it look at once.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from types import FrameType

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from services.notify import bell, lists
from services.notify.lists import Change
from shared.runtime import telemetry
from shared.runtime.database import Database

#: seconds between two looks while somebody watches
LOOK_EVERY = 0.4
#: a stream wakes at least this often, to see whether its sign-in has run out
CLOCK_EVERY = 15.0
#: seconds to wait after the database refused
AFTER_TROUBLE = 1.0


class Numbers:
    """Numbers what was committed, and tells the streams of this process. One per web process; any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._moved = asyncio.Condition()
        self._watchers = 0
        self._last = 0
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running(), name="notify/numbers")
        self._hear_the_end()

    async def stop(self) -> None:
        self._stopping = True
        await self._tell()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _hear_the_end(self) -> None:
        """uvicorn waits for open connections before it ends the lifespan, and a stream never ends by itself: a restart with one open
        inbox would keep the whole desk away for the full grace period. So the streams end with the signal itself."""
        loop, uvicorns = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
        if not callable(uvicorns) or threading.current_thread() is not threading.main_thread():
            return

        def end(number: int, frame: FrameType | None) -> None:
            self._stopping = True
            loop.call_soon_threadsafe(lambda: loop.create_task(self._tell()))
            uvicorns(number, frame)

        signal.signal(signal.SIGTERM, end)

    async def changes(self, after: int) -> AsyncIterator[list[Change]]:
        """Batches of changes after a number, for as long as the caller listens. An empty batch: time to look at the clock."""
        self._watchers += 1
        bell.ring()
        try:
            while not self._stopping:
                async with self._db.read() as rd:
                    found = await lists.changes_after(rd, after)
                yield found
                after = found[-1].number if found else after
                if not found:
                    await self._wait(after)
        finally:
            self._watchers -= 1

    async def _wait(self, after: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOCK_EVERY), self._moved:
                await self._moved.wait_for(lambda: self._last > after or self._stopping)

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _keep_running(self) -> None:
        """Whatever ends the numbering, it begins again: without it every open inbox is silent and nobody sees why."""
        while not self._stopping:
            try:
                await self._run()
            except Exception as error:
                telemetry.log.error("inbox_numbers_begin_again", kind=type(error).__name__)
                await asyncio.sleep(AFTER_TROUBLE)

    async def _run(self) -> None:
        with bell.listening() as rung:
            while not self._stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), LOOK_EVERY if self._watchers else None)
                rung.clear()
                await self._look()

    async def _look(self) -> None:
        try:
            async with self._db.transaction() as tx:
                last = await lists.number_changes(tx)
        except (SQLAlchemyError, OSError) as error:  # also an exhausted pool, which is no DBAPIError
            telemetry.log.warning("inbox_not_numbered", kind=type(error).__name__)
            await asyncio.sleep(AFTER_TROUBLE)
            return
        if last != self._last:
            self._last = last
            await self._tell()


async def start_numbers(app: FastAPI) -> None:
    app.state.numbers = Numbers(app.state.db)
    app.state.numbers.start()


async def stop_numbers(app: FastAPI) -> None:
    await app.state.numbers.stop()
