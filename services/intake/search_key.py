"""検索キー: 同じ人を、書き方のゆれを越えて見つけるための鍵。鍵は比べるためだけに使い、表示には書かれたままの字を使う。

カナ: 半角→全角、ひらがな→カタカナ、清音化（濁点・半濁点・小書きを取る）、長音は母音に。漢字: NFKC と異体字の寄せ（kanji_variants.yaml）。
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).parent
_SMALL = str.maketrans("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ")
#: ジとヂ、ズとヅ、ヲとオ は届け出の書き分けが揺れる
_VOICED_ALIKE = str.maketrans({"ヂ": "ジ", "ヅ": "ズ"})
_ALIKE = str.maketrans({"ヲ": "オ", "ヰ": "イ", "ヱ": "エ"})
_ROWS = {"ア": "アカサタナハマヤラワ", "イ": "イキシチニヒミリ", "ウ": "ウクスツヌフムユル", "エ": "エケセテネヘメレ", "オ": "オコソトノホモヨロ"}
_VOWEL = {kana: vowel for vowel, row in _ROWS.items() for kana in row}
#: ぁ–ゖ and the iteration marks ゝゞ have their katakana 0x60 further on
_HIRAGANA = {code: code + 0x60 for code in [*range(0x3041, 0x3097), 0x309D, 0x309E]}
#: typed voiced marks stand alone until they are made combining ones
_MARKS = str.maketrans({"゛": "\u3099", "゜": "\u309a"})
_TYPED_LONG_VOWEL = re.compile(r"(?<=[ァ-ヺー])[-‐‑‒–—―−]")
_VOICING = "\u3099\u309a"


def katakana(text: str) -> str:
    """全角カタカナにする（半角カナ・ひらがなから。カナの後のハイフンは長音）。空白は半角一つ。かなでない字はそのまま。"""
    wide = unicodedata.normalize("NFKC", text.translate(_MARKS)).translate(_HIRAGANA)
    return " ".join(_TYPED_LONG_VOWEL.sub("ー", wide).split())


def kana_key(text: str) -> str:
    """清音化した鍵。「ﾀｶﾊｼ ﾌﾐｺ」「たかはし　ふみこ」「タカバシ フミコ」は同じ鍵になる。"""
    plain = katakana(text).translate(_VOICED_ALIKE)
    unvoiced = "".join(c for c in unicodedata.normalize("NFD", plain) if c not in _VOICING)
    letters = [c for c in unvoiced.translate(_SMALL).translate(_ALIKE) if c.isalnum() or c == "ー"]
    return "".join(_without_long_vowel(letters))


def _without_long_vowel(letters: list[str]) -> list[str]:
    spoken: list[str] = []
    for letter in letters:
        if letter != "ー":
            spoken.append(letter)
        elif spoken and spoken[-1] in _VOWEL:
            spoken.append(_VOWEL[spoken[-1]])
    return spoken


def kanji_key(text: str) -> str:
    """異体字を寄せた鍵。「髙橋 文子」と「高橋文子」は同じ鍵になる。異体字セレクタと空白は数えない。"""
    folded = unicodedata.normalize("NFKC", text).translate(_folding())
    return "".join(c for c in folded.casefold() if c.isalnum())


def family_part(text: str) -> str:
    """姓（最初の空白まで）。空白がなければ空: 区切りを推測しない。"""
    parts = text.split()
    return parts[0] if len(parts) > 1 else ""


def phone_key(text: str) -> str:
    """数字だけ。+81 は 0 に直す。"""
    plain = unicodedata.normalize("NFKC", text).strip()
    digits = "".join(c for c in plain if c in "0123456789")
    return "0" + digits[2:] if plain.startswith("+81") else digits


@cache
def _folding() -> Mapping[int, str]:
    document = yaml.safe_load((HERE / "kanji_variants.yaml").read_text(encoding="utf-8"))
    return {ord(variant): group[0] for group in document["groups"] for variant in group[1:]}
