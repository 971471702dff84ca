"""同意書の写し: 署名のある紙をスキャンしたもの。何のファイルかは中身で決め、ファイル名も、送り手の言う種類も見ない。"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.intake.consent import Consent
from shared.contracts.consent import ConsentForm
from shared.runtime.problems import FormIncomplete, Refusal

MB = 1024 * 1024
CHOOSE = "写しのファイルを選んでください。"
EMPTY = "中身のないファイルです。スキャンし直して、もう一度選んでください。"
TOO_LARGE = "1つのファイルは {} MB までです。白黒・200 dpi くらいでスキャンし直すか、ページを分けてください。"
UNKNOWN_KIND = "PDF・JPEG・PNG のどれでもありません。スキャナーで PDF か JPEG にして、もう一度選んでください。"
CUT_OFF = "ファイルが途中で切れています。スキャンし直して、もう一度選んでください。"
TOO_MANY = "写しは一つの同意に {} 件までです（いま {} 件）。何ページもあるときは、一つの PDF にまとめてください。"
WHICH = "{}つめのファイル：{}"


class ScanRefused(FormIncomplete):
    code = "scan_refused"
    sentence = "写しは保存していません。次のところを直してください。"

    def __init__(self, sentence: str) -> None:
        super().__init__(fields={"scan": sentence})


class NothingSigned(Refusal):
    status = 422
    code = "nothing_signed"
    sentence = "写しを付けられるのは、書面の同意だけです。署名をもらったときは、書面の同意として書いてから付けてください。"


class Media(StrEnum):
    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"

    @property
    def label(self) -> str:
        return {Media.PDF: "PDF", Media.JPEG: "画像（JPEG）", Media.PNG: "画像（PNG）"}[self]

    @property
    def ending(self) -> str:
        return {Media.PDF: "pdf", Media.JPEG: "jpg", Media.PNG: "png"}[self]


#: 先頭の印。ほかの形式の頁（HTML など）の途中にあっても数えないよう、ちょうど先頭だけを見る
_BEGINS: Mapping[bytes, Media] = {b"%PDF-": Media.PDF, b"\xff\xd8\xff": Media.JPEG, b"\x89PNG\r\n\x1a\n": Media.PNG}
#: 終わりの印のあとに、スキャナーが足すことのあるもの（バイト）
_TAIL = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """`bytes` は一つのファイル、`files` は一つの同意の写しの数。"""

    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Scan:
    media: Media
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def read(files: Sequence[bytes], limits: Limits) -> list[Scan]:
    """送られたファイルを確かめる。一つでも受けられなければ、どれも受けない。Raises ScanRefused（何つめかと、どうすればよいか）."""
    if not files:
        raise ScanRefused(CHOOSE)
    scans = []
    for number, content in enumerate(files, 1):
        found = _scan(content, limits)
        if isinstance(found, str):
            raise ScanRefused(WHICH.format(number, found) if len(files) > 1 else found)
        scans.append(found)
    return scans


def new_ones(scans: Sequence[Scan], kept: Collection[str], limits: Limits) -> list[Scan]:
    """まだない写し（二度押し・同じファイルは一つ）。`kept` は、いまある写しの SHA-256。Raises ScanRefused when they are too many."""
    new = {one.sha256: one for one in scans if one.sha256 not in kept}
    if len(kept) + len(new) > limits.files:
        raise ScanRefused(TOO_MANY.format(limits.files, len(kept)))
    return list(new.values())


def must_be_signed(consent: Consent) -> None:
    """Raises NothingSigned."""
    if consent.form is not ConsentForm.WRITTEN:
        raise NothingSigned


def _scan(content: bytes, limits: Limits) -> Scan | str:
    """写しか、受けられないわけの文。"""
    if not content:
        return EMPTY
    if len(content) > limits.bytes:
        return TOO_LARGE.format(f"{limits.bytes / MB:.3g}")
    media = next((media for mark, media in _BEGINS.items() if content.startswith(mark)), None)
    if media is None:
        return UNKNOWN_KIND
    return Scan(media, content) if _WHOLE[media](content) else CUT_OFF


def _whole_jpeg(content: bytes) -> bool:
    """終わりの印は、見本の小さな画像（Exif）の中にもある。見出しの区画を飛ばし、絵の始まり（SOS）から探す。"""
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content[at : at + 2] == b"\xff\xda" and content.find(b"\xff\xd9", at) > 0


_WHOLE: Mapping[Media, Callable[[bytes], bool]] = {
    Media.PDF: lambda content: b"%%EOF" in content[-_TAIL:],
    Media.JPEG: _whole_jpeg,
    Media.PNG: lambda content: content[12:16] == b"IHDR" and b"IEND" in content[-_TAIL:],
}
