"""受付番号と記録番号の読み取り。"""

import re
import unicodedata

_RECEIPT = re.compile(r"[A-Z][A-Z0-9]{0,5}(-[A-Z0-9]{1,8}){1,3}")
_TRACE = re.compile(r"[0-9a-f]{32}")
_HYPHENS = re.compile("[‐‑‒–—―−ーｰ]")


def receipt_no(typed: str) -> str | None:
    """「ｒ８－０００１」も R8-0001 と読む。受付番号の形でなければ None。"""
    plain = _HYPHENS.sub("-", unicodedata.normalize("NFKC", typed)).strip().upper()
    return plain if _RECEIPT.fullmatch(plain) else None


def trace_id(typed: str) -> str | None:
    """32桁の記録番号（trace id）。"""
    plain = unicodedata.normalize("NFKC", typed).strip().lower()
    return plain if _TRACE.fullmatch(plain) else None
