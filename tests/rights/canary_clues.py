"""A person who cannot be mistaken for anybody else, and every way in which a word of theirs could be written down."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from urllib.parse import quote

import jaconv

from services.intake.search_key import kana_key
from shared.desk.wareki import to_wareki


@dataclass(frozen=True)
class Canary:
    """架空の人。どの自由文にも `mark` が初めと終わりの近くに入る: 途中で切られた文も見つかるように。"""

    family: str
    given: str
    family_kana: str
    given_kana: str
    town: str
    phone: str
    birth: date
    visitor: str
    visitor_phone: str
    mark: str

    @property
    def name(self) -> str:
        return f"{self.family} {self.given}"

    @property
    def kana(self) -> str:
        return f"{self.family_kana} {self.given_kana}"

    @property
    def born(self) -> str:
        """窓口で打つ書き方（S13.11.23）。"""
        return f"S{self.birth.year - 1925}.{self.birth.month}.{self.birth.day}"

    def sentence(self, about: str) -> str:
        return f"{self.mark}の{about}。ほかに言わないでほしい（{self.mark}）。"

    @cached_property
    def clues(self) -> dict[str, frozenset[str]]:
        """Clue → the ways of writing it. The shortest part that gives the person away stands for all that contains it."""
        return {
            "family name": frozenset({self.family}),
            "given name": frozenset({self.given}),
            "family kana": frozenset(_readings(self.family_kana)),
            "given kana": frozenset(_readings(self.given_kana)),
            "town": frozenset({self.town}),
            "phone": frozenset(_phone(self.phone)),
            "birth": frozenset(_days(self.birth)),
            "visitor": frozenset({self.visitor}),
            "visitor's phone": frozenset(_phone(self.visitor_phone)),
            "free text": frozenset({self.mark}),
        }


def _readings(kana: str) -> Iterator[str]:
    """The last one is the reading as the reception keeps it for searching."""
    yield from (kana, jaconv.kata2hira(kana), jaconv.z2h(kana, kana=True), kana_key(kana))


def _wide(text: str) -> str:
    wide: str = jaconv.h2z(text, kana=False, ascii=True, digit=True)
    return wide


def _phone(phone: str) -> Iterator[str]:
    plain = (phone, phone.replace("-", ""), phone.replace("-", " "), "+81-" + phone[1:], "+81" + phone.replace("-", "")[1:])
    yield from (*plain, *(_wide(one) for one in plain[:2]))


def _days(day: date) -> Iterator[str]:
    era = day.year - 1925
    western = [day.isoformat(), f"{day:%Y%m%d}", f"{day:%Y/%m/%d}", f"{day:%Y.%m.%d}", f"{day.year}年{day.month}月{day.day}日"]
    ours = [to_wareki(day), f"S{era}.{day.month}.{day.day}", f"s{era}.{day.month}.{day.day}", f"S{era}/{day.month}/{day.day}"]
    ours += [f"S{era}{day:%m%d}", f"昭{era}.{day.month}.{day.day}", f"昭和{era}年{day.month}月{day.day}日"]
    for one in (*western, *ours):
        yield from (one, _wide(one))


def encodings(text: str) -> Iterator[tuple[str, bytes]]:
    """The bytes by which a text may be written in a payload, a header, a file, a log line or an address."""
    raw = text.encode()
    escaped = json.dumps(text)[1:-1].encode()
    yield "utf-8", raw
    yield "percent", quote(text, safe="").encode()
    yield "percent, small", re.sub(rb"%..", lambda found: found[0].lower(), quote(text, safe="").encode())
    yield "json", escaped
    yield "json, capitals", re.sub(rb"\\u....", lambda found: b"\\u" + found[0][2:].upper(), escaped)
    yield "html, decimal", "".join(f"&#{ord(c)};" for c in text).encode()
    yield "html, hexadecimal", "".join(f"&#x{ord(c):x};" for c in text).encode()
    yield "hex", raw.hex().encode()
    yield "utf-16", text.encode("utf-16-le")
    for charset in ("cp932", "euc_jp"):
        yield charset, text.encode(charset, "ignore")
    for name, inner in (("base64", raw), ("base64 of json", escaped)):
        for shift in range(3):
            found = _aligned(inner, shift)
            yield f"{name} +{shift}", found
            yield f"{name} +{shift}, for urls", found.translate(bytes.maketrans(b"+/", b"-_"))


def _aligned(inner: bytes, shift: int) -> bytes:
    """What base64 makes of these bytes wherever they stand: only the characters that no neighbour has a part in."""
    first, last = -(-shift * 8 // 6), (shift + len(inner)) * 8 // 6
    return base64.b64encode(bytes(shift) + inner)[first:last]


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that was written down: `place` is the kind of place, `where` the very one."""

    place: str
    where: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    place: str
    where: str
    clue: str
    variant: str


class Scanner:
    """Looks for every clue in every writing. Equal data in one kind of place counts once; in tables every column counts."""

    BREAK = b"\n\x00\x00\n"

    def __init__(self, canary: Canary) -> None:
        self.needles: dict[bytes, tuple[str, str]] = {}
        for clue, forms in canary.clues.items():
            for form in sorted(forms):
                for variant, needle in encodings(form):
                    if len(needle) >= 4:
                        self.needles.setdefault(needle, (clue, f"{form} as {variant}"))

    def find(self, pieces: Iterable[Piece]) -> list[Finding]:
        seen = {(piece.place, piece.where if piece.place == "table" else "", piece.data): piece for piece in pieces}
        whole = self.BREAK.join({piece.data for piece in seen.values()})
        suspects = [needle for needle in self.needles if needle in whole]
        return [Finding(piece.place, piece.where, *self.needles[needle]) for needle in suspects for piece in seen.values() if needle in piece.data]


MAIN = Canary("雲母坂", "鴇緒", "キララザカ", "トキヲ", "蜃気楼町", "0000-73-1946", date(1938, 11, 23), "樛木", "0000-64-8207", "鵺塚")
#: for the leaks that tests plant, so that they never disturb the scan for the first
PLANTED = Canary("纐纈谷", "艶糸", "ハナブサダニ", "ツヤヰ", "朧月夜町", "0000-91-5528", date(1937, 10, 29), "杠葉", "0000-82-3317", "狢沢")
