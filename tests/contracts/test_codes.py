"""区分の一覧の約束: 印のある出どころ、日付、市の置き換え、イベントの Code に収まる。"""

from datetime import date
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from shared.contracts import codes
from shared.contracts.codes import UnknownCodeList, code_list, fact_kinds
from shared.contracts.event import Code

CODE = TypeAdapter(Code)


def the_city_says(directory: Path, monkeypatch: pytest.MonkeyPatch, list_id: str, *entries: str) -> None:
    lines = "".join(f"  - {entry}\n" for entry in entries)
    (directory / f"{list_id}.yaml").write_text(f"entries:\n{lines}", encoding="utf-8")
    monkeypatch.setenv("CITY_PARAMETERS", str(directory))


@pytest.mark.parametrize("list_id", codes.list_ids())
def test_every_list_says_where_it_comes_from_and_fits_an_event(list_id: str) -> None:
    listed = code_list(list_id)
    assert listed.source.startswith("[")
    assert len({entry.code for entry in listed.entries}) == len(listed.entries) > 0
    for entry in listed.entries:
        CODE.validate_python(entry.code)
        assert entry.label.strip() == entry.label != ""


def test_every_fact_value_fits_an_event() -> None:
    for kind, fact in fact_kinds().items():
        CODE.validate_python(kind)
        assert fact.source.startswith("[")
        assert fact.values
        for value in fact.values:
            CODE.validate_python(value)


def test_the_sixteen_topics_of_the_reception_form() -> None:
    topics = code_list("CL-01")
    assert len(topics.entries) == 16
    assert topics.label("12") == "介護のこと"
    assert not topics.has("16")


def test_issues_are_grouped_as_domain_md_counts_them() -> None:
    issues = code_list("CL-04")
    in_group = {group: {e.code for e in issues.entries if group in e.groups} for group in ("elderly", "disability", "children", "poverty")}
    assert in_group == {
        "elderly": {"35", "36", "37", "38", "46"},
        "disability": {"03", "04", "39", "40"},
        "children": {"17", "18", "20", "33", "39", "49"},
        "poverty": {"07", "08", "09", "10", "11", "12", "13"},
    }


def test_facts_reuse_the_values_of_their_lists() -> None:
    kinds = fact_kinds()
    assert kinds["care_level"].values["care3"] == "要介護3"
    assert list(kinds["withdrawn"].values) == ["none", "1", "2", "3", "4"]
    assert set(kinds["issue"].values) == {entry.code for entry in code_list("CL-04").entries}


def test_the_city_replaces_an_entry_from_its_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    the_city_says(
        tmp_path, monkeypatch, "CL-18", '{code: "3", label: "中断（見守りへ）", from: 2027-04-01}', '{code: "4", label: "市の区分", from: 2027-04-01}'
    )
    before, after = code_list("CL-18", date(2027, 3, 31)), code_list("CL-18", date(2027, 4, 1))
    assert next(e.label for e in before.entries if e.code == "3") == "中断"
    assert [e.label for e in after.entries] == ["終結", "再プランして継続", "中断（見守りへ）", "市の区分"]
    assert not before.has("4")
    assert after.has("4")


def test_an_ended_code_can_no_longer_be_chosen_but_stays_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    the_city_says(tmp_path, monkeypatch, "CL-18", '{code: "3", label: "中断", from: 2021-04-01, until: 2026-03-31}')
    listed = code_list("CL-18", date(2026, 4, 1))
    assert not listed.has("3")
    assert listed.label("3") == "中断"


def test_the_city_may_add_its_own_grade_to_the_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    the_city_says(tmp_path, monkeypatch, "CL-12", '{code: "intellectual_A1", label: "療育手帳 A1", group: "療育", from: 2024-04-01}')
    assert fact_kinds()["handbook"].values["intellectual_A1"] == "療育手帳 A1"


def test_an_unknown_code_is_shown_as_it_came_and_an_unknown_list_is_an_error() -> None:
    assert code_list("CL-01").label("77") == "77"
    with pytest.raises(UnknownCodeList, match="CL-99"):
        code_list("CL-99")
