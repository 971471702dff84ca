"""The supervisor on tiny stand-in processes: it starts, restarts, replaces, stops, and leaves nobody behind when it is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.onebox import supervisor
from deploy.onebox.home import Home, read_json
from deploy.onebox.ports import free_port
from deploy.onebox.postgres import EmbeddedPostgres
from deploy.onebox.program import Program, Running, read_running, wait_until, write_wanted

SLEEPER = [sys.executable, "-c", "import time\nwhile True: time.sleep(60)"]
DEAF = [sys.executable, "-c", "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\nwhile True: time.sleep(60)"]


def program(name: str, argv: list[str], **given: object) -> Program:
    values = {"env": dict(os.environ), "cwd": "/", "phase": 1, **given}
    return Program(name, argv, **values)  # type: ignore[arg-type]


class Supervised:
    """A supervisor process over one state folder."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "TSUNAGARI_HOME": str(self.home.path)}
        self.process = subprocess.Popen([sys.executable, "-m", "deploy.onebox.supervisor"], env=environment, stderr=subprocess.PIPE, text=True)

    def one(self, name: str) -> Running | None:
        return next((one for one in read_running(self.home) if one.name == name), None)

    def running(self, name: str) -> Running:
        def is_there() -> bool:
            one = self.one(name)
            return one is not None and one.state == "running" and one.process() is not None

        assert wait_until(is_there, 15), self.home.processes.read_text()
        one = self.one(name)
        assert one is not None
        return one

    def stop(self) -> str:
        self.process.terminate()
        return self.process.communicate(timeout=30)[1]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    home = Home(tmp_path)
    home.create()
    supervised = Supervised(home)
    yield supervised
    if supervised.process.poll() is None:
        supervised.stop()


def test_a_unit_killed_with_minus_9_is_started_again(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("unit", SLEEPER)])
    first = supervised.running("unit")
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    assert wait_until(lambda: (one := supervised.one("unit")) is not None and one.pid not in (None, first.pid), 15)
    again = supervised.running("unit")
    assert (again.restarts, again.last_exit) == (1, -signal.SIGKILL)


def test_a_program_that_keeps_failing_is_tried_with_growing_pauses(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("broken", [sys.executable, "-c", "raise SystemExit(3)"])])
    assert wait_until(lambda: (one := supervised.one("broken")) is not None and one.restarts >= 3, 20)
    log = supervised.stop()
    assert "next try in 0.5 s" in log
    assert "next try in 2.0 s" in log


def test_a_changed_program_is_replaced_and_an_unchanged_one_left_alone(supervised: Supervised) -> None:
    one, two = program("one", SLEEPER), program("two", SLEEPER)
    write_wanted(supervised.home, [one, two])
    before = supervised.running("one"), supervised.running("two")
    write_wanted(supervised.home, [replace(one, fingerprint="new code"), two])
    assert wait_until(lambda: (now := supervised.one("one")) is not None and now.pid not in (None, before[0].pid), 15)
    assert supervised.running("two").pid == before[1].pid


READER = [
    sys.executable, "-c",
    "import signal, time\nsignal.signal(1, lambda *_: print('read again', flush=True))\nprint('started', flush=True)\nwhile True: time.sleep(60)",
]  # fmt: skip


def test_a_program_whose_readable_configuration_changed_is_told_and_not_restarted(supervised: Supervised) -> None:
    one = program("one", READER, reload="old", reload_signal=int(signal.SIGHUP))
    write_wanted(supervised.home, [one])
    before = supervised.running("one")
    assert wait_until(lambda: "started" in supervised.home.log("one").read_text(), 15)
    write_wanted(supervised.home, [changed := replace(one, reload="new")])
    assert wait_until(lambda: "read again" in supervised.home.log("one").read_text(), 15)
    assert wait_until(lambda: (now := supervised.one("one")) is not None and now.fingerprint == changed.identity, 15)
    assert supervised.running("one").pid == before.pid


def test_a_change_beside_the_readable_configuration_restarts_all_the_same(supervised: Supervised) -> None:
    one = program("one", READER, reload="old", reload_signal=int(signal.SIGHUP))
    write_wanted(supervised.home, [one])
    before = supervised.running("one")
    write_wanted(supervised.home, [replace(one, reload="new", fingerprint="new code")])
    assert wait_until(lambda: (now := supervised.one("one")) is not None and now.pid not in (None, before.pid), 15)


