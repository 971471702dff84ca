"""世帯類型ごとの組み立て（§9.2）。Each type takes exactly its households, persons, elderly and minors from the pool."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from deploy.city.parameters import ADULT, ELDERLY, HouseholdType
from deploy.city.pool import OLDEST, Pool, spread

WORKING_AGE = (ADULT, ELDERLY - 1)
OLD = (ELDERLY, OLDEST + 4)
YOUNG = (0, ADULT - 1)


class Place(NamedTuple):
    """世帯の中の一人分。`generation` は0が最も上の世代、`relation` は続柄コード（§8.2、世帯主から）。"""

    role: str
    relation: str
    generation: int
    sex: str
    age: int
    marital: str


class Hand:
    """The dealer's hand: one city's pool and dice, and the parts families are made of."""

    def __init__(self, shape: dict[str, Any], pool: Pool, rng: Random) -> None:
        self.shape, self.pool, self.rng = shape, pool, rng

    def chance(self, key: str) -> bool:
        return self.rng.random() < float(self.shape[key])

    def sex(self, women: float) -> str:
        return "F" if self.rng.random() < women else "M"

    def couple(self, husband: float, limits: tuple[int, int], generation: int = 0, role: str = "head") -> list[Place]:
        """夫と妻（妻はおよそ2.5歳下）。role が parent なら世帯主から見た父と母。"""
        his = self.pool.take_sex("M", husband, *limits)
        hers = self.pool.take_sex("F", his - 2.5 + self.rng.gauss(0, 2.5), *limits)
        if role == "parent":
            return [Place("parent", "51", generation, "M", his, "married"), Place("parent", "52", generation, "F", hers, "married")]
        return [Place("head", "02", generation, "M", his, "married"), Place("spouse", "12", generation, "F", hers, "married")]

    def one(self, sex: str, target: float, limits: tuple[int, int], role: str, relation: str, generation: int, marital: str) -> Place:
        sex, age = self.pool.take_either(sex, target, *limits)
        return Place(role, _by_sex(relation, sex), generation, sex, age, marital)

    def elders(self, count: int, target: float, role: str) -> list[Place]:
        """上の世代: 夫婦、または一人（多くは母）。"""
        if count == 2:
            return self.couple(target, OLD, 0, role)
        return [self.one(self.sex(self.shape["mother_is_the_parent"]), target, OLD, role, "02" if role == "head" else "51", 0, "widowed")]

    def kids(self, count: int) -> list[tuple[str, int]]:
        """きょうだい: 最初の子は残りの人数に応じて、続く子は二、三年ずつ離れて。"""
        drawn = [self.pool.take_any(self.rng, *YOUNG)]
        for nth in range(1, count):
            step = 2.5 * ((nth + 1) // 2) * (1 if nth % 2 else -1)
            drawn.append(self.pool.take_either(self.sex(0.49), drawn[0][1] + step + self.rng.random(), *YOUNG))
        return drawn

    def parents_of(self, kids: list[tuple[str, int]], both: bool, women: float = 0.5, role: str = "head") -> list[Place]:
        """子の親: 母は出産のとき20〜44歳ほど、夫は二歳ほど上。role が child なら世帯主の子とその妻。"""
        eldest, youngest = max(age for _, age in kids), min(age for _, age in kids)
        mother = min(max(eldest + 29 + self.rng.gauss(0, 4), eldest + 18), youngest + 45)
        limits = (eldest + 16, WORKING_AGE[1]) if eldest > 2 else WORKING_AGE
        if not both:
            return [self.one(self.sex(women), mother, limits, role, "02" if role == "head" else "20", 1, self.lone())]
        pair = self.couple(mother + 2.5, limits, 1)
        return pair if role == "head" else [pair[0]._replace(role="child", relation="20"), pair[1]._replace(role="other", relation="20,12")]

    def lone(self) -> str:
        return self.rng.choices(("divorced", "unmarried", "widowed"), (80, 14, 6))[0]

    def unmarried(self) -> str:
        return self.rng.choices(("unmarried", "divorced"), (85, 15))[0]


def _by_sex(relation: str, sex: str) -> str:
    """父・母、兄・姉の続柄コードを性別に合わせる。"""
    pairs = {"51": ("51", "52"), "71": ("71", "81"), "74": ("74", "84")}
    return pairs[relation][sex == "F"] if relation in pairs else relation


def _single(hand: Hand, kind: HouseholdType, limits: tuple[int, int], maritals: tuple[str, ...], weights: tuple[int, ...]) -> Iterator[list[Place]]:
    for _ in range(kind.households):
        sex, age = hand.pool.take_any(hand.rng, *limits)
        yield [Place("head", "02", 0, sex, age, hand.rng.choices(maritals, weights)[0])]


def single_elderly(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    return _single(hand, kind, OLD, ("widowed", "divorced", "unmarried"), (66, 14, 20))


def single_adult(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    return _single(hand, kind, WORKING_AGE, ("unmarried", "divorced", "widowed"), (72, 24, 4))


def couple_elderly(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    for _ in range(kind.households):
        yield hand.couple(hand.rng.gauss(75.8, 6.3), OLD)


def couple_mixed(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    for _ in range(kind.households):
        elder_is_he = hand.chance("husband_is_elder_in_C1")
        his = hand.pool.take_sex("M", 68 + hand.rng.gauss(0, 2) if elder_is_he else 62, *(OLD if elder_is_he else WORKING_AGE))
        hers = hand.pool.take_sex("F", 62 if elder_is_he else 66, *(WORKING_AGE if elder_is_he else OLD))
        yield [Place("head", "02", 0, "M", his, "married"), Place("spouse", "12", 0, "F", hers, "married")]


def couple_young(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    for _ in range(kind.households):
        yield hand.couple(hand.rng.gauss(*hand.rng.choices(((35, 6), (58, 5)), (35, 65))[0]), WORKING_AGE)


def elderly_together(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    """きょうだい、または85歳以上の親と65歳以上の子。"""
    for size in spread(hand.rng, kind.persons, kind.households, least=2, most=3):
        if hand.chance("siblings_in_E"):
            head = hand.one("F", hand.rng.gauss(76, 5), OLD, "head", "02", 0, "unmarried")
            rest = [hand.one(hand.sex(0.55), head.age - 3 * nth, OLD, "sibling", "74", 0, "widowed") for nth in range(1, size)]
        else:
            head = hand.one("F", hand.rng.gauss(91, 3), (85, OLD[1]), "head", "02", 0, "widowed")
            rest = [hand.one(hand.sex(0.45), head.age - 25 - 2 * nth, (ELDERLY, 80), "child", "20", 1, hand.unmarried()) for nth in range(1, size)]
        yield [head, *rest]


def elderly_parent_and_child(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    """65歳以上の親と未婚の子。8050 はこの中にある。"""
    elders = spread(hand.rng, kind.elderly, kind.households, least=1, most=2)
    children = spread(hand.rng, kind.persons - kind.elderly, kind.households, least=1, most=3)
    for old, young in zip(elders, children, strict=True):
        child_is_head = hand.chance("child_is_head")
        parents = hand.elders(old, min(hand.rng.gauss(79.5, 7), 93), "parent" if child_is_head else "head")
        base = min(parent.age for parent in parents) - 28 + hand.rng.gauss(0, 3)
        kids = [hand.one("M" if hand.chance("son") else "F", base - 3 * n, WORKING_AGE, "child", "20", 1, hand.unmarried()) for n in range(young)]
        if child_is_head:
            first, *others = kids
            siblings = [kid._replace(role="sibling", relation=_by_sex("74", kid.sex)) for kid in others]
            kids = [first._replace(role="head", relation="02"), *siblings]
        yield [*kids, *parents] if child_is_head else [*parents, *kids]


def parent_and_adult_child(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    couples = round(kind.households * hand.shape["couples_in_P0"])
    children = spread(hand.rng, kind.persons - kind.households - couples, kind.households, least=1, most=3)
    for nth, young in enumerate(children):
        parent = min(max(hand.rng.gauss(57, 4), 44), 64)
        if nth < couples:
            parents = hand.couple(parent, (42, ELDERLY - 1))
        else:
            parents = [hand.one(hand.sex(hand.shape["mother_is_the_parent"]), parent, (42, ELDERLY - 1), "head", "02", 0, hand.lone())]
        base = min(p.age for p in parents) - 28
        yield parents + [hand.one(hand.sex(0.47), base - 2.5 * n, (ADULT, base + 12), "child", "20", 1, "unmarried") for n in range(young)]


def nuclear(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    minors = spread(hand.rng, kind.minors, kind.households, least=1, most=4)
    grown = spread(hand.rng, kind.persons - kind.minors - 2 * kind.households, kind.households, least=0, most=1)
    for young, adult in zip(minors, grown, strict=True):
        kids = hand.kids(young)
        parents = hand.parents_of(kids + [("F", ADULT + 1)] * adult, both=True)
        yield [*parents, *_children(kids), *(hand.one("M", 20, WORKING_AGE, "child", "20", 2, "unmarried") for _ in range(adult))]


def lone_parent(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    minors = spread(hand.rng, kind.minors, kind.households, least=1, most=4)
    grown = spread(hand.rng, kind.persons - kind.minors - kind.households, kind.households, least=0, most=1)
    for young, adult in zip(minors, grown, strict=True):
        kids = hand.kids(young)
        parent = hand.parents_of(kids + [("F", ADULT + 1)] * adult, both=False, women=hand.shape["mother_in_L"])
        yield [*parent, *_children(kids), *(hand.one("F", 20, WORKING_AGE, "child", "20", 2, "unmarried") for _ in range(adult))]


def three_generations(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    elders = spread(hand.rng, kind.elderly, kind.households, least=1, most=2)
    minors = spread(hand.rng, kind.minors, kind.households, least=1, most=4)
    adults = spread(hand.rng, kind.persons - kind.elderly - kind.minors, kind.households, least=2, most=3)
    for old, young, grown in zip(elders, minors, adults, strict=True):
        kids, old_is_head = hand.kids(young), hand.chance("grandparent_is_head")
        middle = hand.parents_of(kids, both=True, role="child" if old_is_head else "head")
        top = hand.elders(old, max(p.age for p in middle) + 28, "head" if old_is_head else "parent")
        aunt = ("child", "20") if old_is_head else ("sibling", "74")
        extra = [hand.one(hand.sex(0.45), middle[0].age - 3, WORKING_AGE, *aunt, 1, "unmarried") for _ in range(grown - 2)]
        young_people = _children(kids, "grandchild", "20,20") if old_is_head else _children(kids)
        yield [*top, *middle, *extra, *young_people] if old_is_head else [*middle, *young_people, *extra, *top]


def generations_without_minors(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    """老親と中年の夫婦（または一人）と成人した孫。"""
    elders = spread(hand.rng, kind.elderly, kind.households, least=1, most=2)
    couples = round(kind.households * hand.shape["couples_in_G2"])
    alone = kind.households - couples
    more = spread(hand.rng, kind.persons - kind.elderly - kind.households - couples - alone, kind.households, least=0, most=2)
    for nth, (old, extra) in enumerate(zip(elders, more, strict=True)):
        if nth < couples:
            middle, grandchildren = hand.couple(min(hand.rng.gauss(57, 5), 64), (40, ELDERLY - 1), 1), extra
        else:
            middle, grandchildren = [hand.one(hand.sex(0.45), 57, (42, ELDERLY - 1), "head", "02", 1, hand.lone())], extra + 1
        top = hand.elders(old, middle[0].age + 27, "parent")
        base = min(p.age for p in middle) - 28
        limits = (ADULT, max(base + 12, ADULT + 4))
        young = [hand.one(hand.sex(0.47), base - 2.5 * n, limits, "child", "20", 2, "unmarried") for n in range(grandchildren)]
        yield [*middle, *young, *top]


def others(hand: Hand, kind: HouseholdType) -> Iterator[list[Place]]:
    """きょうだい、おい・めい、同居人。未成年がいれば必ず大人と。"""
    sizes = spread(hand.rng, kind.persons, kind.households, least=2, most=4)
    old = spread(hand.rng, kind.elderly, kind.households, least=0, most=1)
    young = spread(hand.rng, kind.minors, kind.households, least=0, most=1)
    for size, elders, minors in zip(sizes, old, young, strict=True):
        people = [Place("head", "02", 0, *hand.pool.take_any(hand.rng, *OLD), "widowed") for _ in range(elders)]
        for _ in range(size - elders - minors):
            sex, age = hand.pool.take_any(hand.rng, *WORKING_AGE)
            role, relation = ("sibling", _by_sex("74", sex)) if people and abs(people[0].age - age) <= 15 else ("other", "99")
            people.append(Place(role, relation, 0, sex, age, "unmarried") if people else Place("head", "02", 0, sex, age, hand.unmarried()))
        for _ in range(minors):
            sex, age = hand.pool.take_any(hand.rng, *YOUNG)
            people.append(Place("grandchild" if elders else "other", "20,20" if elders else "99", 2, sex, age, "unmarried"))
        yield people


def _children(kids: list[tuple[str, int]], role: str = "child", relation: str = "20") -> list[Place]:
    return [Place(role, relation, 2, sex, age, "unmarried") for sex, age in kids]


#: The order matters: those with the narrowest ages take from the pool first, singles take who is left.
BUILDERS: dict[str, Callable[[Hand, HouseholdType], Iterator[list[Place]]]] = {
    "N": nuclear, "G3": three_generations, "L": lone_parent, "E+": elderly_together, "P0": parent_and_adult_child,
    "G2": generations_without_minors, "P65": elderly_parent_and_child, "C1": couple_mixed, "C65": couple_elderly,
    "C0": couple_young, "O": others, "S65": single_elderly, "S64": single_adult,
}  # fmt: skip
