"""Small files as a scanner makes them, and some that only look like it."""

import struct
import zlib


def pdf(words: str = "同意書") -> bytes:
    return b"%PDF-1.7\n1 0 obj <<>> endobj\n% " + words.encode() + b"\ntrailer <<>>\n%%EOF\n"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(grey: int = 200) -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes([0, grey]))) + _chunk(b"IEND", b"")


def jpeg(seed: int = 1, *, whole: bool = True) -> bytes:
    """With a thumbnail in its Exif, which has an end mark of its own."""
    exif = b"Exif\0\0\xff\xd8\xff\xda\0\x02..\xff\xd9"
    head = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return head + b"\xff\xda\0\x02" + bytes([seed]) * 20 + (b"\xff\xd9" if whole else b"")


HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
