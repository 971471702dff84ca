"""準備ができたかを聞く。代理サーバーの設定には従わない（相手はいつもループバック）。"""

import json
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_direct = build_opener(ProxyHandler({}))


def http_ok(url: str, timeout: float = 2.0) -> bool:
    try:
        with _direct.open(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError, HTTPException):  # somebody else listens there and speaks no HTTP
        return False


def http_json(url: str, timeout: float = 2.0) -> dict[str, Any]:
    """答えの JSON。答えがなければ空。"""
    try:
        with _direct.open(url, timeout=timeout) as answer:
            value = json.load(answer)
    except (URLError, OSError, HTTPException, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def alive(pid: int) -> bool:
    """生きているか（ゾンビは死んでいる）。"""
    try:
        # A zombie still answers kill(0); its state letter follows the closing parenthesis of the name.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def postmaster_says(data: Path) -> str:
    """postmaster が自分で書いた様子（starting・ready・stopping）。pg_ctl と同じ見分け方で、接続を試さないのでパスワードも要らない。いなければ空。"""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return ""
    return lines[7].strip() if len(lines) >= 8 and alive(int(lines[0])) else ""


def postmaster_ready(data: Path) -> bool:
    return postmaster_says(data) == "ready"
