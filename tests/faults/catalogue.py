"""All faults, and what this machine can run."""

import os
import sys
from collections.abc import Collection

from tests.faults.content import CONTENT
from tests.faults.fault import Fault
from tests.faults.freezes import FREEZES
from tests.faults.full import FULL
from tests.faults.kills import KILLS
from tests.faults.losses import LOSSES
from tests.faults.network import NoNetwork, must_be_possible
from tests.faults.partitions import PARTITIONS
from tests.faults.restored import RESTORED

ALL: tuple[type[Fault], ...] = (*KILLS, *FREEZES, *PARTITIONS, *LOSSES, *CONTENT, *RESTORED, *FULL)


def offered(nodes: int = 1) -> frozenset[str]:
    """What this machine and a world on it offer: "netns" and "tmpfs" to root, "cluster" with three nodes."""
    root = os.geteuid() == 0
    netns = _network()
    return frozenset(name for name, there in (("netns", netns), ("tmpfs", root), ("cluster", nodes > 1)) if there)


def _network() -> bool:
    """What is missing is said, not hidden: a run without partitions is not the whole run."""
    try:
        must_be_possible()
    except NoNetwork as missing:
        print(missing, file=sys.stderr)
        return False
    return True


def possible(have: Collection[str]) -> list[Fault]:
    return [fault() for fault in ALL if fault.needs <= set(have)]
