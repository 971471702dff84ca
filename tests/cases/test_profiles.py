"""五つの窓口: 違いはプロフィールと決まりだけ。決まりは日付と出どころを持ち、市が置き換えられる。"""

from datetime import date
from pathlib import Path

import pytest
import yaml

from services.cases import center, children, disability, elderly, poverty
from services.cases.casework.case import TRANSITIONS
from services.cases.casework.parameters import layers, rules_on
from services.cases.casework.profile import Profile
from shared.contracts.case import CaseState
from shared.contracts.codes import fact_kinds
from shared.contracts.consultation import Urgency
from shared.runtime.unit import Unit
from tests.cases.builders import TODAY

MODULES = [elderly, disability, children, poverty, center]
PROFILES = [module.PROFILE for module in MODULES]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.unit)
def test_the_profile_and_the_manifest_say_the_same(profile: Profile) -> None:
    unit = Unit.read(profile.folder / "unit.toml")
    assert (unit.code, unit.welfare_domain, unit.legal_basis) == (profile.unit, profile.welfare_domain, tuple(b.value for b in profile.bases))
    assert profile.basis in profile.bases
    convenes = {"conference"} if unit.code == "cases-center" else set()
    assert set(unit.publishes) == {"domain", "case", "fact", "referral", "receipt"} | convenes
    assert unit.accepts_referrals


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.unit)
def test_every_desk_has_all_its_rules_and_asks_for_consent(profile: Profile) -> None:
    rules = rules_on(profile, TODAY)
    assert set(rules.next_due_days) == set(CaseState) - {CaseState.SUSPENDED, CaseState.CLOSED}
    assert set(rules.first_contact_days) == set(rules.reply_days) == set(Urgency)
    assert {asked.kind for asked in rules.asked} <= set(fact_kinds())
    assert rules.asks("consent")
    assert rules.asks("issue")
    assert set(TRANSITIONS) == set(CaseState)


def test_together_the_desks_record_every_fact_of_the_vocabulary() -> None:
    assert {asked.kind for profile in PROFILES for asked in rules_on(profile, TODAY).asked} == set(fact_kinds())


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.unit)
def test_every_value_says_since_when_and_where_from(profile: Profile) -> None:
    def entries(tree: object) -> list[dict[str, object]]:
        if isinstance(tree, dict):
            return [entry for below in tree.values() for entry in entries(below)]
        assert isinstance(tree, list)
        return tree

    for path in layers(profile, None):
        for entry in entries(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert isinstance(entry["from"], date)
            assert str(entry["source"]).startswith("[")


def test_elderly_look_again_each_month_and_poverty_every_three() -> None:
    assert rules_on(elderly.PROFILE, TODAY).next_due_days[CaseState.ACTIVE] == 30
    assert rules_on(poverty.PROFILE, TODAY).next_due_days[CaseState.ACTIVE] == 90


def test_the_city_wins_over_the_desk_from_its_day_on(tmp_path: Path) -> None:
    (tmp_path / "cases-elderly.yaml").write_text("next_due_days: {ACTIVE: [{value: 14, from: 2027-04-01, source: 市の要領}]}", encoding="utf-8")
    (tmp_path / "casework.yaml").write_text("reply_days: {C: [{value: 5, from: 2024-04-01, source: 市の要領}]}", encoding="utf-8")
    before, after = (rules_on(elderly.PROFILE, on, tmp_path) for on in (date(2027, 3, 31), date(2027, 4, 1)))
    assert (before.next_due_days[CaseState.ACTIVE], after.next_due_days[CaseState.ACTIVE]) == (30, 14)
    assert before.reply_days[Urgency.C] == 5
