"""画面に出す値をそろえる: 選択肢、候補の一枚、世帯員の一行。決めごとはしない。"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.intake import protection
from services.intake.concerns import ConcernFields
from services.intake.consultation import WithdrawReason
from services.intake.household import Household, Member, Person, Sex
from services.intake.lists import State
from services.intake.matching import Candidate, same_person
from services.intake.sheet import Sheet
from services.intake.typed import MEMBER_ROWS, Typed
from shared.contracts.codes import code_list, fact_kinds
from shared.contracts.consultation import ConsentState
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.contracts.referral import DeclineReason
from shared.runtime.announce import AnnouncedUnit
from shared.runtime.database import Read

Option = tuple[str, ...]
ANSWERS = {"made": "返事待ち", "accepted": "受理", "declined": "不受理", "held": "保留"}
_URGENCY_TONES = {"A": "danger", "B": "warning"}


def given(handle: Read, household_id: UUID, *more: str) -> tuple[str, ...]:
    """Codes of what a page about this household gives to this reader, for the audit."""
    place = ("phone", "address") if handle.rights is None or handle.rights.sees_place(household_id) else ("masked",)
    return ("name", "birth", *place, *more)


def as_seen(handle: Read, household: Household) -> Household:
    """この職員に見せる世帯: 所在を見てよい人のほかには、圏域・町名・電話がない。"""
    return household if handle.rights is None or handle.rights.sees_place(household.id) else protection.masked(household)


def choices(today: date) -> dict[str, Sequence[Option]]:
    """様式の選択肢。"""
    urgencies = code_list("CL-06", today)
    return {
        "routes": _numbered("CL-02", today),
        "main_topics": _numbered("CL-01", today),
        "topics": code_list("CL-01", today).choices(),
        "supports": [choice for choice in code_list("CL-05", today).choices() if choice[0] != "0"],
        "urgencies": [(e.code, f"{e.code} {e.label}", e.hint, _URGENCY_TONES.get(e.code, "")) for e in urgencies.entries],
        "consents": [(state.value, state.label) for state in ConsentState],
        "member_roles": [(role.value, role.label) for role in MemberRole],
        "sexes": [(sex.value, sex.label) for sex in (Sex.FEMALE, Sex.MALE, Sex.OTHER, Sex.UNKNOWN)],
        "areas": [(area.value, area.label) for area in Area],
        "leaving_reasons": [(reason.value, reason.label) for reason in LeavingReason],
        "withdraw_reasons": [(reason.value, reason.label) for reason in WithdrawReason],
    }


def _numbered(list_id: str, today: date) -> list[Option]:
    """様式の番号つき。番号キーで選べる。"""
    return [(code, f"{code} {label}") for code, label in code_list(list_id, today).choices()]


def target_options(targets: Sequence[AnnouncedUnit]) -> list[Option]:
    return [(unit.unit, unit.title) for unit in targets]


@dataclass(frozen=True, slots=True)
class FormView:
    """受付の様式。打たれたままの値と、欄ごとの直すところ。"""

    typed: Typed
    errors: Mapping[str, str]
    concerns: ConcernFields
    targets: Sequence[Option]

    def context(self, today: date, **more: Any) -> dict[str, Any]:
        errors = in_form_order(self.errors, self.typed)
        rows = [self.typed.row(prefix) for prefix in self.typed.rows]
        blank = dict.fromkeys(self.typed.row(""), "")
        values = {"v": self.typed, "errors": errors, "concerns": self.concerns, "targets": self.targets, "rows": rows, "blank": blank}
        return choices(today) | values | {"max_rows": MEMBER_ROWS, "today": today} | more


def in_form_order(errors: Mapping[str, str], typed: Typed) -> dict[str, str]:
    """直すところを、画面の上から順に。"""
    person = ("name", "kana", "birth", "age", "sex", "role")
    rows = [prefix + name for prefix in typed.rows for name in ("role", *person, *typed.kinds)]
    order = [
        "route",
        "visitor_name",
        "visitor_relation",
        "visitor_phone",
        *person,
        "area",
        "town",
        "phone",
        *typed.kinds,
        "key_person",
        *rows,
        "text",
    ]
    place = {name: number for number, name in reversed(list(enumerate(order)))}
    return dict(sorted(errors.items(), key=lambda item: place.get(item[0], len(order))))


def describe(member: Member, today: date) -> str:
    """「長女 佐藤 花子（53歳）」のような一人分。"""
    age = member.person.birth.age_at(today)
    about = "くらい" if member.person.birth.estimated else ""
    return f"{member.person.role.label} {member.display_name}" + (f"（{age}歳{about}）" if age is not None else "（年齢不詳）")


@dataclass(frozen=True, slots=True)
class Card:
    """候補の一枚。"""

    household_id: UUID
    name: str
    kana: str
    lines: tuple[str, ...]
    why: tuple[tuple[str, bool], ...]
    score: int
    grade: str


def card(candidate: Candidate, household: Household, today: date) -> Card:
    """一致した人を先頭に、いっしょに住む人と理由を添える。"""
    lead = household.member(candidate.matches[0].member_id)
    others = [describe(member, today) for member in household.present if member.id != lead.id]
    why = [(reason, True) for reason in candidate.matches[0].reasons] + [(reason, False) for reason in candidate.matches[0].against]
    why += [(f"{household.member(match.member_id).display_name}さんも一致", True) for match in candidate.matches[1:] if match.member_id != lead.id]
    return Card(
        household_id=household.id,
        name=lead.display_name,
        kana=lead.person.kana,
        lines=(f"{place_of(household)}・{describe(lead, today)}", "同居: " + "、".join(others) if others else "同居の人の登録はありません"),
        why=tuple(why),
        score=min(candidate.score, 100),
        grade=candidate.grade.label,
    )


@dataclass(frozen=True, slots=True)
class Linked:
    """つなぐと決めた世帯。入力した人が、登録済みか、新しく加わるか。"""

    household_id: UUID
    name: str
    place: str
    members: tuple[str, ...]
    joining: tuple[str, ...]


def linked(household: Household, sheet: Sheet, today: date) -> Linked:
    known = list(household.present)
    joining = []
    for one in sheet.persons:
        already = same_person(one.person, known)
        if already:
            known.remove(already)
        elif one.person.name or one.person.kana:
            joining.append(one.person.name or one.person.kana)
    first = household.present[0].display_name if household.present else "世帯員なし"
    return Linked(
        household.id, f"{first}さんの世帯", place_of(household), tuple(describe(member, today) for member in household.present), tuple(joining)
    )


def person_typed(person: Person) -> dict[str, Any]:
    """世帯員の訂正の様式に入れる値。"""
    return {
        "role": person.role.value,
        "name": person.name,
        "kana": person.kana,
        "birth": person.birth.on,
        "age": str(person.birth.age) if person.birth.age is not None else "",
        "sex": person.sex.value if person.sex else "",
        "phone": person.phone,
    }


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """「世帯をさがす」で見つかった一人。"""

    household_id: UUID
    name: str
    kana: str
    about: str
    place: str
    others: str


def found_person(household: Household, member_id: UUID, today: date) -> FoundPerson:
    member = household.member(member_id)
    left = f"（{member.left_on.year}年 {member.left_reason.label}）" if member.left_on and member.left_reason else ""
    others = "、".join(describe(other, today) for other in household.present if other.id != member_id)
    return FoundPerson(household.id, member.display_name, member.person.kana, describe(member, today) + left, place_of(household), others)


def place_of(household: Household) -> str:
    return " ".join(part for part in (household.area.label, household.town) if part)


def labels(today: date) -> dict[str, Any]:
    """区分の表示名。終わった区分も読める。"""
    return {
        "topic_names": code_list("CL-01", today),
        "route_names": code_list("CL-02", today),
        "support_names": code_list("CL-05", today),
        "answers": ANSWERS,
        "declined": {reason.value: reason.label for reason in DeclineReason},
        "states": [(state.value, state.label) for state in State],
        "urgency_tones": _URGENCY_TONES,
    }


def periods(today: date) -> list[tuple[str, str, str]]:
    """受付簿のよく使う期間: (表示, since, until)。"""
    monday = today - timedelta(days=today.weekday())
    return [
        ("今日", "", ""),
        ("今週", monday.isoformat(), today.isoformat()),
        ("今月", today.replace(day=1).isoformat(), today.isoformat()),
        ("30日", (today - timedelta(days=30)).isoformat(), today.isoformat()),
    ]


def member_lines(household: Household, today: date) -> list[str]:
    return [describe(member, today) for member in household.present]


def fact_lines(facts: Sequence[Any], household: Household) -> list[tuple[str, str, bool]]:
    """聞き取った事実: (だれの何, 値, 取り下げたか)。"""
    kinds = fact_kinds()
    names = {member.id: member.display_name for member in household.members}
    lines = []
    for fact in facts:
        kind = kinds.get(fact.kind)
        who = f"{names.get(fact.member_id, '')} " if fact.member_id else ""
        lines.append((who + (kind.label if kind else fact.kind), kind.label_of(fact.value) if kind else fact.value, fact.retracted_at is not None))
    return lines
