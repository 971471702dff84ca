"""Planted people: whatever of them is found outside the business tables is a leak (I5)."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

PERSON = {
    "name": "鷺沼喜代次",
    "kana": "サギヌマキヨジ",
    "phone": "0558-99-0173",
    "sentence": "息子が三日前から部屋を出てこないと泣いて話された",
}


def spellings() -> tuple[bytes, ...]:
    """As they are, and as JSON, URLs and the wire would write them."""
    found = {spelling for text in PERSON.values() for spelling in (text, json.dumps(text)[1:-1], quote(text))}
    return tuple(sorted(spelling.encode() for spelling in found))


def leaks_in(content: bytes) -> bool:
    return any(spelling in content for spelling in spellings())


def leaking_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Stream files and logs that hold a marker. Read in pieces that overlap, so that none hides on a border."""
    for path in sorted(file for folder in folders for file in folder.rglob("*") if file.is_file()):
        try:
            if _leaks(path):
                yield path
        except FileNotFoundError:  # a server that is still running has replaced its snapshot
            continue


def _leaks(path: Path, piece: int = 1 << 22) -> bool:
    longest = max(len(spelling) for spelling in spellings())
    rest = b""
    with path.open("rb") as file:
        while block := file.read(piece):
            if leaks_in(rest + block):
                return True
            rest = block[-longest:]
    return False
