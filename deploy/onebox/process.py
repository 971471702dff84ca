"""子プロセスを起こし、静かに終わらせる。"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.onebox.osuser import OsUser

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: OsUser | None = None,
    dies_by: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """標準出力を `log` に追記する子プロセス。親が kill -9 されたら `dies_by` を受け取る（Linux）。

    Without the death signal a killed supervisor would leave a database behind that nobody supervises.
    """
    parent = os.getpid()

    def follow_parent() -> None:
        # Runs after setuid (a change of user clears the death signal), so the order inside Popen suits us.
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(dies_by))
            if os.getppid() != parent:
                os._exit(1)

    identity = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    with log.open("ab") as out:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            start_new_session=True,
            preexec_fn=follow_parent,
            **identity,
        )


def finish(process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM, patience: float = 30) -> None:
    """頼んで待ち、聞かなければ止める。"""
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def tail(log: Path, lines: int = 12) -> str:
    """ログの終わりの数行。失敗を伝える文に添える。"""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