async def test_a_postgres_that_waits_for_its_guests_to_leave_is_stopped_and_started_again(
    servers_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain SIGTERM is a "smart" shutdown: units keep their connections for ever, and nobody new gets in."""
    monkeypatch.setattr(supervisor, "LEAVING", 0.5)
    server = EmbeddedPostgres(servers_home / "smart", free_port(), "secret", volatile=True)
    server.prepare()
    home = Home(tmp_path)
    home.create()
    write_wanted(home, [program("postgres", server.command(), cwd=str(server.home), phase=0, ready=f"postmaster:{server.data}", user=server.user,
                                env={"LC_ALL": "C"}, stop_signal=2, death_signal=2)])  # fmt: skip
    ours = supervisor.Supervisor(home)
    try:
        await ticking(ours, server.is_ready)
        (first,) = read_running(home)
        guest = await asyncpg.connect(server.dsn())
        os.kill(first.pid or 0, signal.SIGTERM)
        await ticking(ours, lambda: not server.is_ready())
        with pytest.raises(asyncpg.CannotConnectNowError):
            await asyncpg.connect(server.dsn())
        assert await guest.fetchval("select 1") == 1, "who is in may stay: that is why it never ends"
        await ticking(ours, lambda: server.is_ready() and read_running(home)[0].pid != first.pid)
        again = await asyncpg.connect(server.dsn())
        await again.close()
        assert read_running(home)[0].restarts == 1
    finally:
        ours.shut_down()


async def ticking(ours: supervisor.Supervisor, done: Callable[[], bool]) -> None:
    for _ in range(600):
        ours.tick()
        if done():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(read_running(ours.home))


def test_a_program_no_longer_wanted_is_stopped(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("one", SLEEPER)])
    one = supervised.running("one")
    write_wanted(supervised.home, [])
    assert wait_until(lambda: supervised.one("one") is None, 15)
    assert one.process() is None


def test_stopping_goes_from_the_doors_down_to_the_servers(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("server", SLEEPER, phase=0), program("unit", SLEEPER, phase=1), program("door", SLEEPER, phase=2)])
    for name in ("server", "unit", "door"):
        supervised.running(name)
    log = supervised.stop()
    assert log.index("stopped door") < log.index("stopped unit") < log.index("stopped server") < log.index("all stopped")


def test_a_program_that_does_not_listen_is_killed_after_its_patience(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("deaf", DEAF, patience=0.5)])
    supervised.running("deaf")
    assert wait_until(lambda: "deaf" in supervised.home.log("deaf").read_text(), 15)
    assert "did not stop within" in supervised.stop()


def test_a_killed_supervisor_leaves_nobody_behind_and_the_next_one_takes_over(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("unit", SLEEPER), program("deaf", DEAF, patience=0.5)])
    unit, deaf = supervised.running("unit"), supervised.running("deaf")
    assert wait_until(lambda: "deaf" in supervised.home.log("deaf").read_text(), 15)
    supervised.process.kill()
    supervised.process.communicate()
    assert wait_until(lambda: unit.process() is None, 15)
    # Nobody may be left twice: the one that ignored the signal of its parent's death is cleared by the next supervisor.
    from deploy.onebox.program import Leftovers

    assert Leftovers(supervised.home).clear(patience=0.5) == ["deaf"]
    supervised.start()
    assert supervised.running("unit").pid != unit.pid
    assert deaf.process() is None


def test_two_supervisors_never_share_a_home(supervised: Supervised) -> None:
    write_wanted(supervised.home, [program("unit", SLEEPER)])
    supervised.running("unit")
    second = Supervised(supervised.home)
    assert "another supervisor" in second.process.communicate(timeout=20)[1]
    assert read_json(supervised.home.processes)["supervisor"] == supervised.process.pid
    assert psutil.pid_exists(supervised.process.pid)


def test_logs_are_rotated_without_reopening(tmp_path: Path) -> None:
    from deploy.onebox.supervisor import rotate

    log = tmp_path / "unit.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n")
        rotate(log)
        writer.write(b"new\n")
    assert (log.read_text(), Path(f"{log}.1").read_text()) == ("new\n", "old\n")


def test_what_the_state_folder_keeps_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    write_wanted(home, [program("unit", SLEEPER)])
    assert home.secret("postgres") == home.secret("postgres")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (home.wanted, home.path / "secrets.json"))
