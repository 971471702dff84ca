"""同意の使い道の表: どの目的も使い道があり、統計だけはどこも開かない。"""

from datetime import date

import pytest
import yaml

from shared.contracts.consent import Purpose
from shared.contracts.consent_uses import TABLE, Use, use_of, wanted
from shared.runtime.unit import all_units

DAY = date(2026, 11, 27)


def test_every_use_is_in_the_table_and_every_row_says_where_it_comes_from() -> None:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    assert {row["code"] for row in document["entries"]} == set(Use)
    assert all(row["source"].startswith("[") for row in (document, *document["entries"]))
    assert {unit for row in document["entries"] for unit in row.get("units", ())} <= {unit.code for unit in all_units()}


def test_a_consent_for_statistics_opens_no_use_and_every_other_purpose_opens_one() -> None:
    opened = frozenset[Purpose]().union(*(wanted(use, DAY).purposes for use in Use))
    assert set(Purpose) - opened == {Purpose.STATISTICS}


@pytest.mark.parametrize(
    ("use", "purposes", "met"),
    [
        (Use.SUPPORT, ["consultation"], True), (Use.SUPPORT, ["plan", "statistics"], True), (Use.SUPPORT, ["outreach"], False),
        (Use.CONFERENCE, ["consultation"], False), (Use.CONFERENCE, ["plan"], True), (Use.OUTREACH, ["participation"], True),
        (Use.OUTREACH, ["consultation", "plan"], False), (Use.SUPPORT, [], False), (Use.CONFERENCE, None, True),
    ],
)  # fmt: skip
def test_one_purpose_is_enough_and_a_word_without_purposes_is_not_limited(use: Use, purposes: list[str] | None, met: bool) -> None:
    assert wanted(use, DAY).met_by(purposes) is met


def test_before_the_table_begins_no_consent_is_enough_for_anything_that_is_limited() -> None:
    assert not wanted(Use.SUPPORT, date(2015, 3, 31)).met_by(list(Purpose))
    assert wanted(Use.SUPPORT, date(2015, 4, 1)).met_by(list(Purpose))


def test_the_words_name_the_purposes_and_a_unit_without_a_row_supports() -> None:
    assert wanted(Use.OUTREACH, DAY).words == "「参加支援」か「アウトリーチ・見守り」"
    assert (use_of("outreach", DAY), use_of("cases-elderly", DAY), use_of("cases-center", DAY)) == (Use.OUTREACH, Use.SUPPORT, Use.SUPPORT)
