"""R-5xx 8050: 高齢の親と、仕事や外出から離れている子。法令の定義はなく、年齢はすべて parameters.yaml（市が変えられる）。"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from services.notify.deadlines import day_of
from services.notify.household import Fact, HouseholdFacts, Member, months_since
from services.notify.parameters import Parameters
from services.notify.rules.finding import Evidence, Finding, Person, about, found, from_fact, from_leaving, lives_together


@dataclass(frozen=True, slots=True)
class Pair:
    """同居する親と子（R-501 の構造）。これだけでは知らせない。"""

    parent: Member
    child: Member

    def people(self, day: date) -> list[Person]:
        return [Person("parent", self.parent.band_on(day)), Person("child", self.child.band_on(day))]


def child_out_of_society(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-502 R-501 の親子で、子がひきこもり・12か月以上仕事なし・サービスなし・親の年金で生活、のどれかに当たる。"""
    day = day_of(now)
    signs = {pair: evidence for pair in pairs(household, day, parameters) if (evidence := _signs(household, pair.child, day, parameters))}
    if not signs:
        return None
    first = next(iter(signs))
    chain = [_together(household, pair) for pair in signs] + [one for evidence in signs.values() for one in evidence]
    return found("R-502", household, now, parameters, evidence=chain, people=first.people(day))


