"""世帯の事情（§9.3 の割合と §9.4-5 の相関）。Gives the people their true state; what the desks know of it is history.py."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar

from deploy.city import demo
from deploy.city.parameters import ADULT, ELDERLY, Parameters, by_age
from deploy.city.people import Household, Person

T = TypeVar("T")
Pair = tuple[Household, Person]

PARENT_FROM, CHILD_FROM, CHILD_TO = 75, 40, 64


def assign(city: Parameters, seed: int, households: Sequence[Household], as_of: date) -> None:
    """Everything below draws from its own dice, so that changing one rate leaves the others where they were."""
    told = [household for household in households if household.demo]
    rest = [household for household in households if not household.demo]
    everyone = [(household, member) for household in rest for member in household.members]
    _old_age(city, Random(f"{seed}/old-age"), everyone, as_of)
    _withdrawal(city, Random(f"{seed}/withdrawal"), rest, as_of)
    _handbooks(city, Random(f"{seed}/handbooks"), everyone)
    _poverty(city, Random(f"{seed}/poverty"), rest)
    _work(city, Random(f"{seed}/work"), everyone)
    _school(city, Random(f"{seed}/school"), everyone)
    _key_persons(city, Random(f"{seed}/key-persons"), rest)
    _watches(city, Random(f"{seed}/watches"), rest)
    _homes(city, Random(f"{seed}/homes"), rest)
    for household in told:
        _as_told(household, as_of)


def is_eighty_fifty(household: Household) -> bool:
    """親75歳以上と40〜64歳の未婚の子だけの世帯（R-501 の形）。"""
    parents = [member for member in household.members if member.generation == 0]
    others = [member for member in household.members if member.generation != 0]
    return (
        household.type == "P65"
        and len(others) == 1
        and CHILD_FROM <= others[0].age <= CHILD_TO
        and all(parent.age >= PARENT_FROM for parent in parents)
    )


def _old_age(city: Parameters, rng: Random, everyone: Iterable[Pair], as_of: date) -> None:
    """要介護と認知症。認知症の四人に三人は認定を受けている（相関）。"""
    care, dementia = city.raw["care_level"], city.raw["dementia"]
    for _, person in everyone:
        if person.age < ELDERLY:
            continue
        certified, confused = by_age(care["by_age"], person.age), by_age(dementia["by_age"], person.age)
        has_care = rng.random() < certified
        if has_care:
            person.truth.care_level = rng.choices(list(care["mix"]), list(care["mix"].values()))[0]
            person.truth.care_since = as_of - timedelta(days=int(rng.expovariate(1 / 1100)) + 20)
        share = 0.75 * confused / certified if has_care else 0.25 * confused / (1 - certified)
        if rng.random() < share:
            person.truth.dementia = "suspected" if rng.random() < dementia["suspected"] else "diagnosed"


def _withdrawal(city: Parameters, rng: Random, households: Sequence[Household], as_of: date) -> None:
    """ひきこもり: 8050 の世帯数を守り、残りは同居・未婚に偏らせて選ぶ。"""
    rates = city.raw["withdrawn"]
    adults = [(h, p) for h in households for p in h.members if 15 <= p.age <= CHILD_TO]
    young, middle = [pair for pair in adults if pair[1].age < CHILD_FROM], [pair for pair in adults if pair[1].age >= CHILD_FROM]
    wanted_middle = round(rates["rate_40_64"] * len(middle))

    def weight(pair: Pair) -> float:
        male = float(rates["male"])
        return (male if pair[1].sex == "M" else 1 - male) * (0.02 if pair[1].marital == "married" else 1)

    def lives_with_parent(pair: Pair) -> bool:
        return pair[0].type in ("P65", "G2") and pair[1].generation == (1 if pair[0].type == "P65" else 2)

    fifties = [pair for pair in middle if is_eighty_fifty(pair[0])]
    at_home = [pair for pair in middle if lives_with_parent(pair) and not is_eighty_fifty(pair[0])]
    elsewhere = [pair for pair in middle if not lives_with_parent(pair)]
    with_parents = round(wanted_middle * rates["co_living_40_64"])
    chosen = _weighted(rng, fifties, weight, rates["eighty_fifty"])
    chosen += _weighted(rng, at_home, weight, with_parents - len(chosen))
    chosen += _weighted(rng, elsewhere, weight, wanted_middle - len(chosen))
    families = ("P0", "P65", "G2", "N")
    chosen += _weighted(rng, young, lambda p: weight(p) * (2 if p[0].type in families else 1), round(rates["rate_15_39"] * len(young)))
    for household, person in chosen:
        _withdraw(rng, rates, household, person, as_of)


def _withdraw(rng: Random, rates: Mapping[str, Any], household: Household, person: Person, as_of: date) -> None:
    truth = person.truth
    truth.withdrawn = rng.choices(list(rates["states"]), list(rates["states"].values()))[0]
    years = min(rng.lognormvariate(2.2, 0.8), person.age - 14)
    truth.withdrawn_since = as_of - timedelta(days=int(years * 365))
    truth.withdrawn_known = rng.random() < rates["known"]
    truth.employment = "not_seeking" if rng.random() < 0.85 else "seeking"
    parents = any(member.is_elderly and member.generation < person.generation for member in household.members)
    truth.income_main = "parent_pension" if parents else rng.choice(("self", "public_assistance", "allowance"))
    person.marital = "unmarried" if person.marital == "divorced" and rng.random() < 0.7 else person.marital


def _handbooks(city: Parameters, rng: Random, everyone: Sequence[Pair]) -> None:
    """手帳。療育は親と暮らす人に、精神はひきこもりと一人暮らしに偏る（相関）。"""
    rates = city.raw["handbook"]
    for _, person in everyone:
        band = "minor" if person.is_minor else "elderly" if person.is_elderly else "adult"
        if rng.random() < rates["physical"][band]:
            person.truth.handbooks += (f"physical_{rng.choices(range(1, 7), (30, 15, 16, 23, 8, 8))[0]}",)
    minors = [pair for pair in everyone if pair[1].is_minor]
    adults = [pair for pair in everyone if ADULT <= pair[1].age < ELDERLY and pair[1].marital == "unmarried"]
    at_home = [pair for pair in adults if pair[1].role in ("child", "sibling")]
    elsewhere = [pair for pair in adults if pair[1].role not in ("child", "sibling")]
    count, share = rates["intellectual"]["adults"], rates["intellectual"]["with_parents"]
    chosen = _weighted(rng, minors, lambda _: 1, rates["intellectual"]["minors"])
    chosen += _weighted(rng, at_home, lambda _: 1, round(count * share)) + _weighted(rng, elsewhere, lambda _: 1, round(count * (1 - share)))
    for _, person in chosen:
        person.truth.handbooks += (rng.choice(("intellectual_A", "intellectual_B", "intellectual_B")),)
    grown = [pair for pair in everyone if pair[1].age >= ADULT and "intellectual" not in "".join(pair[1].truth.handbooks)]
    for _, person in _weighted(rng, grown, _mental_weight, rates["mental"]["persons"]):
        person.truth.handbooks += (f"mental_{rng.choices((1, 2, 3), (10, 60, 30))[0]}",)


def _mental_weight(pair: Pair) -> float:
    household, person = pair
    return (12 if person.truth.withdrawn != "none" else 1) * (2 if household.type in ("S64", "P65") else 1) * (0.4 if person.is_elderly else 1)


def _poverty(city: Parameters, rng: Random, households: Sequence[Household]) -> None:
    """生活保護と、その手前の困窮。ひとり親・単身・ひきこもりのいる世帯に偏る（相関）。"""

    def weight(household: Household) -> float:
        troubled = any(member.truth.withdrawn != "none" for member in household.members)
        return {"L": 6, "S64": 3, "S65": 2}.get(household.type, 0.3) * (4 if troubled else 1)

    assisted = _weighted(rng, households, weight, city.raw["public_assistance"]["households"])
    for household in assisted:
        household.poverty = True
        household.members[0].truth.income_main = "public_assistance"
    helped = {household.no for household in assisted}
    for household in _weighted(rng, [h for h in households if h.no not in helped], weight, 2 * len(assisted)):
        household.poverty = True
        kinds = rng.sample(("tax", "insurance", "utility", "rent") + (("school",) if household.type in ("L", "N") else ()), rng.choice((1, 1, 2, 3)))
        household.arrears = {kind: rng.choice(("months1", "months2", "months3plus")) for kind in kinds}


def _work(city: Parameters, rng: Random, everyone: Iterable[Pair]) -> None:
    rates = city.raw["employment"]
    states = ("working", "planned", "seeking", "not_seeking")
    weights = (rates["working"], rates["planned"], rates["seeking"], 1 - rates["working"] - rates["planned"] - rates["seeking"])
    for _, person in everyone:
        if ADULT <= person.age < ELDERLY and not person.truth.employment:
            person.truth.employment = rng.choices(states, weights)[0]


def _school(city: Parameters, rng: Random, everyone: Sequence[Pair]) -> None:
    """不登校（ひとり親の世帯に多い）とヤングケアラー（ケアの要る人と暮らす子に多い）。"""
    rates, carers = city.raw["school"], city.raw["young_carers"]
    for low, high, rate in ((6, 11, rates["elementary"]), (12, 14, rates["junior"])):
        pupils = [pair for pair in everyone if low <= pair[1].age <= high]
        absent = _weighted(rng, pupils, lambda pair: rates["lone_parent_factor"] if pair[0].type == "L" else 1, round(rate * len(pupils)))
        for _, child in absent:
            child.truth.school_absence = rng.choices(("d30_89", "d90plus"), (55, 45))[0]
    teens = [pair for pair in everyone if carers["ages"][0] <= pair[1].age <= carers["ages"][1]]
    for _, child in _weighted(rng, teens, lambda pair: 5 if _needs_care(pair[0]) else 1, round(carers["rate"] * len(teens))):
        child.truth.care_role = True


def _needs_care(household: Household) -> bool:
    return household.type == "L" or any(m.truth.care_level != "none" or m.truth.handbooks for m in household.members)


def _key_persons(city: Parameters, rng: Random, households: Iterable[Household]) -> None:
    """キーパーソン: 奥の圏域ほど、いない一人暮らしが多い。"""
    for household in households:
        none = city.areas[household.area].key_person_none if household.type in ("S65", "S64") else 0.04
        roll = rng.random()
        household.key_person = "lost" if roll < none else "weak" if roll < none + city.raw["key_person"]["weak"] else "ok"


def _watches(city: Parameters, rng: Random, households: Iterable[Household]) -> None:
    """見守りの段階: 75歳以上の単身と夫婦のうち A 3 %・B 8 %・C 20 %、心配の大きい順に選ばれやすい。"""
    eligible = [h for h in households if h.type in ("S65", "C65", "C1") and any(m.age >= PARENT_FROM for m in h.members)]
    count = len(eligible)
    for tier in ("A", "B", "C"):
        free = [household for household in eligible if not household.watch]
        for household in _weighted(rng, free, _worry, round(city.raw["watch"][tier] * count)):
            household.watch = tier


def _worry(household: Household) -> float:
    oldest = max(household.members, key=lambda member: member.age)
    sick = oldest.truth.care_level not in ("none", "jigyo") or oldest.truth.dementia != "none"
    return (1 + max(0, oldest.age - PARENT_FROM) / 4) * (2 if sick else 1) * (2 if household.type == "S65" else 1)


def _homes(city: Parameters, rng: Random, households: Sequence[Household]) -> None:
    """ごみと多頭飼育: 判断能力の低下と一人暮らしに偏る。"""

    def weight(household: Household) -> float:
        unwell = any(m.truth.dementia != "none" or any(h.startswith("mental") for h in m.truth.handbooks) for m in household.members)
        return (6 if household.type in ("S65", "S64") else 1) * (8 if unwell else 1)

    for household in _weighted(rng, households, weight, city.raw["rubbish"]["households"]):
        household.rubbish = True
    for household in _weighted(rng, households, weight, city.raw["animals"]["households"]):
        household.animals = True


def _as_told(household: Household, as_of: date) -> None:
    told = demo.story(household.demo)
    household.key_person, household.poverty = told.key_person, told.poverty
    for number, facts in told.truth.items():
        truth = household.members[number].truth
        for name, value in facts.items():
            setattr(truth, name, value)
        if truth.withdrawn != "none":
            truth.withdrawn_since = as_of - timedelta(days=17 * 365)


def _weighted(rng: Random, items: Sequence[T], weight: Callable[[T], float], count: int) -> list[T]:
    """`count` different items, heavier ones more likely (Efraimidis–Spirakis keys)."""
    keyed = sorted(((rng.random() ** (1 / weight(item)), nth) for nth, item in enumerate(items)), reverse=True)
    return [items[nth] for _, nth in keyed[: max(0, count)]]
