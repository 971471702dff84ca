"""気づきのルール。一つのルールは (世帯, いま, パラメータ) → 気づき または None。One file per family of domain.md §5."""

from collections.abc import Callable
from datetime import datetime

from services.notify.household import HouseholdFacts
from services.notify.parameters import Parameters
from services.notify.rules.finding import Evidence, Finding, Kind, Person
from services.notify.rules.r1_isolation import became_single, missed_watch
from services.notify.rules.r5_8050 import child_concern_ticked, child_out_of_society, parent_event
from services.notify.rules.r9_crosscutting import left_behind, receipts_missing, several_domains

Rule = Callable[[HouseholdFacts, datetime, Parameters], Finding | None]

RULES: tuple[Rule, ...] = (
    became_single, missed_watch, child_out_of_society, child_concern_ticked, parent_event, several_domains, left_behind, receipts_missing,
)  # fmt: skip


def evaluate(household: HouseholdFacts, now: datetime, parameters: Parameters) -> dict[str, Finding]:
    """いま当てはまるすべての気づき、ルール番号ごと。"""
    findings = [finding for rule in RULES if (finding := rule(household, now, parameters))]
    return _one_alert_per_death({finding.rule_id: finding for finding in findings})


def _one_alert_per_death(findings: dict[str, Finding]) -> dict[str, Finding]:
    """同じ死亡について R-504 が知らせるなら、R-914 は重ねて知らせない（T-02）。"""
    if "R-504" not in findings or "R-914" not in findings:
        return findings
    told = _deaths(findings["R-504"])
    return findings if _deaths(findings["R-914"]) - told else {rule: one for rule, one in findings.items() if rule != "R-914"}


def _deaths(finding: Finding) -> set[object]:
    return {one.ref for one in finding.evidence if one.kind is Kind.LEFT and one.code == "died"}


__all__ = ["RULES", "Evidence", "Finding", "Kind", "Person", "Rule", "evaluate"]
