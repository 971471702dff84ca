"""窓口で書かれた文字を受け取る: 何を受け、何を書いた人に返すか。

見えない文字（制御文字・ゼロ幅）は黙って除く。見えるが名前に使えない文字（絵文字・記号・外字）は、直してもらうために返す。
"""

import re
import unicodedata
from collections.abc import Iterable

from services.intake.search_key import katakana, phone_key

NAME_MAX = 80
TEXT_MAX = 10_000
NAME_CHARACTERS = "氏名に使えない文字「{}」があります。絵文字や記号を除いて入れてください。"
GAIJI = "外字は受け付けられません。近い字か、カナで入れてください。"
TOO_LONG = "{}文字までで入れてください（いま{}文字）。"
KANA_ONLY = "フリガナはカタカナかひらがなで入れてください。"
PHONE_ONLY = "電話番号は数字とハイフンで入れてください（例 0558-00-0000）。"
_KANA = re.compile("[ァ-ヺヽヾー・ ]*")
_NAME_MARKS = set(" ・･．.’'‐-–−ー＝=（）()々〆〇")


class Unwritable(ValueError):
    """`sentence` says at the field what to do."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


def visible(text: str, keep: Iterable[str] = "") -> str:
    """制御文字・書式文字を除く。`keep` は残す制御文字（改行など）。NUL は PostgreSQL が保存できない。"""
    kept = set(keep)
    return "".join(c for c in text if c in kept or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def free_text(text: str) -> str:
    """自由記述。絵文字も改行もそのまま受ける。"""
    plain = visible(text.replace("\r\n", "\n").replace("\r", "\n"), keep="\n\t\u200d").strip()
    return _within(plain, TEXT_MAX)


def line(text: str, longest: int = NAME_MAX) -> str:
    """一行の記述（町名、関係など）。"""
    return _within(" ".join(visible(text.replace("\n", " ")).split()), longest)


def person_name(text: str) -> str:
    """氏名。字体は変えない（髙・﨑・異体字セレクタもそのまま）。半角カナだけ全角にする。"""
    name = re.sub("[｡-ﾟ]+", lambda narrow: katakana(narrow.group()), line(text, longest=TEXT_MAX))
    for character in name:
        if unicodedata.category(character) == "Co":
            raise Unwritable(GAIJI)
        if not _belongs_to_a_name(character):
            raise Unwritable(NAME_CHARACTERS.format(character))
    return _within(name, NAME_MAX)


def _belongs_to_a_name(character: str) -> bool:
    if character == "\ufe0f":  # the emoji selector; the selectors of 異体字 (U+E0100…) stay
        return False
    return unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo", "Lm", "Mn", "Mc", "Nd", "Nl") or character in _NAME_MARKS


def kana(text: str) -> str:
    """フリガナ。ひらがなも半角カナも受けて、全角カタカナにして返す。"""
    reading = katakana(visible(text.replace("\n", " ")))
    if not _KANA.fullmatch(reading):
        raise Unwritable(KANA_ONLY)
    return _within(reading, NAME_MAX)


def phone(text: str) -> str:
    plain = unicodedata.normalize("NFKC", line(text, longest=TEXT_MAX)).replace("‐", "-").replace("−", "-").replace("ー", "-")
    if plain and (any(c not in "0123456789+-() " for c in plain) or not 6 <= len(phone_key(plain)) <= 15):
        raise Unwritable(PHONE_ONLY)
    return plain


def _within(text: str, longest: int) -> str:
    if len(text) > longest:
        raise Unwritable(TOO_LONG.format(longest, len(text)))
    return text
