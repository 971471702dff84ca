"""監督者: wanted.json に書かれたプログラムを動かし続ける。`make up` が戻ったあとも残る。

何を動かすかは知らない。`up` が一覧を書き換えると、足りないものを起こし、要らないものを止め、仕様の変わったものを入れ替える。
読み直せる設定（Program.reload）だけが変わったものには、止めずに合図を送る。
PostgreSQL は SIGTERM を受けると、つながっている人が帰るまで生きたまま、新しい人を断り続ける。頼んでいないのにそうなったら、急いで止めて起こし直す。
落ちたプログラムは間を倍にしながら（0.5 秒から 30 秒まで）起こし直す。監督者自身が kill -9 されると、子は死の合図を受けて止まる。
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from deploy.onebox import process
from deploy.onebox.home import Home, write_private
from deploy.onebox.program import Leftovers, Program, Running, is_leaving, read_wanted

TICK = 0.2
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
# A program that lived this long was well: its next failure is a first failure again.
WELL_AFTER = 30.0
# So long may a server send its guests home by itself before it is hurried: they hold their connections for ever.
LEAVING = 5.0
LOG_SIZE, LOG_FILES = 10 * 1024 * 1024, 5

log = logging.getLogger("supervisor")


@dataclass
class Child:
    """動かしている一つ。"""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    created: float | None = None
    started_at: float | None = None
    restarts: int = 0
    failures: int = 0
    last_exit: int | None = None
    retry_at: float = 0.0
    stopping_since: float | None = None
    leaving_since: float | None = None

    def start(self, log_file: Path) -> None:
        program = self.program
        # What the supervisor's own umask and the log's directory keep private stays private for a program of another user.
        self.process = process.spawn(
            program.argv, log=log_file, cwd=Path(program.cwd), env=program.env, user=program.user, dies_by=signal.Signals(program.death_signal)
        )
        self.started_at = time.time()
        with contextlib.suppress(psutil.NoSuchProcess):
            self.created = psutil.Process(self.process.pid).create_time()
        log.info("started %s pid=%s", program.name, self.process.pid)

    def become(self, program: Program) -> None:
        """設定を読み直させる。動いていなければ、次に起こすときに新しいものを読む。"""
        self.program = program
        if self.process and self.stopping_since is None:
            self.process.send_signal(program.reload_signal)
            log.info("reloaded %s pid=%s", program.name, self.process.pid)

    def ask_to_stop(self) -> None:
        if self.process and self.stopping_since is None:
            self.stopping_since = time.monotonic()
            self.process.send_signal(self.program.stop_signal)

    def hurry(self) -> None:
        """だれも頼まないのに店じまいを始め、終わらないサーバーを、ふだんの止め方で止める（そのあと、起こし直される）。"""
        if self.process is None or self.stopping_since or not is_leaving(self.program.ready):
            self.leaving_since = None
            return
        self.leaving_since = self.leaving_since or time.monotonic()
        if time.monotonic() - self.leaving_since > LEAVING:
            log.warning("%s takes nobody in any more, and nobody asked it to stop: stopping it to start it again", self.program.name)
            self.restarts += 1
            self.ask_to_stop()

    def insist(self) -> None:
        """頼みを聞かないプログラムを待ち切れなくなったら止める。"""
        if self.process and self.stopping_since and time.monotonic() - self.stopping_since > self.program.patience:
            log.warning("killed %s: it did not stop within %.0f s", self.program.name, self.program.patience)
            self.process.kill()

    def reap(self) -> bool:
        """終わっていれば片付けて True。"""
        if self.process is None or self.process.poll() is None:
            return False
        self.last_exit, lived = self.process.returncode, time.time() - (self.started_at or 0)
        asked, self.process, self.stopping_since = self.stopping_since is not None, None, None
        if asked:
            log.info("stopped %s", self.program.name)
            return True
        self.failures = 1 if lived > WELL_AFTER else self.failures + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (self.failures - 1))
        self.restarts, self.retry_at = self.restarts + 1, time.time() + delay
        log.warning("%s ended with %s after %.1f s, next try in %.1f s", self.program.name, self.last_exit, lived, delay)
        return True

    def report(self) -> Running:
        state = "stopping" if self.stopping_since else "running" if self.process else "waiting"
        return Running(
            name=self.program.name,
            phase=self.program.phase,
            state=state,
            pid=self.process.pid if self.process else None,
            created=self.created,
            started_at=self.started_at,
            restarts=self.restarts,
            last_exit=self.last_exit,
            retry_at=None if self.process else self.retry_at,
            stop_signal=self.program.stop_signal,
            ready=self.program.ready,
            fingerprint=self.program.identity,
        )


@dataclass
class Supervisor:
    home: Home
    children: dict[str, Child] = field(default_factory=dict)
    wanted: dict[str, Program] = field(default_factory=dict)
    stopping: bool = False
    _seen: tuple[int, int] = (0, 0)
    _reported: str = ""
    _rotated: float = 0.0

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        if cleared := Leftovers(self.home).clear():
            log.warning("cleared what a killed supervisor left: %s", ", ".join(cleared))
        while not self.stopping:
            self.tick()
            time.sleep(TICK)
        self.shut_down()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def tick(self) -> None:
        try:
            self._read_wanted()
            for child in list(self.children.values()):
                self._care(child)
            self._rotate()
        except OSError as error:
            # A full disk must not end the supervision; what could not be started or written is tried again.
            log.error("supervision goes on after: %s", error)
            time.sleep(1)
        self._report()

    def _read_wanted(self) -> None:
        try:
            status = self.home.wanted.stat()
        except FileNotFoundError:
            return
        if (seen := (status.st_mtime_ns, status.st_ino)) == self._seen:
            return
        self.wanted, self._seen = read_wanted(self.home), seen
        for name, program in self.wanted.items():
            self.children.setdefault(name, Child(program))
        for name, child in self.children.items():
            self._adapt(child, self.wanted.get(name))

    def _adapt(self, child: Child, wanted: Program | None) -> None:
        if wanted == child.program:
            return
        if wanted is not None and child.program.may_become(wanted):
            child.become(wanted)
        else:
            child.ask_to_stop()

    def _care(self, child: Child) -> None:
        child.hurry()
        child.insist()
        child.reap()
        if child.process is not None:
            return
        wanted = self.wanted.get(child.program.name)
        if wanted is None:
            del self.children[child.program.name]
        elif wanted != child.program:
            self.children[wanted.name] = Child(wanted)
        elif time.time() >= child.retry_at:
            self._start(child)

    def _start(self, child: Child) -> None:
        try:
            child.start(self.home.log(child.program.name))
        except OSError as error:
            child.failures += 1
            child.restarts, child.retry_at = child.restarts + 1, time.time() + min(LONGEST_DELAY, FIRST_DELAY * 2**child.failures)
            log.error("could not start %s: %s", child.program.name, error)

    def _rotate(self) -> None:
        if time.monotonic() - self._rotated < 5:
            return
        self._rotated = time.monotonic()
        for file in self.home.logs.glob("*.log"):
            if file.stat().st_size > LOG_SIZE:
                rotate(file)

    def _report(self) -> None:
        programs = [asdict(child.report()) for child in self.children.values()]
        text = json.dumps({"supervisor": os.getpid(), "programs": programs}, indent=1)
        if text != self._reported:
            try:
                write_private(self.home.processes, text)
                self._reported = text
            except OSError as error:
                log.error("could not write %s: %s", self.home.processes, error)

    def shut_down(self) -> None:
        """段の高い順に、同じ段はいっしょに止める。"""
        for phase in sorted({child.program.phase for child in self.children.values()}, reverse=True):
            group = [child for child in self.children.values() if child.program.phase == phase]
            for child in group:
                child.ask_to_stop()
            while any(child.process for child in group):
                for child in group:
                    child.insist()
                    if child.reap():
                        del self.children[child.program.name]
                self._report()
                time.sleep(0.02)
        self.children.clear()
        self._report()
        log.info("all stopped")


def rotate(file: Path) -> None:
    """x.log → x.log.1 → … 写してから空にする: 書いている側は O_APPEND なので開き直さなくてよい。"""
    for number in range(LOG_FILES - 1, 0, -1):
        older = Path(f"{file}.{number}")
        if older.exists():
            older.replace(f"{file}.{number + 1}")
    shutil.copyfile(file, f"{file}.1")
    os.truncate(file, 0)


def main() -> None:
    home = Home.current()
    home.create()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with home.lock("supervisor") as ours:
        if ours:
            Supervisor(home).run()
        else:
            log.info("another supervisor is at work")


if __name__ == "__main__":
    main()
