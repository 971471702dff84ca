"""住所を比べる: 職員の自宅と、見た世帯の住所が、同じ番地か、同じ町か。書き方のゆれ（全角・漢数字・丁目・番地・ハイフン）を越える。

比べるためだけに使い、表示には書かれたままの字を使う。町字の台帳（町字ID）は持たないので、書かれた町名どうしを比べる。
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from services.intake.search_key import kanji_key


class Nearness(StrEnum):
    """自宅との近さ。番地が同じなら、町が同じとは言わない。"""

    BLOCK = "block"
    TOWN = "town"


@dataclass(frozen=True, slots=True)
class Address:
    """`town` は町・大字の鍵、`numbers` は書いてあるだけの丁目・番地・枝番…。`chome`: 初めの数に丁目と書いてあった。"""

    town: str
    numbers: tuple[int, ...] = ()
    chome: bool = False


_DASH = re.compile(r"[‐‑‒–—―−─ー]")
_CITY = re.compile(r"^(?:.{2,3}[都道府県])?[^\d市]{1,6}市(?=\D{2})")
#: 数の後の字まで見る: 「三番町」「二番丁」は町の名
_KANJI_NUMBER = re.compile(r"[〇一二三四五六七八九十百]{1,6}(?=丁目|番地|番(?![町丁街])|号)")
_NUMBERS = re.compile(r"\d{1,6}(?:(?:丁目|番地|番|号|[-のノ之])+\d{1,6})*(?:丁目)?")
_SAME_IN_TOWNS = str.maketrans({"ヶ": "ケ", "ヵ": "ケ", "が": "ケ", "ガ": "ケ", "ノ": "の", "之": "の"})
_DIGITS = {digit: number for number, digit in enumerate("〇一二三四五六七八九")}


def read(text: str) -> Address:
    """「見本町１丁目２番地３」「見本町一丁目2-3」「見本町1-2-3」は、同じ町の同じ数になる。数のあとの建物や部屋は読まない。"""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).removeprefix("大字")
    plain = _CITY.sub("", plain).removeprefix("大字")
    plain = _KANJI_NUMBER.sub(lambda found: str(_number(found[0])), plain)
    plain = re.sub(rf"(?<=[\d地番目]){_DASH.pattern}(?=\d)", "-", plain)
    found = _NUMBERS.search(plain)
    if found is None:
        return Address(_town(plain))
    numbers = tuple(int(number) for number in re.findall(r"\d+", found[0]))
    return Address(_town(plain[: found.start()]), numbers, re.match(r"\d+丁目", found[0]) is not None)


def nearness(home: Address, other: Address) -> Nearness | None:
    """`home` は町と、丁目と、番地まで。`other` は、その先（枝番・号）まで書いてあってもよい。"""
    if not home.town or home.town != other.town:
        return None
    counted_alike = home.chome or not other.chome
    if home.numbers[int(home.chome) :] and counted_alike and other.numbers[: len(home.numbers)] == home.numbers:
        return Nearness.BLOCK
    another_chome = home.chome and other.numbers and other.numbers[0] != home.numbers[0]
    return None if another_chome else Nearness.TOWN


def _town(name: str) -> str:
    return kanji_key(name.translate(_SAME_IN_TOWNS))


def _number(kanji: str) -> int:
    """「二十三」も「二三」も 23。"""
    if not set(kanji) & set("十百"):
        return int("".join(str(_DIGITS[digit]) for digit in kanji))
    total = 0
    for digit, unit in re.findall(r"([一二三四五六七八九]?)([十百]?)", kanji):
        total += _DIGITS.get(digit, 1 if unit else 0) * {"十": 10, "百": 100}.get(unit, 1)
    return total
