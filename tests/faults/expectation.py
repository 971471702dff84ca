"""What a fault put in on purpose: the checker explains these findings by it and nothing else."""

from dataclasses import dataclass, field


@dataclass
class Expectation:
    """`dead`: (unit, source, stream position) of messages that nobody can handle and that may lie in dead_event.

    `foreign`: (stream, position) of messages no unit committed.
    `alarms`: words that must stand in the log of one of the unit's processes, as (unit, words);
    `a|b`: one of them."""

    dead: set[tuple[str, str, int]] = field(default_factory=set)
    foreign: set[tuple[str, int]] = field(default_factory=set)
    alarms: set[tuple[str, str]] = field(default_factory=set)
