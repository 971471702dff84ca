"""再生する人たち: どの窓口を、どの架空の職員が受け持つか（deploy/onebox/staff.yaml の人）。"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.city.play_cases import CaseDesk
from deploy.city.play_intake import IntakeDesk
from deploy.city.play_outreach import OutreachDesk
from services.cases import center, children, disability, elderly, poverty
from services.cases.casework.decision import Caseworker
from services.cases.casework.parameters import rules_on
from services.cases.casework.profile import Profile
from services.intake.consultation import StaffRef
from services.intake.parameters import parameters_on
from services.outreach import staff
from services.outreach.parameters import rules_on as watch_rules_on

_STAFF = Path(__file__).resolve().parents[1] / "onebox" / "staff.yaml"
_CASEWORKERS = {elderly: "koreisha-1", disability: "shogai-1", children: "kodomo-1", poverty: "konkyu-1", center: "center-1"}


@cache
def _staff() -> Mapping[str, str]:
    people: list[dict[str, Any]] = yaml.safe_load(_STAFF.read_text(encoding="utf-8"))
    return {person["sub"]: person["name"] for person in people}


def desks(today: date, city_parameters: Path | None) -> dict[str, Any]:
    """unit → who plays it, by the rules of `today`."""
    intake = IntakeDesk(StaffRef("uketsuke-1", _staff()["uketsuke-1"]), parameters_on(today, city_parameters))
    cases = {unit.PROFILE.unit: _desk(unit.PROFILE, sub, today, city_parameters) for unit, sub in _CASEWORKERS.items()}
    outreach = OutreachDesk(staff.StaffRef("homon-1", _staff()["homon-1"]), watch_rules_on(today, city_parameters))
    return {"intake": intake, "outreach": outreach, **cases}


def _desk(profile: Profile, sub: str, today: date, city_parameters: Path | None) -> CaseDesk:
    return CaseDesk(profile, Caseworker(sub, _staff()[sub]), rules_on(profile, today, city_parameters))
