"""A fault: what it does to a world. It ends with everything put back except what the system has to repair by itself."""

from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from tests.faults.world import World


class Fault:
    """`needs`: what a machine and a world must offer ("root", "netns", "cluster", "tmpfs", "git"). `weight`: how often the schedule draws it."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    weight: ClassVar[int] = 4
    #: seconds within which fresh events must flow again
    patience: ClassVar[float] = 60.0

    async def apply(self, world: World, random: Random) -> None:
        raise NotImplementedError


@dataclass
class Row:
    """One line of the table: a fault and what was seen of it."""

    name: str
    times: int = 0
    recovery: list[float] = field(default_factory=list)
    events: int = 0
    missing: int = 0
    duplicate: int = 0
    disorder: int = 0
