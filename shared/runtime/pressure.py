"""Back-pressure: when events cannot leave, the desk is asked to wait instead of filling the disk.

Only a request that would publish is refused, at its commit, so reads, drafts and writes without events go on. What a worker
derives from events it hears is never refused: consumers would stop, and the pressure would move to the units that speak.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.runtime.database import Database, Read
from shared.runtime.limits import Limits
from shared.runtime.problems import Refusal
from shared.runtime.settings import Settings

log = logging.getLogger("tsunagari.runtime")

#: seconds between two measurements
EVERY = 2.0
GIB = 1 << 30

#: Events that wait for a person (blocked, and their household's later ones) are not the broker's fault and do not count.
_PENDING = """
from outbox o where published_at is null and not exists (
    select from outbox b where b.household = o.household and b.published_at is null and b.blocked_reason is not null)
"""
_MEASURE = text(
    f"""
    select (select count(*) from (select {_PENDING} limit :most) as pending) as rows,
           (select extract(epoch from clock_timestamp() - created_at)::float8 {_PENDING} order by pos limit 1) as seconds
    """  # noqa: S608
)


class EventsWait(Refusal):
    """A full page cannot keep what was typed in it, but intake has it as a draft and every browser's 戻る brings it back."""

    status = 503
    code = "events_wait"
    sentence = (
        "ほかの窓口への連絡が止まっているため、いまは保存できません。入力はこの画面に残っています。"
        "少し待って、もう一度押してください。急ぎの連絡は、相手の窓口へ電話してください。"
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """`rows` is counted up to one more than the limit. Free disk: None when it is not known."""

    rows: int = 0
    oldest_seconds: float = 0.0
    free_percent: float | None = None
    free_gib: float | None = None

    def disk_is_short(self, limits: Limits) -> bool:
        if self.free_percent is None or self.free_gib is None:
            return False
        return self.free_percent < limits.disk_free_percent and self.free_gib < limits.disk_free_gib

    def reasons(self, limits: Limits) -> list[str]:
        """Why requests that publish must wait; empty when they need not."""
        found = {
            "the oldest event waits too long": self.oldest_seconds > limits.oldest_pending_seconds,
            "too many events wait": self.rows > limits.pending_rows,
            "the disk is nearly full": self.disk_is_short(limits),
        }
        return [reason for reason, holds in found.items() if holds]


def free_disk(folder: Path) -> tuple[float, float] | tuple[None, None]:
    """(percent, GiB) free where `folder` is."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None, None
    return 100 * usage.free / usage.total, usage.free / GIB


async def measure(rd: Read, limits: Limits, folder: Path) -> Measured:
    """One statement on the partial index of pending events."""
    row = await rd.row(_MEASURE, {"most": limits.pending_rows + 1})
    assert row is not None
    return Measured(row.rows, max(0.0, row.seconds or 0.0), *free_disk(folder))


class Pressure:
    """The last measurement of this process, renewed beside the requests: a request pays nothing for it."""

    def __init__(self, settings: Settings) -> None:
        self._city, self._folder = settings.city_parameters, settings.disk_folder
        self.measured = Measured()

    @property
    def limits(self) -> Limits:
        return Limits.now(self._city)

    def check(self) -> None:
        """Before a request's events are written. Raises EventsWait."""
        limits = self.limits
        if self.measured.reasons(limits):
            raise EventsWait(retry_after=limits.retry_after_seconds)

    @asynccontextmanager
    async def watching(self, database: Database) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep(database), name="pressure")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=1)

    async def _keep(self, database: Database) -> None:
        while True:
            try:
                async with database.read() as rd:
                    measured = await measure(rd, self.limits, self._folder)
                self._note(measured)
            except (SQLAlchemyError, OSError, TimeoutError) as error:  # nothing can be saved then; the last figure stands
                log.info("pressure_not_measured kind=%s", type(error).__name__)
            await asyncio.sleep(EVERY)

    def _note(self, measured: Measured) -> None:
        before, after = self.measured.reasons(self.limits), measured.reasons(self.limits)
        self.measured = measured
        if before != after:
            log.warning("pressure_changed rows=%s oldest_seconds=%.0f reasons=%s", measured.rows, measured.oldest_seconds, "; ".join(after) or "none")
