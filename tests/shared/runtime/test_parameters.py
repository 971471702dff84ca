"""A number has a day it began and a place it came from, and the city has the last word."""

from datetime import date
from pathlib import Path

import pytest

from shared.runtime.parameters import ParameterMissing, city_layer, in_force, value

OURS = """
watch:
  B:
    - {value: 7, from: 2024-04-01, source: ours}
    - {value: 5, from: 2026-04-01, source: ours, unit: days}
"""


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    (tmp_path / "ours.yaml").write_text(OURS, encoding="utf-8")
    return tmp_path / "ours.yaml"


@pytest.mark.parametrize(("on", "days"), [(date(2026, 3, 31), 7), (date(2026, 4, 1), 5)])
def test_the_entry_of_the_day_holds(ours: Path, on: date, days: int) -> None:
    assert value("watch.B", on, ours) == days


def test_before_its_first_day_a_name_has_no_value(ours: Path) -> None:
    with pytest.raises(ParameterMissing, match=r"watch\.B"):
        value("watch.B", date(2024, 3, 31), ours)


def test_the_city_wins_even_with_an_older_date(ours: Path, tmp_path: Path) -> None:
    (tmp_path / "notify.yaml").write_text("watch.B: [{value: 3, from: 2025-04-01, source: 市の要綱}]", encoding="utf-8")
    layers = (ours, *city_layer(tmp_path, "notify"))
    assert in_force(date(2026, 5, 1), *layers)["watch.B"].source == "市の要綱"
    assert value("watch.B", date(2025, 3, 31), *layers) == 7


def test_a_city_without_a_file_changes_nothing(ours: Path, tmp_path: Path) -> None:
    assert value("watch.B", date(2026, 5, 1), ours, *city_layer(tmp_path, "absent")) == 5
