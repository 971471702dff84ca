"""All faults, and what this machine can run."""

import os
import shutil
from collections.abc import Collection

from tests.faults.fault import Fault
from tests.faults.freezes import FREEZES
from tests.faults.kills import KILLS

ALL: tuple[type[Fault], ...] = (*KILLS, *FREEZES)


def offered(nodes: int = 1) -> frozenset[str]:
    """What this machine and this world offer."""
    root = {"root"} if os.geteuid() == 0 else set()
    netns = {"netns"} if root and shutil.which("ip") else set()
    return frozenset(root | netns | ({"cluster"} if nodes > 1 else set()))


def possible(have: Collection[str]) -> list[Fault]:
    return [fault() for fault in ALL if fault.needs <= set(have)]
