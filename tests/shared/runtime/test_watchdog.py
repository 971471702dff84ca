"""The watchdog: a silent loop ends the process and says where; a busy, a frozen and a stopping process live on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.runtime.watchdog import LOOP_SILENT
from tests.conftest import ROOT

LIMIT = 1.0
PROGRAM = """
import asyncio, re, sys, time
from shared.runtime.watchdog import Watchdog

def told_too_much(secret):
    {blocked}

async def nothing():
    pass

async def spin():
    while True:
        await nothing()

async def main():
    watchdog = Watchdog({limit}, every=0.1)
    with watchdog.watching():
        await asyncio.sleep(0.3)
        print("watching", flush=True)
        {work}
    {after}
    print("over", flush=True)

asyncio.run(main())
"""


@contextmanager
def program(work: str, *, blocked: str = "pass", after: str = "pass") -> Iterator[subprocess.Popen[str]]:
    code = PROGRAM.format(limit=LIMIT, work=work, blocked=blocked, after=after)
    running = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "watching\n"
        yield running
    finally:
        running.kill()
        running.wait()


def test_a_blocked_loop_is_ended_and_says_where_without_a_value() -> None:
    with program("told_too_much('見本 花子')", blocked="time.sleep(60)") as running:
        _, said = running.communicate(timeout=20)
    assert running.returncode == LOOP_SILENT
    assert "loop_silent" in said
    assert "in told_too_much" in said
    assert "花子" not in said


def test_code_that_never_lets_go_of_the_interpreter_is_ended_too() -> None:
    with program("told_too_much('見本 花子')", blocked="re.match('(a+)+$', 'a' * 60 + 'b')") as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == -signal.SIGPROF
    assert "in told_too_much" in said
    assert "花子" not in said


def test_a_loop_that_spins_without_ever_waiting_is_ended() -> None:
    """backbone.md §3 F1: a coroutine that never suspends."""
    with program("await spin()") as running:
        assert running.wait(30) in (LOOP_SILENT, -signal.SIGPROF)


def test_a_busy_but_living_loop_goes_on() -> None:
    busy = f"end = time.monotonic() + {4 * LIMIT}\n        while time.monotonic() < end: time.sleep(0.2); await asyncio.sleep(0)"
    with program(busy) as running:
        out, said = running.communicate(timeout=30)
    assert (running.returncode, out, said) == (0, "over\n", "")


def test_a_process_that_was_frozen_longer_than_the_limit_is_not_ended_on_waking() -> None:
    with program(f"await asyncio.sleep({6 * LIMIT})") as running:
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(3 * LIMIT)
        os.kill(running.pid, signal.SIGCONT)
        out, said = running.communicate(timeout=30)
    assert (running.returncode, out, said) == (0, "over\n", "")


def test_a_loop_that_stays_blocked_after_waking_is_ended_all_the_same() -> None:
    with program("told_too_much('')", blocked="time.sleep(60)") as running:
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(1.5 * LIMIT)
        os.kill(running.pid, signal.SIGCONT)
        assert running.wait(20) == LOOP_SILENT


def test_what_happens_after_the_watch_is_not_judged() -> None:
    """The last spans are sent when the loop is done; that may take its time."""
    with program("pass", after=f"time.sleep({2 * LIMIT})") as running:
        out, said = running.communicate(timeout=30)
    assert (running.returncode, out, said) == (0, "over\n", "")
