"""R-9xx 分野をまたぐこと: 複合課題、残された世帯員、撤回の受領が届かない。"""

from datetime import date, datetime

from services.notify.deadlines import day_of
from services.notify.household import Fact, HouseholdFacts, Involvement, Member, Stage, Withdrawal
from services.notify.parameters import Parameters
from services.notify.rules.finding import Evidence, Finding, Kind, about, found, from_fact, from_leaving
from shared.contracts.household import LeavingReason


def several_domains(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-907 二つ以上の分野が関わっている（支援中、またはつないで終わっていない）、または課題の分野が三つ以上。数はこのプロジェクトの既定。"""
    involved = [one for one in household.involvement() if one.stage is not Stage.CLOSED and one.unit not in parameters.not_a_domain]
    issues, groups = _issues(household, parameters)
    by_domains, by_groups = len(involved) >= parameters.combined_min_domains, len(groups) >= parameters.combined_min_groups
    if not by_domains and not by_groups:
        return None
    day = day_of(now)
    chain = [_involved(one, household) for one in involved] if by_domains else []
    chain += [from_fact(fact, about(household.member(fact.member_id), day)) for fact in issues] if by_groups else []
    return found("R-907", household, now, parameters, evidence=chain)


def left_behind(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-914 世帯員が亡くなり、支えの要る人（子ども・介護・障害・認知症・ひきこもり）が残った。"""
    day = day_of(now)
    deaths = [member for member in household.members if _died_lately(member, day, parameters)]
    dependents = [(member, why) for member in household.at_home() if (why := _dependent(household, member, day, parameters)) is not None]
    if not deaths or not dependents:
        return None
    chain = [from_leaving(member, "intake", about(member, day)) for member in deaths]
    chain += [from_fact(fact, about(member, day)) for member, why in dependents for fact in why]
    return found("R-914", household, now, parameters, evidence=chain, recurs=False)


def receipts_missing(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-916 同意の撤回を受けた窓口から、期限を過ぎても受領が届かない。写しが残っているかもしれず、本人の権利が果たされていない。"""
    chain = [_unanswered(one, unit, household, day_of(now)) for one in household.withdrawals for unit in one.units]
    return found("R-916", household, now, parameters, evidence=chain) if chain else None


def _issues(household: HouseholdFacts, parameters: Parameters) -> tuple[list[Fact], set[str]]:
    """CL-04 の課題と、その分野（分野をまたぐ課題は数えない）。"""
    told = household.every("issue", many="issue" in parameters.many_at_once)
    issues = [fact for fact in told if parameters.domain_groups & set(parameters.issue_groups.get(fact.value, ()))]
    groups = {group for fact in issues for group in parameters.issue_groups[fact.value]} & parameters.domain_groups
    return issues, groups


def _involved(involvement: Involvement, household: HouseholdFacts) -> Evidence:
    return Evidence(Kind.INVOLVED, involvement.unit, household.id, involvement.since, involvement.stage)


def _unanswered(withdrawal: Withdrawal, unit: str, household: HouseholdFacts, day: date) -> Evidence:
    person = about(household.member(withdrawal.member_id), day)
    return Evidence(Kind.RECEIPT, unit, withdrawal.id, day_of(withdrawal.since), "missing", person, withdrawal.member_id, at=withdrawal.since)


def _died_lately(member: Member, day: date, parameters: Parameters) -> bool:
    return member.left_reason is LeavingReason.DIED and member.left_on is not None and (day - member.left_on).days <= parameters.event_window_days


def _dependent(household: HouseholdFacts, member: Member, day: date, parameters: Parameters) -> list[Fact] | None:
    """支えが要る理由の事実。子どもは年齢だけで数える（理由の事実は空）。要らなければ None。"""
    age = member.age_on(day)
    wanted = {
        "care_level": parameters.dependent_care_levels,
        "handbook": parameters.dependent_handbooks,
        "dementia": parameters.dependent_dementia,
        "withdrawn": parameters.withdrawn_values,
    }
    why = [fact for kind, values in wanted.items() if (fact := household.fact(member.id, kind)) and fact.value in values]
    return why if why or (age is not None and age < parameters.dependent_minor_age) else None
