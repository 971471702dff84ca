"""フリガナ: full-width katakana, whatever was typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.desk.kana import KanaUnreadable, fold, is_kana, to_katakana

HIRAGANA = [chr(code) for code in range(0x3041, 0x3097)]


@pytest.mark.parametrize(
    ("typed", "reading"),
    [
        ("たかはし　ふみこ", "タカハシ フミコ"),
        ("ﾀｶﾊｼ ﾌﾐｺ", "タカハシ フミコ"),
        ("ｶﾞｰ", "ガー"),
        ("か゛ぱ", "ガパ"),
        ("ゔぁいおりん", "ヴァイオリン"),
        ("さとー", "サトー"),
        ("サト-", "サトー"),
        ("  サトウ   ハナコ  ", "サトウ ハナコ"),
        ("ジョン・スミス", "ジョン・スミス"),
        ("", ""),
    ],
)
def test_the_reading_is_kept_as_full_width_katakana(typed: str, reading: str) -> None:
    assert to_katakana(typed) == reading


@pytest.mark.parametrize("typed", ["高橋", "takahashi", "タカハシ1", "タカハシ。", "😀", "<script>"])
def test_anything_but_kana_is_refused_with_a_sentence(typed: str) -> None:
    assert not is_kana(typed)
    with pytest.raises(KanaUnreadable) as refused:
        to_katakana(typed)
    assert refused.value.sentence == "フリガナはカタカナかひらがなで入れてください。"


@given(st.text(st.sampled_from(HIRAGANA), min_size=1))
def test_hiragana_and_katakana_are_one_reading_and_folding_twice_changes_nothing(typed: str) -> None:
    folded = to_katakana(typed)
    assert to_katakana(folded) == folded
    assert is_kana(typed)


@given(st.text())
def test_folding_never_fails_and_settles(typed: str) -> None:
    assert fold(fold(typed)) == fold(typed)
