"""`make logs UNIT=…`: ログの終わりを見せ、続きを追う。"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.onebox import process
from deploy.onebox.home import Home
from deploy.onebox.trouble import Trouble


def show(home: Home, name: str, lines: int, follow: bool) -> None:
    file = home.log(name)
    if not file.exists():
        known = "、".join(sorted(one.stem for one in home.logs.glob("*.log"))) if home.logs.exists() else ""
        raise Trouble(f"{name} のログはありません。あるのは {known or '（まだ何も）'}。", f"No log named {name}. Known: {known or 'none yet'}.")
    print(process.tail(file, lines))
    if follow:
        for text in following(file):
            sys.stdout.write(text)
            sys.stdout.flush()


def following(file: Path) -> Iterator[str]:
    """追記された分。回転（空にされる）しても続ける。"""
    position = file.stat().st_size
    while True:
        size = file.stat().st_size
        position = min(position, size) if size >= position else 0
        if size > position:
            with file.open("rb") as source:
                source.seek(position)
                yield source.read().decode(errors="replace")
                position = source.tell()
        time.sleep(0.3)
