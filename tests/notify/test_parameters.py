"""Numbers come with their origin, and the city may replace them from a day on."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from services.notify.parameters import OURS, parameters_on
from services.notify.rules import RULES
from shared.contracts.codes import fact_kinds


def test_every_value_says_from_when_it_holds_and_where_it_comes_from() -> None:
    document = yaml.safe_load(OURS.read_text(encoding="utf-8"))
    entries = [(name, entry) for section in ("parameters", "rules") for name, dated in document[section].items() for entry in dated]
    assert len(entries) > 30
    for name, entry in entries:
        assert isinstance(entry["from"], date), name
        assert entry["source"].startswith("["), name


def test_every_rule_has_its_words_and_no_words_are_left_over() -> None:
    assert len(parameters_on(date(2026, 11, 24)).rules) == len(RULES)


def test_the_city_replaces_one_value_from_its_day_on(tmp_path: Path) -> None:
    (tmp_path / "notify.yaml").write_text("parameters: {parent_min_age: [{value: 70, from: 2026-12-01, source: '[市] 要綱'}]}", encoding="utf-8")
    assert parameters_on(date(2026, 11, 30), tmp_path).parent_min_age == 75
    assert parameters_on(date(2026, 12, 1), tmp_path).parent_min_age == 70
    assert parameters_on(date(2026, 12, 1)).parent_min_age == 75


def test_a_misspelt_name_of_the_city_is_an_error_and_not_silence(tmp_path: Path) -> None:
    (tmp_path / "notify.yaml").write_text("parameters: {parent_minimum: [{value: 70, from: 2024-04-01, source: '[市]'}]}", encoding="utf-8")
    with pytest.raises(ValidationError, match="parent_minimum"):
        parameters_on(date(2026, 12, 1), tmp_path)


def test_which_facts_stand_side_by_side_is_said_by_the_vocabulary_or_the_city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = parameters_on(date(2026, 11, 24))
    assert {kind for kind in fact_kinds() if kind in given.many_at_once} == {"issue"}
    many = "kinds: {living_env: {label: 住まい, scope: household, many: true, from: 2026-12-01}}"
    (tmp_path / "facts.yaml").write_text(many, encoding="utf-8")
    monkeypatch.setenv("CITY_PARAMETERS", str(tmp_path))
    assert fact_kinds(date(2026, 12, 1))["living_env"].many
    assert not fact_kinds(date(2026, 11, 30))["living_env"].many
