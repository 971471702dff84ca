"""他の窓口の関わり: あるかないかと、どの窓口かだけ。"""

from datetime import date
from uuid import uuid4

from services.cases.casework.involvement import Kind, Trace, others
from tests.cases.builders import HOUSEHOLD

DESKS = {"cases-elderly": ("高齢の窓口", "/d/elderly"), "cases-poverty": ("くらしの窓口", "/d/poverty")}


def trace(unit: str, kind: Kind = Kind.CASE, since: date | None = None, until: date | None = None) -> Trace:
    return Trace(uuid4(), HOUSEHOLD, unit, kind, since, until)


def test_one_line_per_desk_and_not_our_own_and_not_the_ended() -> None:
    traces = [trace("cases-elderly"), trace("cases-poverty"), trace("cases-poverty", Kind.REFERRAL), trace("cases-children", until=date(2026, 1, 1))]
    rows = others(traces, own="cases-elderly", desks=DESKS)
    assert [(row.title, row.label) for row in rows] == [("くらしの窓口", "関わりあり")]


def test_a_referral_without_an_answer_is_shown_as_such_after_the_desks_that_support() -> None:
    rows = others([trace("cases-elderly", Kind.REFERRAL), trace("cases-poverty")], own="cases-center", desks=DESKS)
    assert [(row.unit, row.supporting) for row in rows] == [("cases-poverty", True), ("cases-elderly", False)]


def test_the_desk_is_involved_since_its_first_open_case() -> None:
    (row,) = others([trace("cases-poverty", since=date(2025, 5, 1)), trace("cases-poverty", since=date(2024, 4, 1))], own="x", desks=DESKS)
    assert row.since == date(2024, 4, 1)


def test_a_desk_that_has_not_said_its_name_is_shown_by_its_code() -> None:
    (row,) = others([trace("cases-new")], own="x", desks=DESKS)
    assert (row.title, row.base) == ("cases-new", "")
