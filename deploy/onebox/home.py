"""状態フォルダー（既定は checkout の .tsunagari/）。秘密・ポート・動いているプログラムの一覧・ログがここにある。

消してよいのは、データごと捨てるときだけ。秘密を含むファイルは 0600。
"""

import base64
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.onebox.ports import free_port, is_free

ROOT = Path(__file__).resolve().parents[2]


def write_private(path: Path, text: str) -> None:
    """0600 で、途中で切れない書き方で置き換える。"""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """空または壊れたファイルは「まだ無い」と同じ。"""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Home:
    """状態フォルダー一つ。"""

    path: Path

    @classmethod
    def current(cls) -> "Home":
        """TSUNAGARI_HOME、なければ checkout の .tsunagari/。"""
        return cls(Path(os.environ.get("TSUNAGARI_HOME") or ROOT / ".tsunagari").expanduser().resolve())

    def create(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        self.logs.chmod(0o700)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def wanted(self) -> Path:
        """動いているべきプログラム（`up` が書き、監督者が読む）。"""
        return self.path / "wanted.json"

    @property
    def processes(self) -> Path:
        """動いているプログラム（監督者が書き、`status` が読む）。"""
        return self.path / "processes.json"

    @property
    def manifest(self) -> Path:
        """box.json: この箱の住所録（URL・データベース・ブローカー）。city や trace の道具が読む。"""
        return self.path / "box.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    # ── secrets and ports ─────────────────────────────────────────
    def secret(self, name: str) -> str:
        """名前の付いた秘密。初めてのときに作り、以後は同じものを返す。"""
        return self._remembered("secrets.json", name, lambda: secrets.token_urlsafe(24))

    def ticket_key(self) -> str:
        """セッション票を封じる 32 バイトの鍵（base64）。"""
        return self._remembered("secrets.json", "ticket-key", lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def port(self, name: str, *, keep: bool) -> int:
        """内部ポート。覚えているものを使い、誰かに取られていれば選び直す（`keep` は自分たちが使用中のとき）。"""
        ports = read_json(self.path / "ports.json")
        if name not in ports or not (keep or is_free(ports[name])):
            entrance = int(read_json(self.path / "choices.json").get("port", 0))  # promised already, but nobody listens there yet
            ports[name] = free_port({entrance, *ports.values()})
            write_private(self.path / "ports.json", json.dumps(ports, indent=1))
        return int(ports[name])

    def remember(self, name: str, value: str | None, default: str) -> str:
        """指定された値（なければ前回の値、それもなければ既定）。次回のために覚える。"""
        choices = read_json(self.path / "choices.json")
        chosen = value or str(choices.get(name, default))
        if choices.get(name) != chosen:
            write_private(self.path / "choices.json", json.dumps({**choices, name: chosen}, indent=1))
        return chosen

    def _remembered(self, file: str, name: str, make: Any) -> str:
        known = read_json(self.path / file)
        if name not in known:
            known[name] = make()
            write_private(self.path / file, json.dumps(known, indent=1))
        return str(known[name])

    # ── locks ─────────────────────────────────────────────────────
    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """`name` の鍵を取れたら True。プロセスが死ねば OS が放すので、古い pid ファイルの心配がない。"""
        with (self.path / f"{name}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def is_supervised(self) -> bool:
        """監督者が生きているか。"""
        if not (self.path / "supervisor.lock").exists():
            return False
        with self.lock("supervisor") as free:
            return not free
