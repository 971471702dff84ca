"""ブラウザーのテストに要るもの（Chromium と日本語フォント）を用意する。入れてよいとき（root の Debian）だけ apt で入れる。"""

import os
import shutil
import subprocess
import sys

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONTS = "fonts-noto-cjk"


def browser() -> str | None:
    """使えるブラウザーの場所。CHROMIUM=… で指定もできる。"""
    return os.environ.get("CHROMIUM") or next((found for name in BROWSERS if (found := shutil.which(name))), None)


def has_japanese() -> bool:
    """日本語を描けるフォントがあるか（fontconfig がなければ、ない）。"""
    if (lister := shutil.which("fc-list")) is None:
        return False
    return bool(subprocess.run([lister, ":lang=ja", "family"], capture_output=True, text=True, check=False).stdout.strip())


def missing() -> list[str]:
    """足りない Debian パッケージ。"""
    return [*([] if browser() else ["chromium"]), *([] if has_japanese() else ["fontconfig", FONTS])]


def install(packages: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    return all(subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0 for command in commands)


def main() -> None:
    packages = missing()
    if not packages:
        return
    words = " ".join(packages)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"▸ {words} をインストールする / installing {words}", file=sys.stderr, flush=True)
        if install(packages) and not missing():
            return
    print(
        f"! ブラウザーのテストに要るものがありません: {words}。ブラウザーのテストは飛ばします。入れるには: sudo apt-get install {words}\n"
        f"! Missing for the browser tests, which are skipped: {words}. To install: sudo apt-get install {words}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
