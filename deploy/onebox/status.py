"""`make status`: 何が動いているか。"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from deploy.onebox.home import Home, read_json
from deploy.onebox.program import Running, is_ready, read_running

STATES = {"running": "動作中", "waiting": "再起動待ち", "stopping": "停止中"}


@dataclass(frozen=True)
class Line:
    """一つのプログラムの様子。"""

    name: str
    state: str
    pid: int | None
    up_seconds: float | None
    restarts: int
    ready: bool
    rss_mb: float
    last_exit: int | None


def line(one: Running) -> Line:
    process = one.process()
    running = process is not None and one.state == "running"
    return Line(
        name=one.name, state=one.state if process else "waiting", pid=one.pid if process else None,
        up_seconds=round(time.time() - one.started_at, 1) if running and one.started_at else None, restarts=one.restarts,
        ready=running and is_ready(one.ready), rss_mb=round(memory(process), 1), last_exit=one.last_exit,
    )  # fmt: skip


def memory(process: psutil.Process | None) -> float:
    """MB。子プロセス（PostgreSQL の接続ごと）も足す。共有メモリを何度も数えないよう、読めるときは PSS。"""
    if process is None:
        return 0.0
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            try:
                total += one.memory_full_info().pss
            except (psutil.AccessDenied, AttributeError):
                total += one.memory_info().rss
    except psutil.NoSuchProcess:
        return total / 1024**2
    return total / 1024**2


def report(home: Home) -> dict[str, Any]:
    """`status --json` の中身。"""
    supervised = home.is_supervised()
    running = read_running(home) if supervised else []
    with ThreadPoolExecutor(max_workers=8) as pool:
        lines = list(pool.map(line, running))
    return {
        "up": supervised and bool(lines) and all(one.ready for one in lines),
        "supervised": supervised,
        "url": read_json(home.manifest).get("url") if supervised else None,
        "home": str(home.path),
        "rss_mb": round(sum(one.rss_mb for one in lines), 1),
        "programs": [asdict(one) for one in lines],
    }


def show(content: dict[str, Any], console: Console) -> None:
    if not content["supervised"]:
        console.print("動いていません。make up で始めてください。 / Not running: start with `make up`.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("名前", "状態", "準備"):
        table.add_column(heading)
    for heading in ("pid", "動作時間", "再起動", "MB"):
        table.add_column(heading, justify="right")
    for one in content["programs"]:
        ready = "[green]はい[/green]" if one["ready"] else "[red]いいえ[/red]"
        table.add_row(
            one["name"], STATES.get(one["state"], one["state"]), ready, str(one["pid"] or "-"), duration(one["up_seconds"]),
            str(one["restarts"]), f"{one['rss_mb']:.0f}",
        )  # fmt: skip
    console.print(table)
    console.print(f"\n{content['url']}   合計 {content['rss_mb']:.0f} MB   ログ: make logs UNIT=名前")


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
