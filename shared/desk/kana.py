"""フリガナ。Whatever was typed (ひらがな、半角ｶﾅ) is kept as full-width katakana; anything else is refused at the field."""

import re
import unicodedata

#: ぁ–ゖ and the iteration marks ゝゞ have their katakana 0x60 further on.
_TO_KATAKANA = {code: code + 0x60 for code in [*range(0x3041, 0x3097), 0x309D, 0x309E]}
#: typed voiced marks stand alone until they are made combining ones
_MARKS = str.maketrans({"゛": "\u3099", "゜": "\u309a"})
_KANA = re.compile(r"[ァ-ヺヽヾー・ ]+")
_LONG_VOWEL = re.compile(r"(?<=[ァ-ヺー])[-‐‑‒–—―−]+")


class KanaUnreadable(ValueError):
    """`sentence` says in Japanese what to type instead."""

    def __init__(self, sentence: str = "フリガナはカタカナかひらがなで入れてください。") -> None:
        self.sentence = sentence
        super().__init__(sentence)


def fold(text: str) -> str:
    """ひらがな・半角を全角カタカナに、空白は一つに。漢字や英字はそのまま残る（検索の語に使える）。"""
    wide = unicodedata.normalize("NFKC", text.translate(_MARKS)).translate(_TO_KATAKANA)
    return re.sub(r"\s+", " ", _LONG_VOWEL.sub(lambda found: "ー" * len(found[0]), wide)).strip()


def is_kana(text: str) -> bool:
    """かなだけか（空は違う）。長音・中点・空白は読みの一部。"""
    return bool(_KANA.fullmatch(fold(text)))


def to_katakana(text: str) -> str:
    """全角カタカナの読み。空は空のまま。かなでない字が混じれば KanaUnreadable。"""
    folded = fold(text)
    if folded and not _KANA.fullmatch(folded):
        raise KanaUnreadable
    return folded
