"""PostgreSQL は root では動かない。root のときに代わりに使う、権限のない OS ユーザー。"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "tsunagari"


@dataclass(frozen=True)
class OsUser:
    """プロセスを走らせる OS ユーザー。"""

    name: str
    uid: int
    gid: int


def unprivileged() -> OsUser | None:
    """root なら専用ユーザー（なければ作る）、そうでなければ None（今のユーザーのまま）。"""
    if os.geteuid() != 0:
        return None
    if _find(NAME) is None and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        # Two first starts at once: the loser's useradd fails, and the winner's user is found below.
        subprocess.run([useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME], check=False, capture_output=True)
    for name in (NAME, "postgres", "nobody"):
        if found := _find(name):
            return found
    raise RuntimeError("PostgreSQL を動かす一般ユーザーを作れません。 / Could not create an unprivileged user for PostgreSQL.")


def _find(name: str) -> OsUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_enter(path: Path, user: OsUser | None) -> bool:
    """`user` が `path`（まだ無くてよい）まで降りて行けるか。/root の下などは行けない。"""
    if user is None:
        return True
    existing = [folder for folder in (path, *path.parents) if folder.is_dir()]
    return all(_may_search(folder.stat(), user) for folder in existing)


def _may_search(status: os.stat_result, user: OsUser) -> bool:
    if status.st_uid == user.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == user.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def give(paths: Sequence[Path], user: OsUser | None) -> None:
    """フォルダーの持ち主を `user` にする。"""
    if user is not None:
        for path in paths:
            os.chown(path, user.uid, user.gid)
