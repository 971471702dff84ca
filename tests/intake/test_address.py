"""住所を比べる: 書き方が違っても同じ番地、数が同じでも町が違えば別、番地が違えば同じ町まで。"""

from datetime import date

import pytest

from services.intake import account
from services.intake.account import Home, HomeTooFine, home_kept_from
from services.intake.address import Nearness, nearness, read

BLOCK, TOWN = Nearness.BLOCK, Nearness.TOWN


@pytest.mark.parametrize("written", [
    "見本町１丁目２番地３", "見本町1-2-3", "見本町一丁目2番3号", "見本町１－２－３", "見本町 1丁目 2‐3", "見本町一丁目二番地の三", "見本町1丁目2番地",
    "見本町１ー２ー３", "大字見本町1の2の3", "架空市見本町1-2-3", "静岡県架空市見本町1丁目2番3号 コーポ見本405", "見本町1丁目2番地3（母屋）",
])  # fmt: skip
def test_however_it_is_written_it_is_the_same_block(written: str) -> None:
    for home in (Home("見本町一丁目", "2"), Home("見本町１丁目", "2")):
        assert nearness(home.address, read(written)) is BLOCK


@pytest.mark.parametrize(("home", "other", "near"), [
    (Home("見本台一丁目", "2"), "見本町一丁目2番3号", None),
    (Home("見本台", "2"), "見本町2番地", None),
    (Home("見本町一丁目", "2"), "見本町二丁目2番3号", None),
    (Home("見本町一丁目", "2"), "見本町一丁目12番3号", TOWN),
    (Home("見本町一丁目", "2"), "見本町一丁目", TOWN),
    (Home("見本町一丁目", "2"), "見本町", TOWN),
    (Home("見本町一丁目", ""), "見本町1-2-3", TOWN),
    (Home("見本町", "9001"), "見本町9001番地7", BLOCK),
    (Home("見本町", "9001"), "見本町9001", BLOCK),
    (Home("見本町", "9001"), "見本町9002番地1", TOWN),
    (Home("見本町", "2"), "見本町2丁目5番", TOWN),
    (Home("例示が丘", "23"), "例示ヶ丘二十三番地", BLOCK),
    (Home("三番町", "5"), "三番町五番地", BLOCK),
    (Home("三番町", "5"), "四番町五番地", None),
    (Home("髙台", "5"), "高台5", BLOCK),
    (Home("", ""), "", None),
    (Home("", ""), "2番地", None),
    (Home("見本町", "2"), "", None),
])  # fmt: skip
def test_town_and_block_are_told_apart(home: Home, other: str, near: Nearness | None) -> None:
    assert nearness(home.address, read(other)) is near


@pytest.mark.parametrize(
    "hostile", ["9" * 5000, "見本町" + "9" * 5000, "見本町" + "九" * 5000 + "番地", "1-" * 5000, "\x00", "番地", "丁目1", "見本町٣"]
)
def test_whatever_stands_in_a_register_is_read_without_falling_over(hostile: str) -> None:
    read(hostile)


@pytest.mark.parametrize(("town", "block", "kept"), [
    ("見本町一丁目", "２", Home("見本町一丁目", "2")),
    ("  見本町１丁目 ", "2番地", Home("見本町１丁目", "2")),
    ("架空原", "9001番", Home("架空原", "9001")),
    ("架空原", "", Home("架空原", "")),
    ("", "", Home()),
])  # fmt: skip
def test_a_town_and_the_number_of_a_block_are_kept(town: str, block: str, kept: Home) -> None:
    assert account.home(town, block) == kept


@pytest.mark.parametrize(("town", "block", "wrong"), [
    ("見本町", "2-3", "block"), ("見本町", "2番地3", "block"), ("見本町", "2 コーポ見本", "block"), ("見本町", "000-1234-5678", "block"),
    ("見本町1-2-3", "", "town"), ("見本町2番地", "", "town"), ("見本町1丁目2番", "3", "town"), ("", "2", "town"), ("2番地", "", "town"),
    ("見本町" * 20, "", "town"),
])  # fmt: skip
def test_anything_finer_is_not_taken(town: str, block: str, wrong: str) -> None:
    with pytest.raises(HomeTooFine) as refused:
        account.home(town, block)
    assert set(refused.value.fields) == {wrong}


@pytest.mark.parametrize(
    ("today", "kept"),
    [(date(2027, 4, 30), date(2027, 3, 1)), (date(2027, 5, 1), date(2027, 4, 1)), (date(2027, 1, 9), date(2026, 12, 1))],
)
def test_a_home_is_kept_until_the_last_month_has_been_looked_at(today: date, kept: date) -> None:
    assert home_kept_from(today) == kept
