"""起動を続けられない理由を、直し方と一緒に、日本語と英語で言う。"""

import errno


class Trouble(Exception):
    """人が直せる障害。`ja` と `en` は一文ずつ、`detail` はログの終わりなど。"""

    def __init__(self, ja: str, en: str, detail: str = "") -> None:
        super().__init__(ja, en)
        self.ja, self.en, self.detail = ja, en, detail

    def __str__(self) -> str:
        return "\n".join(part for part in (self.ja, self.en, self.detail) if part)


def disk_full(where: object) -> Trouble:
    return Trouble(
        f"ディスクの空きが足りません（{where}）。空きを 1 GB 以上つくってから、もう一度 make up を実行してください。途中までのデータは残っています。",
        f"The disk is full ({where}). Free at least 1 GB and run `make up` again; what was already stored is kept.",
    )


def explained(error: OSError) -> Trouble | None:
    """OS のエラーのうち、言い方を知っているもの。"""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(error.filename or "")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Trouble(
            f"{error.filename} に書き込めません。持ち主を確かめるか、TSUNAGARI_HOME=… で書き込める場所を指定してください。",
            f"Cannot write {error.filename}. Check its owner, or name a writable folder with TSUNAGARI_HOME=….",
        )
    return None
