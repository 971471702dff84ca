"""`make down`: 入口 → ユニット → サーバーの順に静かに止める。データは残る。"""

import os
import signal
import time

import psutil

from deploy.onebox.home import Home, read_json
from deploy.onebox.postgres import EmbeddedPostgres
from deploy.onebox.program import Leftovers, read_running
from deploy.onebox.progress import Steps
from deploy.onebox.trouble import Trouble

PATIENCE = 180.0


def down(home: Home, steps: Steps) -> None:
    """監督者に頼む。監督者がもう居なければ、残ったプロセスを自分で止める。"""
    if home.is_supervised():
        _ask(home, steps)
    elif cleared := (Leftovers(home).clear() if home.path.exists() else []):
        steps.note(f"監督プロセスがいないので直接止めました: {'、'.join(cleared)} / stopped directly: the supervisor was gone")
    else:
        steps.note("動いていません。 / Nothing is running.")
    if home.path.exists():
        EmbeddedPostgres(home.path / "postgres", 0, "").stop_leftover()


def _ask(home: Home, steps: Steps) -> None:
    pid = int(read_json(home.processes).get("supervisor", 0))
    if not pid or not psutil.pid_exists(pid):
        raise Trouble(
            "監督プロセスが起動の途中です。少し待ってもう一度 make down を実行してください。",
            "The supervisor is just starting: try again in a moment.",
        )
    with steps.step("止める / stopping") as say:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while home.is_supervised():
            say("・".join(sorted(one.name for one in read_running(home))))
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                Leftovers(home).clear()
                return
            time.sleep(0.05)
