"""気づきのルール。一つのルールは (世帯, いま, パラメータ) → 気づき または None。One file per family of domain.md §5.

ルールは、あて先の窓口が知ってよいことだけを見る: 一つの会議で知ったことは、気づきを通ってほかの会議に流れない。あて先には開いていない
通告・通報からだけ当てはまるものは、それを受け持つ窓口（codes/lanes.yaml）に知らせる。
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime

from services.notify.deadlines import day_of
from services.notify.grounds import LANES, Ground, eyes_of_unit
from services.notify.household import HouseholdFacts
from services.notify.parameters import Parameters
from services.notify.rules.finding import Evidence, Finding, Kind, Person, on_grounds
from services.notify.rules.r1_isolation import became_single, missed_watch
from services.notify.rules.r5_8050 import child_concern_ticked, child_out_of_society, parent_event
from services.notify.rules.r9_crosscutting import left_behind, receipts_missing, several_domains
from shared.contracts.event import Lane
from shared.contracts.lanes import ground

Rule = Callable[[HouseholdFacts, datetime, Parameters], Finding | None]

RULES: dict[str, Rule] = {
    "R-101": became_single, "R-105": missed_watch, "R-502": child_out_of_society, "R-503": child_concern_ticked, "R-504": parent_event,
    "R-907": several_domains, "R-914": left_behind, "R-916": receipts_missing,
}  # fmt: skip


def evaluate(household: HouseholdFacts, now: datetime, parameters: Parameters) -> dict[str, Finding]:
    """いま当てはまるすべての気づき、`Finding.key` ごと。"""
    findings: dict[str, Finding] = {}
    for to in sorted({parameters.rules[rule_id].to for rule_id in RULES}):
        theirs = (rule_id for rule_id in RULES if parameters.rules[rule_id].to == to)
        findings |= _seen_by(household, to, theirs, now, parameters)
    findings = _one_alert_per_death(findings)
    for desk in sorted(_who_is_told(household, day_of(now))):
        reported = _seen_by(household, desk, RULES, now, parameters)
        unseen = {rule_id: one for rule_id, one in reported.items() if _only_by_report(one, household, now, parameters)}
        findings |= {one.key: one for one in (replace(one, to=desk, reported=True) for one in _one_alert_per_death(unseen).values())}
    return findings


def _seen_by(household: HouseholdFacts, unit: str, rule_ids: Iterable[str], now: datetime, parameters: Parameters) -> dict[str, Finding]:
    """その窓口が知ってよいことから当てはまる気づき。"""
    view = household.seen_by(eyes_of_unit(unit, day_of(now)))
    found = {rule_id: finding for rule_id in rule_ids if (finding := RULES[rule_id](view, now, parameters))}
    return {rule_id: _on_least_grounds(finding, view, now, parameters) for rule_id, finding in found.items()}


def _on_least_grounds(finding: Finding, view: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding:
    """いちばんゆるい区分の根拠だけで当てはまるなら、その根拠しか要らない。気づきの区分は、本当に要る根拠から決まる。"""
    rule = RULES[finding.rule_id]
    least = next((one for rank in range(len(LANES)) if (one := rule(_up_to(rank, view), now, parameters))), finding)
    grounded = on_grounds(finding, least, view)
    eyes = [eyes_of_unit(unit, day_of(now)) for unit in parameters.hears_alerts]
    return replace(grounded, quiet=not all(one.see(ground, view.said) for one in eyes for ground in grounded.needed))


def _up_to(rank: int, view: HouseholdFacts) -> HouseholdFacts:
    return view.only(lambda one: LANES.index(one.lane) <= rank)


def _who_is_told(household: HouseholdFacts, on: date) -> set[str]:
    """この世帯の通告・通報を受け持つ窓口。"""
    bases = {piece.basis for piece in household.pieces() if piece.basis and piece.basis.lane is Lane.MANDATORY_REPORT}
    return {unit for basis in bases for unit in ground(basis, on).competent}


def _only_by_report(finding: Finding, household: HouseholdFacts, now: datetime, parameters: Parameters) -> bool:
    """決まったあて先には開いていない通告・通報がなければ、当てはまらない。"""
    eyes = eyes_of_unit(parameters.rules[finding.rule_id].to, day_of(now))
    return any(one.basis and one.lane is Lane.MANDATORY_REPORT and not eyes.see(one, household.said) for one in finding.needed)


def _one_alert_per_death(findings: dict[str, Finding]) -> dict[str, Finding]:
    """同じ死亡について R-504 が知らせるなら、R-914 は重ねて知らせない（T-02）。"""
    if "R-504" not in findings or "R-914" not in findings:
        return findings
    told = _deaths(findings["R-504"])
    return findings if _deaths(findings["R-914"]) - told else {rule: one for rule, one in findings.items() if rule != "R-914"}


def _deaths(finding: Finding) -> set[object]:
    return {one.ref for one in finding.evidence if one.kind is Kind.LEFT and one.code == "died"}


__all__ = ["RULES", "Evidence", "Finding", "Ground", "Kind", "Person", "Rule", "evaluate"]
