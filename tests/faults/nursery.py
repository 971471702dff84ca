"""Actors are forked from one process that has imported everything: a start costs milliseconds instead of seconds of both cores.

Orders come as JSON lines on standard input, the process id goes back. Nothing runs here but this loop: no thread, no event loop,
no connection, so that a fork is as good as a fresh process.
"""

import ctypes
import json
import os
import random
import signal
import sys
from typing import Any

from tests.faults import actor

PR_SET_PDEATHSIG = 1


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(order)
        print(pid, flush=True)


def _live(order: dict[str, Any]) -> None:
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _write_to(order["log"])
        os.environ.update(order["env"])
        random.seed()
        actor.main(order["argv"])
    except BaseException as error:  # must never return into the nursery's loop
        sys.stderr.write(f"actor_ended error={type(error).__name__}\n")
        sys.stderr.flush()
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)


def _write_to(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


if __name__ == "__main__":
    main()
