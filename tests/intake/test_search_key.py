"""検索キー: 書き方のゆれを越えて同じ鍵になること。"""

import unicodedata

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.intake.search_key import HERE, family_part, kana_key, kanji_key, katakana, phone_key

KATAKANA = st.text(st.sampled_from([chr(c) for c in range(ord("ァ"), ord("ヴ") + 1)] + ["ー"]), min_size=1, max_size=20)
GROUPS = yaml.safe_load((HERE / "kanji_variants.yaml").read_text(encoding="utf-8"))["groups"]


@pytest.mark.parametrize("written", ["ﾀｶﾊｼ ﾌﾐｺ", "たかはし　ふみこ", "タカハシフミコ", "タカバシ　ブミゴ", "たかはし・ふみこ"])
def test_one_person_however_the_kana_is_written(written: str) -> None:
    assert kana_key(written) == "タカハシフミコ"


@pytest.mark.parametrize(
    ("one", "other"), [("オーノ", "オオノ"), ("ヂ", "ジ"), ("ヅ", "ズ"), ("ヲダ", "オダ"), ("キョウコ", "キヨウコ"), ("ユーコ", "ユウコ")]
)
def test_spellings_that_sound_alike_meet(one: str, other: str) -> None:
    assert kana_key(one) == kana_key(other)


@given(KATAKANA)
def test_voicing_never_changes_the_key(kana: str) -> None:
    voiced = "".join(unicodedata.normalize("NFC", c + "\u3099")[0] for c in kana)
    if "ヂ" not in voiced and "ヅ" not in voiced and "チ" not in kana and "ツ" not in kana:
        assert kana_key(voiced) == kana_key(kana)


@given(KATAKANA)
def test_the_key_of_a_key_is_itself(kana: str) -> None:
    assert kana_key(kana_key(kana)) == kana_key(kana)


@given(KATAKANA)
def test_half_width_and_hiragana_give_the_same_key(kana: str) -> None:
    hiragana = "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヴ" else c for c in kana)
    assert kana_key(hiragana) == kana_key(kana)


@given(st.text(max_size=60))
def test_no_text_breaks_a_key(text: str) -> None:
    assert all(c.isalnum() for c in kanji_key(text))
    assert " " not in kana_key(text)
    assert set(phone_key(text)) <= set("0123456789")


@pytest.mark.parametrize(
    ("one", "other"), [("髙橋 文子", "高橋文子"), ("渡邉", "渡辺"), ("齋藤", "斉藤"), ("𠮷田", "吉田"), ("渡邊󠄀", "渡辺"), ("山﨑", "山崎")]
)
def test_variants_of_a_surname_meet(one: str, other: str) -> None:
    assert kanji_key(one) == kanji_key(other)


def test_the_table_folds_each_character_once() -> None:
    assert len(GROUPS) >= 120
    heads = {group[0] for group in GROUPS}
    variants = [c for group in GROUPS for c in group[1:]]
    assert len(variants) == len(set(variants))
    assert not heads & set(variants)
    assert all(unicodedata.normalize("NFKC", c) == c for c in variants)


@pytest.mark.parametrize("written", ["0558-00-0001", "０５５８（００）０００１", "+81 558-00-0001", "0558000001"])
def test_a_telephone_is_its_digits(written: str) -> None:
    assert phone_key(written) == "0558000001"


def test_a_surname_is_never_guessed() -> None:
    assert family_part("髙橋　文子") == "髙橋"
    assert family_part("髙橋文子") == ""


def test_katakana_keeps_what_is_not_kana() -> None:
    assert katakana("ｶﾞ　あA") == "ガ アA"
