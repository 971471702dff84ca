"""窓口ごとの関わり: どの事情のある世帯が、いつ、どの窓口に知られ、何が記録されたか。"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from deploy.city.diary import japan_day
from deploy.city.life import Life, Note
from deploy.city.people import Person
from deploy.city.troubles import is_eighty_fifty

ELDERLY, DISABILITY, CHILDREN, POVERTY, CENTER = "cases-elderly", "cases-disability", "cases-children", "cases-poverty", "cases-center"
_LEVELS = ("support1", "support2", "care1", "care2", "care3", "care4", "care5")


def happen(life: Life) -> None:
    """Everything the desks came to know of this household."""
    for person in life.household.members:
        if person.truth.care_level != "none" or person.truth.dementia != "none":
            _growing_old(life, person)
        if person.truth.withdrawn != "none" and person.truth.withdrawn_known:
            _withdrawn(life, person)
        if person.truth.handbooks:
            _handbook(life, person)
        if person.truth.school_absence:
            _absent_from_school(life, person)
    if life.household.poverty:
        _in_need(life)
    if life.household.type == "L" and life.chance(0.3):
        _alone_with_children(life)
    _triage(life)
    _passing_by(life)


def _within(life: Life, day: date | None) -> date:
    """The day itself when it lies in the ten years, else some day of the first months."""
    return day if day and day > life.first + timedelta(days=40) else life.later(life.first, 40, 200)


def _growing_old(life: Life, person: Person) -> None:
    """介護の相談 → 高齢の窓口。要介護度は一段ずつ重くなり、認知症・キーパーソン・サービスが続く。"""
    truth, day = person.truth, _within(life, person.truth.care_since or life.day_between(life.today - timedelta(days=900), life.today))
    notes = []
    if truth.care_level != "none":
        notes += _certifications(life, person, day)
        notes.append(Note(life.rng.randint(15, 40), "service_use", "active" if life.chance(0.85) else "none", person))
    if truth.dementia != "none":
        confidence = "confirmed" if truth.dementia == "diagnosed" else "suspected"
        notes.append(Note(life.rng.randint(3, 300), "dementia", truth.dementia, person, confidence=confidence))
    notes.append(Note(life.rng.randint(2, 30), "key_person", life.household.key_person))
    notes += _accidents(life, person)
    if is_eighty_fifty(life.household):
        child = next(m for m in life.household.members if m.generation)
        concerned = child.truth.withdrawn != "none" and life.chance(0.45)
        if concerned or life.chance(0.2):
            notes.append(Note(life.rng.randint(30, 400), "child_concern", "yes" if concerned else "no", confidence="reported"))
    ends = None if truth.care_level != "none" and life.chance(0.85) else life.later(day, 200, 1200)
    text = "（架空の相談）介護の申請とサービスについて。" if truth.care_level != "none" else "（架空の相談）物忘れが増えた。"
    life.seek(day, ELDERLY, ("12", "01") if truth.care_level != "none" else ("01", "10"), text, [person], notes, ends=ends, reason="3", sure=True)


def _certifications(life: Life, person: Person, day: date) -> list[Note]:
    """初めの認定から今の要介護度まで、年に一段ほど。"""
    last = _LEVELS.index(person.truth.care_level)
    years = (life.today - day).days // 400
    first = max(0, last - min(years, 3))
    return [Note(8 + step * life.rng.randint(330, 420), "care_level", level, person) for step, level in enumerate(_LEVELS[first : last + 1])]


def _accidents(life: Life, person: Person) -> list[Note]:
    """入院して戻る、運転をやめる。"""
    notes = []
    if life.chance(0.12):
        admitted = life.rng.randint(60, 1500)
        notes += [Note(admitted, "whereabouts", "hospitalised", person), Note(admitted + life.rng.randint(10, 60), "whereabouts", "home", person)]
    if person.sex == "M" and life.chance(0.10):
        notes.append(Note(life.rng.randint(60, 1200), "driving", "stopped", person, confidence="reported"))
    return notes


def _withdrawn(life: Life, person: Person) -> None:
    """ひきこもりの相談。40歳以上は生活困窮、若い人は障害の窓口（ひきこもり支援）へ。"""
    truth, since = person.truth, person.truth.withdrawn_since
    earliest = max(life.first + timedelta(days=60), since or life.first, life.today - timedelta(days=1500))
    day = life.day_between(earliest, life.today - timedelta(days=20))
    unit = POVERTY if person.age >= 40 else DISABILITY
    notes = [
        Note(life.rng.randint(2, 20), "withdrawn", truth.withdrawn, person, since, "reported"),
        Note(life.rng.randint(2, 40), "employment", truth.employment, person, since, "reported"),
        Note(life.rng.randint(10, 60), "income_main", truth.income_main, person, confidence="reported"),
        Note(life.rng.randint(10, 60), "issue", "15", person),
    ]
    ends = life.later(day, 300, 1500) if life.chance(0.35) else None
    text = "（架空の相談）長く家にいる家族のことで、親から。"
    life.seek(day, unit, ("13", "10", "07"), text, [person], notes, ends=ends, reason="2", sure=True)


def _handbook(life: Life, person: Person) -> None:
    """手帳とサービスの相談 → 障害の窓口。"""
    kind = person.truth.handbooks[0]
    known = {"i": 0.7, "m": 0.5, "p": 0.12}[kind[0]]
    if not life.chance(known):
        return
    day = life.day_between(life.first + timedelta(days=40), life.today - timedelta(days=15))
    notes = [Note(life.rng.randint(1, 20), "handbook", kind, person)]
    notes += [Note(life.rng.randint(5, 60), "service_use", "active" if life.chance(0.7) else "none", person)]
    if person.truth.employment:
        notes.append(Note(life.rng.randint(5, 60), "employment", person.truth.employment, person))
    if kind.startswith("intellectual") and any(m.generation < person.generation and m.age >= 65 for m in life.household.members):
        notes.append(Note(life.rng.randint(30, 200), "issue", "32", person))
    ends = life.later(day, 200, 1500) if life.chance(0.55) else None
    life.seek(day, DISABILITY, ("01", "07"), "（架空の相談）手帳とサービスについて。", [person], notes, ends=ends)


def _absent_from_school(life: Life, child: Person) -> None:
    day = life.day_between(max(life.today - timedelta(days=500), life.first), life.today - timedelta(days=20))
    notes = [
        Note(life.rng.randint(1, 15), "school_absence", child.truth.school_absence, child),
        Note(life.rng.randint(2, 30), "issue", "17", child),
    ]
    if life.household.type == "L":
        notes.append(Note(life.rng.randint(2, 30), "issue", "20"))
    if "school" in life.household.arrears:
        notes.append(Note(life.rng.randint(2, 30), "arrears_school", life.household.arrears["school"], confidence="reported"))
    if child.truth.care_role:
        notes.append(Note(life.rng.randint(10, 60), "issue", "33", child, confidence="suspected"))
    life.seek(day, CHILDREN, ("13", "11"), "（架空の相談）学校から。休みが続いている。", [child], notes, sure=life.chance(0.6))


def _in_need(life: Life) -> None:
    """生活の困りごと → 生活困窮の窓口。"""
    head = life.household.members[0]
    day = life.day_between(max(life.first + timedelta(days=40), life.today - timedelta(days=1400)), life.today - timedelta(days=10))
    arrears = {kind: months for kind, months in life.household.arrears.items() if kind != "school"}
    notes = [Note(life.rng.randint(2, 30), f"arrears_{kind}", months, confidence="reported") for kind, months in arrears.items()]
    if head.truth.income_main:
        notes.append(Note(life.rng.randint(2, 30), "income_main", head.truth.income_main, head))
    if head.truth.employment:
        notes.append(Note(life.rng.randint(1, 20), "employment", head.truth.employment, head, confidence="reported"))
    notes.append(Note(life.rng.randint(2, 30), "issue", "09"))
    if "utility" in life.household.arrears and life.chance(0.25):
        notes.append(Note(life.rng.randint(2, 40), "lifeline", "stop_notice", confidence="reported"))
    if life.household.rubbish:
        notes.append(Note(life.rng.randint(5, 60), "living_env", "rubbish2"))
    ends = life.later(day, 120, 900) if life.chance(0.6) else None
    life.seek(day, POVERTY, ("03", "05", "04"), "（架空の相談）生活費と支払いのこと。", [head], notes, ends=ends, urgency=life.rng.choice("BCCD"))


def _alone_with_children(life: Life) -> None:
    parent = life.household.members[0]
    day = life.day_between(max(life.first + timedelta(days=40), life.today - timedelta(days=1400)), life.today - timedelta(days=10))
    notes = [Note(life.rng.randint(2, 30), "issue", "20"), Note(life.rng.randint(2, 30), "marital", parent.marital, parent)]
    ends = life.later(day, 150, 900) if life.chance(0.6) else None
    life.seek(day, CHILDREN, ("11", "03"), "（架空の相談）一人で育てていくことについて。", [parent], notes, ends=ends)


def _triage(life: Life) -> None:
    """二つの窓口が関わる世帯の一部は、福祉相談センターにもつながる（多機関協働、§9.3 で年8〜15件）。"""

    def look(at: datetime) -> None:
        if len(life.diary.cases) >= 2 and CENTER not in life.diary.cases:
            person = life.household.members[0]
            ends = life.later(japan_day(at), 200, 700) if life.chance(0.6) else None
            text = "（架空の相談）窓口どうしの役割を決めたい。"
            life.seek(life.later(japan_day(at), 1, 20), CENTER, ("10", "99"), text, [person], [], ends=ends, reason="2", sure=True)

    if life.chance(life.rates["triaged"]):
        life.on(life.day_between(life.today - timedelta(days=1200), life.today), look)


def _passing_by(life: Life) -> None:
    """ほかの相談。多くは情報提供で終わり、一部は短く関わって終わる（ポアソン、季節つき）。"""
    first, last = life.first + timedelta(days=30), life.today - timedelta(days=2)
    expected = _rate(life) * life.city.history_years
    day = first
    count = 0
    gap = life.rng.expovariate(expected) if expected else 2.0
    while gap < 1.0 and count < 40:
        count += 1
        gap += life.rng.expovariate(expected)
        day = life.day_between(first, last)
        _one_visit(life, day)


def _one_visit(life: Life, day: date) -> None:
    head = life.household.members[0]
    unit, topics, text = _reason_to_come(life, head)
    if life.chance(life.rates["referred"] * 0.35):
        ends = life.later(day, 30, round(life.rates["case_days_median"] * 1.5))
        life.seek(day, unit, topics, text, [head], [], ends=ends, reason=life.rng.choice("1136"))
    else:
        life.on(day, lambda at: life.asked(at, topics, text, head))


def _rate(life: Life) -> float:
    rates, household = life.rates["consultations_per_year"], life.household
    if household.type == "L":
        return float(rates["lone_parent"])
    if household.poverty:
        return float(rates["poverty"])
    if any(m.truth.handbooks for m in household.members):
        return float(rates["handbook"])
    if any(m.is_elderly for m in household.members):
        return float(rates["elderly"])
    return float(rates["minors"] if any(m.is_minor for m in household.members) else rates["other"])


def _reason_to_come(life: Life, head: Person) -> tuple[str, Sequence[str], str]:
    if any(m.is_minor for m in life.household.members):
        return CHILDREN, ("11", "10"), "（架空の相談）子育てのこと。"
    if head.is_elderly:
        return ELDERLY, life.rng.choice((("12",), ("01", "12"), ("09", "99"), ("02", "12"))), "（架空の相談）これからの暮らしについて。"
    return POVERTY, life.rng.choice((("07", "03"), ("08",), ("06", "04"), ("05",))), "（架空の相談）仕事とお金のこと。"
