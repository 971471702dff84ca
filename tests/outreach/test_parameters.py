"""見守りの間隔は、日付と出どころを持つデータ。市がその日から差し替えられる。"""

from datetime import date, time
from pathlib import Path

import pytest
import yaml

from services.outreach.parameters import OURS, rules_on
from shared.contracts.visit import WatchTier
from tests.outreach.builders import TODAY

CITY_HISTORY = Path(__file__).parents[2] / "deploy/city/parameters.yaml"


def test_every_value_says_since_when_and_where_from() -> None:
    tree = yaml.safe_load(OURS.read_text(encoding="utf-8"))
    entries = [entry for below in tree.values() for dated in (below.values() if isinstance(below, dict) else [below]) for entry in dated]
    assert len(entries) >= 8
    assert all(isinstance(entry["from"], date) and entry["source"].startswith("[") for entry in entries)


def test_the_fictional_city_keeps_watch_at_our_intervals() -> None:
    if not CITY_HISTORY.exists():
        pytest.skip("deploy/city is not in this checkout")
    days = yaml.safe_load(CITY_HISTORY.read_text(encoding="utf-8"))["history"]["watch_days"]
    assert days == {tier.value: rules_on(TODAY).interval_days[tier] for tier in WatchTier if tier is not WatchTier.X}


def test_the_city_wins_from_its_fiscal_year_on(tmp_path: Path) -> None:
    (tmp_path / "outreach.yaml").write_text(
        "interval_days: {C: [{value: 14, from: 2027-04-01, source: '[市] 要綱'}]}\n"
        "due_time: [{value: '16:30', from: 2027-04-01, source: '[市] 要綱'}]\n",
        encoding="utf-8",
    )
    before, after = (rules_on(on, tmp_path) for on in (date(2027, 3, 31), date(2027, 4, 1)))
    assert (before.interval_days[WatchTier.C], before.due_time) == (31, time(17, 15))
    assert (after.interval_days[WatchTier.C], after.due_time) == (14, time(16, 30))
    assert after.interval_days[WatchTier.B] == 7