def child_concern_ticked(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-503 親の支援の中で「同居の子の状況が気になる」と記録された。"""
    concern = household.fact(None, "child_concern")
    if concern is None or concern.value != "yes":
        return None
    day = day_of(now)
    pair = next(iter(pairs(household, day, parameters)), None)
    care = household.every("care_level", many="care_level" in parameters.many_at_once)
    doorway = [_from(household, fact, day) for fact in care if fact.source == concern.source]
    together = [_together(household, pair)] if pair else []
    people = pair.people(day) if pair else ()
    return found("R-503", household, now, parameters, evidence=[*together, *doorway, from_fact(concern)], people=people)


def parent_event(household: HouseholdFacts, now: datetime, parameters: Parameters) -> Finding | None:
    """R-504 親の死亡・入院（S1）、施設入所・認知症の診断・運転をやめた（S2）。子がひきこもり、または様子が分からないとき。"""
    day = day_of(now)
    for pair in pairs(household, day, parameters, gone=True):
        events = _parent_events(household, pair.parent, day, parameters)
        if not events or _settled(household, pair.child, parameters):
            continue
        urgent = any(_code(one) in parameters.parent_events.urgent for one in events)
        severity = parameters.rules["R-504"].urgent_severity if urgent else None
        chain = [_together(household, pair), *events, *_signs(household, pair.child, day, parameters)]
        return found("R-504", household, now, parameters, evidence=chain, people=pair.people(day), severity=severity, recurs=False)
    return None


def pairs(household: HouseholdFacts, day: date, parameters: Parameters, *, gone: bool = False) -> list[Pair]:
    """R-501 の親子。`gone` なら、最近世帯を離れた（亡くなった・入所した）親も数える。ほかに支えられる大人がいれば数えない。"""
    home = household.at_home()
    parents = [member for member in household.members if member in home or (gone and _left_lately(household, member, day, parameters))]
    every = [Pair(parent, child) for parent in parents for child in home if _is_8050(household, parent, child, day, parameters)]
    alone = [pair for pair in every if not _other_adult(household, pair, home, day, parameters)]
    return sorted(alone, key=lambda pair: (pair.parent.birth_month or "", pair.child.birth_month or "", pair.child.id.hex))


def _is_8050(household: HouseholdFacts, parent: Member, child: Member, day: date, parameters: Parameters) -> bool:
    old, young = parent.age_on(day), child.age_on(day)
    if old is None or young is None or household.value(child.id, "marital") in parameters.not_unmarried:
        return False
    usual = old >= parameters.parent_min_age and parameters.child_min_age <= young <= parameters.child_max_age
    elder = old >= parameters.elder_parent_min_age and young >= parameters.elder_child_min_age
    return (usual or elder) and _may_be_parent(parent, child, old - young, parameters)


def _may_be_parent(parent: Member, child: Member, gap: int, parameters: Parameters) -> bool:
    """続柄が一世代違う。どちらかの続柄が分からなければ、年齢差で「かもしれない」とする。"""
    if parent.generation is not None and child.generation is not None:
        return parent.generation - child.generation == 1
    least, most = parameters.generation_gap
    return least <= gap <= most


def _other_adult(household: HouseholdFacts, pair: Pair, home: tuple[Member, ...], day: date, parameters: Parameters) -> bool:
    """親の世代より若い大人がほかにいて、その人はひきこもりと記録されていない。"""
    others = (member for member in home if member.id not in (pair.parent.id, pair.child.id))
    return any(
        parameters.third_adult_min_age <= (member.age_on(day) or 0) < parameters.parent_min_age
        and household.value(member.id, "withdrawn") not in parameters.withdrawn_values
        for member in others
    )


def _left_lately(household: HouseholdFacts, member: Member, day: date, parameters: Parameters) -> bool:
    return bool(_parent_events(household, member, day, parameters))


def _parent_events(household: HouseholdFacts, parent: Member, day: date, parameters: Parameters) -> list[Evidence]:
    """期間の中の、親の出来事。入院のあと家に戻れば、居どころの事実が新しくなって消える。"""
    person = about(parent, day, "parent")
    wanted = parameters.parent_events.urgent | parameters.parent_events.other
    left = [from_leaving(parent, "intake", person)] if parent.left_on else []
    facts = [from_fact(fact, person) for kind in _kinds(wanted) if (fact := household.fact(parent.id, kind))]
    return [one for one in left + facts if _code(one) in wanted and (day - one.as_of).days <= parameters.event_window_days]


def _kinds(codes: frozenset[str]) -> list[str]:
    return sorted({code.partition(".")[0] for code in codes} - {"left"})


def _code(evidence: Evidence) -> str:
    return evidence.code if "." in evidence.code else f"left.{evidence.code}"


def _settled(household: HouseholdFacts, child: Member, parameters: Parameters) -> bool:
    """子の様子が分かっていて、心配のない値。何も記録がなければ「不明」で、心配する側に数える。"""
    known = (household.fact(child.id, kind) for kind in _kinds(parameters.child_settled))
    values = {f"{fact.kind}.{fact.value}" for fact in known if fact}
    withdrawn = household.value(child.id, "withdrawn") in parameters.withdrawn_values
    return bool(values & parameters.child_settled) and not withdrawn


def _signs(household: HouseholdFacts, child: Member, day: date, parameters: Parameters) -> list[Evidence]:
    person = about(child, day, "child")
    tests: dict[str, Callable[[Fact], bool]] = {
        "withdrawn": lambda fact: fact.value in parameters.withdrawn_values,
        "employment": lambda fact: fact.value in parameters.not_working_values and _long_enough(fact, day, parameters),
        "service_use": lambda fact: fact.value in parameters.no_service_values,
        "income_main": lambda fact: fact.value in parameters.parent_income_values,
    }
    return [from_fact(fact, person) for kind, holds in tests.items() if (fact := household.fact(child.id, kind)) and holds(fact)]


def _long_enough(fact: Fact, day: date, parameters: Parameters) -> bool:
    """いつからか分からなければ、記録した日から数える（少なくともそれだけは続いている）。"""
    since = fact.since or f"{fact.as_of:%Y-%m}"
    return months_since(since, day) >= parameters.not_working_months


def _together(household: HouseholdFacts, pair: Pair) -> Evidence:
    return lives_together(household, "intake", "parent_and_child", max(pair.parent.joined_on, pair.child.joined_on))


def _from(household: HouseholdFacts, fact: Fact, day: date) -> Evidence:
    return from_fact(fact, about(household.member(fact.member_id), day))
