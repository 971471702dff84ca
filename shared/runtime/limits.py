"""The technical limits of a process as dated parameters: shared/messaging/parameters.yaml, over it the city's messaging.yaml."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Self

from shared.runtime import parameters

OURS = Path(__file__).parents[1] / "messaging" / "parameters.yaml"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, rows, percent and GiB as their names say; each with its source in the file."""

    oldest_pending_seconds: float
    pending_rows: int
    disk_free_percent: float
    disk_free_gib: float
    retry_after_seconds: int
    loop_silent_seconds: float
    clock_difference_seconds: float
    unprovisioned_seconds: float

    @classmethod
    def now(cls, city: Path | None) -> Self:
        """What is in force today. Raises ParameterMissing."""
        return cls.on(datetime.now(UTC).date(), city)

    @classmethod
    @cache
    def on(cls, day: date, city: Path | None) -> Self:
        def value(name: str) -> float:
            return float(parameters.value(name, day, OURS, *parameters.city_layer(city, "messaging")))

        return cls(
            oldest_pending_seconds=value("pressure.oldest_pending_seconds"),
            pending_rows=int(value("pressure.pending_rows")),
            disk_free_percent=value("pressure.disk_free_percent"),
            disk_free_gib=value("pressure.disk_free_gib"),
            retry_after_seconds=int(value("pressure.retry_after_seconds")),
            loop_silent_seconds=value("watchdog.loop_silent_seconds"),
            clock_difference_seconds=value("readiness.clock_difference_seconds"),
            unprovisioned_seconds=value("readiness.unprovisioned_seconds"),
        )
