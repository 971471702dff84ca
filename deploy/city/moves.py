"""世帯の移り変わり: 登録・出生・死亡・転出・離婚・施設入所。The life course of a household over ten years."""

from datetime import date, timedelta

from deploy.city import names
from deploy.city.life import Life
from deploy.city.parameters import ADULT
from deploy.city.people import Person
from deploy.city.population import identity

#: type → (role, relation, generation, marital) of the one who left, as seen from today's head
_SPOUSE = ("spouse", "12", 0, "married")
_PARENT = ("parent", "52", -1, "widowed")
_GRANDPARENT = ("grandparent", "52,52", -1, "widowed")


def live(life: Life, seed: int) -> None:
    """Puts registration, births and departures on the agenda."""
    registered = life.first = _registration_day(life)
    leaving = [] if life.household.demo else _departures(life, registered, seed)
    former = life.household.former = life.household.former or [person for person, _, _ in leaving]
    born_since = [m for m in life.household.members if m.birth > registered]
    present = [m for m in life.household.members if m.birth <= registered] + former
    life.on(registered, lambda at: life.diary.register(at, present, registered > life.start))
    for child in born_since:
        reported = min(max(life.later(child.birth, 3, 14), registered + timedelta(days=1)), life.today - timedelta(days=3))
        life.on(reported, lambda at, child=child: life.diary.join(at, child))  # type: ignore[misc]
    for person, reason, day in leaving:
        life.on(day, lambda at, person=person, reason=reason: life.diary.leave(at, person, reason))  # type: ignore[misc]


def _registration_day(life: Life) -> date:
    """始まりの日にいた世帯が多く、転入や独立は途中から。世帯主と配偶者が18歳になる前には登録しない。"""
    first = life.start
    if not life.household.demo and life.chance(life.rates["moved_in"].get(life.household.type, 0)):
        first = life.day_between(life.start + timedelta(days=30), life.today - timedelta(days=45))
    adults = [m for m in life.household.members if m.role in ("head", "spouse")]
    of_age = max(_birthday(m.birth, ADULT) for m in adults)
    if of_age > first:
        first = min(of_age + timedelta(days=life.rng.randint(5, 900)), life.today - timedelta(days=10))
    return max(first, of_age, life.start)


def _birthday(birth: date, years: int) -> date:
    return birth.replace(year=birth.year + years, day=min(birth.day, 28))


def _departures(life: Life, registered: date, seed: int) -> list[tuple[Person, str, date]]:
    first, last = registered + timedelta(days=60), life.today - timedelta(days=3)
    if first >= last:
        return []
    found = _who_left(life)
    if found is None:
        return []
    (role, relation, generation, marital), reason, years_older = found
    day = life.day_between(first, last)
    return [(_former(life, seed, role, relation, generation, marital, years_older, day), reason, day)]


def _who_left(life: Life) -> tuple[tuple[str, str, int, str], str, float] | None:
    """(続柄など, 理由, 世帯主との年の差) of the one who left within the ten years, or nobody."""
    kind, rates, head = life.household.type, life.rates, life.household.members[0]
    widowed = head.marital == "widowed"
    gap = life.rng.gauss(2.5 if head.sex == "F" else -2.5, 3)
    if kind in rates["widowed"] and widowed and life.chance(rates["widowed"][kind] / 0.66):
        return _SPOUSE, "died", gap
    if kind in rates["facility"] and widowed and life.chance(rates["facility"][kind] / 0.66):
        return _SPOUSE, "facility", gap
    if kind in rates["divorced"] and head.marital == "divorced" and life.chance(rates["divorced"][kind]):
        return _SPOUSE, "divorced", gap
    if kind in rates["grandparent_died"] and life.chance(rates["grandparent_died"][kind]):
        return (_GRANDPARENT, "died", 50) if head.generation else (_PARENT, "died", 25)
    if kind in rates["parent_died"] and 45 <= head.age and head.marital != "widowed" and life.chance(rates["parent_died"][kind] * 2.2):
        return _PARENT, "died", life.rng.gauss(29, 3)
    if kind in rates["child_left"] and life.chance(rates["child_left"][kind]):
        return ("child", "20", 1, "unmarried"), "moved_out", -life.rng.gauss(29, 3)
    return None


def _former(life: Life, seed: int, role: str, relation: str, generation: int, marital: str, years_older: float, day: date) -> Person:
    """Somebody who lived here until `day`, of a believable age then."""
    head = life.household.members[0]
    sex = {"M": "F", "F": "M"}[head.sex] if role == "spouse" else life.rng.choice("MF")
    birth = head.birth - timedelta(days=round(years_older * 365.25))
    if role in ("grandparent", "parent"):  # nobody older than 104 on the day
        birth = max(birth, day.replace(year=day.year - 104, day=min(day.day, 28)))
    if role == "child":
        birth = min(birth, day - timedelta(days=18 * 366))
    first = names.given(life.rng, sex, birth.year, {member.given for member in life.household.members})
    no = life.household.no
    his = {"12": "11", "52": "51"}
    return Person(
        id=identity(seed, "person", no, "former"), resident_no=f"9{no:07d}91", sex=sex, birth=birth, age=(day - birth).days // 365, role=role,
        relation=his.get(relation, relation) if sex == "M" else relation, generation=generation, surname=head.surname, marital=marital,
        surname_kana=head.surname_kana, given=first.written, given_kana=first.kana, registry_no=head.registry_no,
    )  # fmt: skip
