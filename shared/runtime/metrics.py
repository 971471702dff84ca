"""A unit's figures in Prometheus' text format. Labels are names of units, consumers, sources and states: never an id."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from shared.runtime.figures import Figures
from shared.runtime.pressure import Measured
from shared.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from shared.messaging import Worker

CONTENT_TYPE = CONTENT_TYPE_LATEST
NO_LABELS: Mapping[str, str] = {}
#: what only grows while a process lives; every other number is a gauge
GROWING = frozenset("published fallbacks blocked applied duplicates held parked skipped thefts fired failed done denied rewrites lost asked".split())
#: the worker counts since its start, the database knows them all
TOLD_ELSEWHERE = frozenset({"waiting_for_a_person"})


def exposition(unit: str, worker: "Worker | None", figures: Figures | None, measured: Measured | None, watchdog: Watchdog | None) -> bytes:
    """`figures` None: the database did not answer; its figures are then absent, and `tsunagari_database_up` is 0."""
    families = _Families(unit)
    families.add("database_up", "1 when the database answers", float(figures is not None))
    if watchdog:
        families.add("loop_lag_seconds", "how late the event loop's last beat came", watchdog.lag)
    if measured:
        families.add("outbox_pending_rows", "events that have not reached the broker", measured.rows)
        families.add("outbox_oldest_seconds", "age of the oldest of them", measured.oldest_seconds)
        if measured.free_percent is not None:
            families.add("disk_free_percent", "free on the watched disk", measured.free_percent)
    for item in fields(figures) if figures else ():
        if (value := getattr(figures, item.name)) is not None:
            families.add(_NAMES.get(item.name, item.name), _HELP[item.name], float(value))
    if worker:
        _of_worker(families, worker)
    registry = CollectorRegistry()
    registry.register(families)
    return generate_latest(registry)


_NAMES = {"blocked": "outbox_blocked", "clock_difference": "clock_difference_seconds", "held": "held_events", "dead": "dead_events"} | {
    "set_aside": "subjects_set_aside", "unknown_types": "subjects_of_unknown_type",
}  # fmt: skip
_HELP = {
    "clock_difference": "seconds by which the database's clock is ahead",
    "blocked": "events the broker can never take",
    "unknown_types": "(household, channel) pairs that wait for a newer version of this unit",
    "set_aside": "(household, channel) pairs that wait for a person",
    "held": "events that wait for an earlier one",
    "dead": "events that could not be handled and wait for a person",
    "timers_overdue": "timers due for more than a second",
    "intents_waiting": "effects outside the database that wait for a person",
}


def _of_worker(families: "_Families", worker: "Worker") -> None:
    status = worker.status()
    families.add("ready", "1 when the worker makes progress", float(status["ready"]))
    for part in ("nats", "relay", "gaps", "audit", "timers", "intents"):
        families.add_all(part, status.get(part, {}))
    for name, consumer in worker.consumers.items():
        families.add_all("consumer", consumer.status(), {"consumer": name, "source": consumer.source})


class _Families(Collector):
    """One family per name; every sample carries the unit."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._found: dict[str, Metric] = {}

    def add(self, name: str, told: str, value: float, labels: Mapping[str, str] = NO_LABELS, *, grows: bool = False) -> None:
        family = self._found.get(name)
        if family is None:
            kind = CounterMetricFamily if grows else GaugeMetricFamily
            family = self._found[name] = kind(f"tsunagari_{name}", told, labels=["unit", *labels])
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
        family.add_metric([self._unit, *labels.values()], value)

    def add_all(self, part: str, status: Mapping[str, Any], labels: Mapping[str, str] = NO_LABELS) -> None:
        """Numbers become figures of their name, `state` a figure that is 1; other words stay in /readyz."""
        for key, value in status.items():
            if key == "state":
                self.add(f"{part}_state", f"1 for the state the {part} is in", 1.0, {**labels, "state": str(value)})
            elif isinstance(value, bool | int | float) and key not in TOLD_ELSEWHERE:
                self.add(f"{part}_{key}", f"{part}: {key.replace('_', ' ')}", float(value), labels, grows=key in GROWING)

    def collect(self) -> Iterator[Metric]:
        return iter(self._found.values())
