"""打たれたものを読む: 年月は和暦でも「15年前」でも、読めない欄にはその欄の文を。"""

from datetime import date

import pytest
from starlette.datastructures import FormData

from services.cases.casework.forms import Typed, in_days, month_words, parse_month
from shared.contracts.consultation import Urgency
from shared.desk.wareki import DateUnreadable
from shared.runtime.problems import FormIncomplete
from tests.cases.builders import TODAY


@pytest.mark.parametrize(
    ("typed", "month"),
    [
        ("H23.4", "2011-04"),
        ("平成23年4月", "2011-04"),
        ("Ｈ２３．４", "2011-04"),
        ("2011-04", "2011-04"),
        ("2011年4月ごろ", "2011-04"),
        ("平成23年4月1日", "2011-04"),
        ("15年前", "2011-11"),
        ("約15年くらい前", "2011-11"),
        ("3か月前", "2026-08"),
        ("12ヶ月前", "2025-11"),
        ("平成23年", "2011-12"),
        ("H23ごろ", "2011-12"),
        ("昭和64年", "1989-01"),
        ("平成31年", "2019-04"),
        ("令和8年", "2026-11"),
        ("平成元年1月", "1989-01"),
    ],
)
def test_a_month_is_taken_the_way_people_say_it(typed: str, month: str) -> None:
    assert parse_month(typed, today=TODAY) == month


@pytest.mark.parametrize("typed", ["むかし", "H23.13", "H40.4", "23.4", "999年4月"])
def test_an_unreadable_month_says_what_to_type(typed: str) -> None:
    with pytest.raises(DateUnreadable) as refused:
        parse_month(typed, today=TODAY)
    assert "。" in refused.value.sentence


def test_month_in_words() -> None:
    assert [month_words(month) for month in ("2011-04", "1989-01", "2019-05")] == ["平成23年4月", "平成元年1月", "令和元年5月"]


def test_every_unreadable_field_gets_its_own_sentence() -> None:
    typed = Typed(FormData([("as_of", "きのうごろ"), ("minutes", "十分"), ("shared", "あ" * 11), ("note_id", "x")]), TODAY)
    typed.day("as_of"), typed.number("minutes", most=1440), typed.text("shared", 10), typed.ident("note_id")
    with pytest.raises(FormIncomplete) as refused:
        typed.done()
    assert set(refused.value.fields) == {"as_of", "minutes", "shared", "note_id"}


def test_full_width_digits_and_line_ends_are_taken_as_meant() -> None:
    typed = Typed(FormData([("minutes", "４０"), ("shared", "一行目\r\n二行目\x00 "), ("urgency", "B")]), TODAY)
    assert (typed.number("minutes", most=1440), typed.text("shared"), typed.choice("urgency", Urgency)) == (40, "一行目\n二行目", Urgency.B)


@pytest.mark.parametrize(("due", "words"), [(date(2026, 11, 20), "3日超過"), (TODAY, "今日"), (date(2026, 11, 25), "あと2日"), (None, "—")])
def test_days_left_in_words(due: date | None, words: str) -> None:
    assert in_days(due, TODAY)[0] == words
