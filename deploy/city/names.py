"""明らかに架空の氏名。姓は「見本・試験・架空…」で始まり、実在の名簿から取っていない。名は時代ごとの当たり障りのない名。"""

from collections.abc import Collection
from random import Random
from typing import NamedTuple

_STEMS = "見本/ミホン 試験/シケン 架空/カクウ 模擬/モギ 例示/レイジ 空想/クウソウ 標本/ヒョウホン 雛形/ヒナガタ 試作/シサク 想定/ソウテイ"
_TAILS = "田/タ 川/カワ 山/ヤマ 原/ハラ 野/ノ 沢/サワ 木/キ 島/シマ 井/イ 谷/タニ 塚/ツカ 崎/サキ 辺/ベ"

_MEN = {
    1900: "茂/シゲル 清/キヨシ 正一/ショウイチ 勇/イサム 実/ミノル 三郎/サブロウ 進/ススム 弘/ヒロシ 武/タケシ 昭二/ショウジ 勝/マサル 義男/ヨシオ",
    1950: "博/ヒロシ 豊/ユタカ 誠/マコト 隆/タカシ 修/オサム 浩/ヒロシ 剛/ツヨシ 健一/ケンイチ 和彦/カズヒコ 秀樹/ヒデキ 哲也/テツヤ 洋一/ヨウイチ",
    1975: "大輔/ダイスケ 健太/ケンタ 拓也/タクヤ 直樹/ナオキ 翔/ショウ 和也/カズヤ 亮/リョウ 達也/タツヤ 雄太/ユウタ 学/マナブ 誠司/セイジ 優/ユウ",
    2000: "蓮/レン 大翔/ヒロト 陽太/ヨウタ 悠真/ユウマ 湊/ミナト 颯/ハヤテ 樹/イツキ 律/リツ 碧/アオ 朝陽/アサヒ 新/アラタ 結斗/ユイト",
}
_WOMEN = {
    1900: "ハナ/ハナ 和子/カズコ 幸子/サチコ 節子/セツコ キヨ/キヨ 文子/フミコ 千代/チヨ 静江/シズエ トミ/トミ 美代/ミヨ 久子/ヒサコ 敏子/トシコ",
    1950: "洋子/ヨウコ 恵子/ケイコ 京子/キョウコ 由美子/ユミコ 明美/アケミ 裕子/ユウコ 久美子/クミコ 真由美/マユミ 直美/ナオミ 悦子/エツコ"
    " 幸恵/ユキエ 典子/ノリコ",
    1975: "香織/カオリ 愛/アイ 美咲/ミサキ 彩/アヤ 千尋/チヒロ 麻衣/マイ 恵/メグミ 智美/トモミ 舞/マイ 裕美/ヒロミ 亜希/アキ 早紀/サキ",
    2000: "葵/アオイ 結衣/ユイ 陽菜/ヒナ 凛/リン 紬/ツムギ 芽依/メイ 咲/サキ 莉子/リコ 楓/カエデ 澪/ミオ 心春/コハル 杏/アン",
}


class Word(NamedTuple):
    written: str
    kana: str


def _words(text: str) -> list[Word]:
    return [Word(*pair.split("/")) for pair in text.split()]


#: "見本", "見本田", … 姓と読み（例: 試験沢 シケンサワ）
SURNAMES = [Word(stem.written + tail.written, stem.kana + tail.kana) for stem in _words(_STEMS) for tail in [Word("", ""), *_words(_TAILS)]]
_GIVEN = {
    "M": [(start, _words(text)) for start, text in _MEN.items()],
    "F": [(start, _words(text)) for start, text in _WOMEN.items()],
}


def surname(rng: Random) -> Word:
    return SURNAMES[int(rng.random() * len(SURNAMES))]


def given(rng: Random, sex: str, birth_year: int, taken: Collection[str] = ()) -> Word:
    """A name of the time; nobody in a household has the name of another (`taken`)."""
    words = next(words for start, words in reversed(_GIVEN[sex]) if start <= birth_year)
    free = [word for word in words if word.written not in taken]
    return free[int(rng.random() * len(free))]


def is_synthetic(surname_written: str) -> bool:
    """Every surname of this city begins with a word that says it is made up."""
    return any(surname_written.startswith(stem.written) for stem in _words(_STEMS))
