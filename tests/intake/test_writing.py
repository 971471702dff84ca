"""窓口で書かれた文字: 何を受け、何を書いた人に返すか。"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import writing
from services.intake.writing import Unwritable


@pytest.mark.parametrize("name", ["髙橋 文子", "山﨑 𠮷男", "渡邊󠄀 花子", "マリア・デ・ラ・クルス", "O'Neil Mary", "佐々木 ヶ", "あ" * 80])
def test_the_names_of_people_are_kept_as_written(name: str) -> None:
    assert writing.person_name(name) == name


@pytest.mark.parametrize("name", ["架空 花子😀", "見本❤️", "☆", "a\ufffd", "<b>", "見本；"])
def test_what_no_name_has_is_said_at_the_field(name: str) -> None:
    with pytest.raises(Unwritable, match="使えない文字"):
        writing.person_name(name)


def test_a_character_of_the_citys_own_asks_for_a_common_one() -> None:
    with pytest.raises(Unwritable) as refused:
        writing.person_name("\ue000田")
    assert "外字" in refused.value.sentence


def test_eighty_one_characters_are_one_too_many() -> None:
    with pytest.raises(Unwritable) as refused:
        writing.person_name("山" * 81)
    assert refused.value.sentence == "80文字までで入れてください（いま81文字）。"


def test_what_cannot_be_seen_is_dropped() -> None:
    assert writing.person_name("架\x00空\u200b　花子\n") == "架空 花子"
    assert writing.free_text("一行目\r\n\x00二行目\x1b") == "一行目\n二行目"


def test_half_width_kana_becomes_full_width() -> None:
    assert writing.person_name("ﾀﾞﾆｴﾙ") == "ダニエル"
    assert writing.kana("ﾀｶﾊｼ　ふみこ") == "タカハシ フミコ"


@pytest.mark.parametrize(
    ("typed", "reading"),
    [
        ("か゛ぱ", "ガパ"),
        ("ゔぁいおりん", "ヴァイオリン"),
        ("サト-", "サトー"),
        ("  サトウ   ハナコ  ", "サトウ ハナコ"),
        ("ジョン・スミス", "ジョン・スミス"),
        ("", ""),
    ],
)
def test_a_reading_is_kept_as_full_width_katakana(typed: str, reading: str) -> None:
    assert writing.kana(typed) == reading
    assert writing.kana(reading) == reading


@pytest.mark.parametrize("typed", ["高橋", "takahashi", "タカハシ1", "タカハシ。", "😀", "<script>"])
def test_what_is_no_reading_is_said_at_the_field(typed: str) -> None:
    with pytest.raises(Unwritable) as refused:
        writing.kana(typed)
    assert refused.value.sentence == "フリガナはカタカナかひらがなで入れてください。"


def test_free_text_may_hold_anything_people_write() -> None:
    text = "助かりました😀👨‍👩‍👧 <script>alert(1)</script>"
    assert writing.free_text(text) == text


@pytest.mark.parametrize("phone", ["0558-00-0001", "０５５８−００−０００１", "+81 558 00 0001", ""])
def test_telephones_people_write(phone: str) -> None:
    assert writing.phone(phone) is not None


@pytest.mark.parametrize("phone", ["なし", "12", "0558-00-0001 内線1", "1" * 30])
def test_what_is_no_telephone(phone: str) -> None:
    with pytest.raises(Unwritable):
        writing.phone(phone)


def _sentence(read: Callable[[str], str], text: str) -> str | None:
    try:
        assert "\x00" not in read(text)
    except Unwritable as refused:
        return refused.sentence
    return None


@given(st.text(max_size=200))
def test_whatever_is_typed_is_taken_or_refused_with_a_sentence(text: str) -> None:
    sentences = [_sentence(read, text) for read in (writing.person_name, writing.kana, writing.phone, writing.line, writing.free_text)]
    assert all(sentence is None or sentence.endswith("。") for sentence in sentences)
