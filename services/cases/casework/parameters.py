"""決まりを読む: 共通 < 窓口 < 市（casework.yaml）< 市（窓口のコード.yaml）の順に勝つ、日付つきの値。"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

from services.cases.casework.profile import Asked, Method, Profile, Rules
from shared.contracts.case import CaseState
from shared.contracts.codes import code_list, fact_kinds
from shared.contracts.consultation import Urgency
from shared.runtime import parameters

HERE = Path(__file__).parent


def layers(profile: Profile, city: Path | None) -> tuple[Path, ...]:
    ours = (HERE / "parameters.yaml", profile.folder / "parameters.yaml")
    return ours + parameters.city_layer(city, "casework") + parameters.city_layer(city, profile.unit)


def _days(group: str, on: date, files: tuple[Path, ...]) -> Mapping[str, int]:
    found = parameters.in_force(on, *files)
    return {name.split(".")[1]: int(parameter.value) for name, parameter in found.items() if name.startswith(group + ".")}


@cache
def rules_on(profile: Profile, on: date, city: Path | None = None) -> Rules:
    """この窓口の、その日の決まり。"""
    files = layers(profile, city)
    reasons = code_list("CL-19", on)
    return Rules(
        asked=tuple(Asked(**asked) for asked in parameters.value("asked", on, *files)),
        vocabulary=fact_kinds(on),
        many_valued=frozenset(parameters.value("many_valued", on, *files)),
        next_due_days={CaseState(state): days for state, days in _days("next_due_days", on, files).items()},
        first_contact_days={Urgency(urgency): days for urgency, days in _days("first_contact_days", on, files).items()},
        reply_days={Urgency(urgency): days for urgency, days in _days("reply_days", on, files).items()},
        closing={entry.code: entry.label for entry in reasons.entries if entry.group == "close"},
        suspending={entry.code: entry.label for entry in reasons.entries if entry.group == "suspend"},
        close_any_time=frozenset(parameters.value("close_any_time", on, *files)),
        close_despite_referrals=frozenset(parameters.value("close_despite_referrals", on, *files)),
        methods=tuple(Method(**method) for method in parameters.value("methods", on, *files)),
        topics=dict(code_list("CL-01", on).choices()),
    )
