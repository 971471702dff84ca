"""様式を相談受付票に読む: 読めない欄は、欄ごとに何をすればよいかを `problems` に書く。何も捨てず、何も推測しない。"""

import unicodedata
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from services.intake import writing
from services.intake.concerns import ConcernField, ConcernFields
from services.intake.household import OLDEST, Birth, Person, Sex
from services.intake.sheet import Concern, Sheet, SheetPerson, Visitor
from services.intake.typed import Typed
from services.intake.writing import Unwritable
from shared.contracts.codes import CodeList, code_list
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import HouseholdId
from shared.contracts.household import Area, MemberRole
from shared.desk.wareki import DateUnreadable, parse_date

CHOOSE_AGAIN = "選択肢にない値です。選び直してください。"
OLD_SCREEN = "画面が古くなっていました。内容を確かめて、もう一度保存してください。"
BIRTH_AHEAD = "生年月日が先の日付です。確かめてください。"
BIRTH_LONG_AGO = f"{OLDEST}年より前の日付です。元号を確かめてください。"
AGE_UNREADABLE = f"年齢は 0 から {OLDEST} の数字で入れてください（例 82）。"
UNKNOWN_WORDS = ("不詳", "不明", "わからない", "分からない")
#: 使われる年月日の欄が年齢で書かれることがある（「82歳」）
_AGE_WORDS = str.maketrans("", "", "歳才くらい位約代 ")

Code = TypeVar("Code", bound=StrEnum)


class Reader:
    """一枚を読むあいだ、読めなかった欄を集める。"""

    def __init__(self, typed: Typed, fields: ConcernFields, today: date) -> None:
        self.typed, self.fields, self.today = typed, fields, today
        self.problems: dict[str, str] = {}

    def written(self, name: str, how: Callable[[str], str]) -> str:
        try:
            return how(self.typed.one(name))
        except Unwritable as refused:
            self.problems[name] = refused.sentence
            return ""

    def code(self, name: str, codes: CodeList) -> str:
        value = self.typed.one(name)
        if value and not codes.has(value):
            self.problems[name] = CHOOSE_AGAIN
        return value

    def codes(self, name: str, codes: CodeList) -> tuple[str, ...]:
        values = self.typed.all(name)
        if any(not codes.has(value) for value in values):
            self.problems[name] = CHOOSE_AGAIN
        return tuple(value for value in values if codes.has(value))

    def choice(self, name: str, kind: type[Code], default: Code) -> Code:
        try:
            return kind(self.typed.one(name) or default)
        except ValueError:
            self.problems[name] = CHOOSE_AGAIN
            return default

    def identifier(self, name: str, value: str, sentence: str) -> UUID | None:
        try:
            return UUID(value) if value else None
        except ValueError:
            self.problems[name] = sentence
            return None

    def birth(self, prefix: str) -> Birth:
        """生年月日か、年齢か、不詳（どちらも空）。両方あれば生年月日をとる。"""
        day, age = self.typed.one(prefix + "birth").strip(), self.typed.one(prefix + "age").strip()
        if day.endswith(("歳", "才")):
            day, age = "", age or day
        if day and day not in UNKNOWN_WORDS:
            return self._birthday(prefix + "birth", day)
        return self._age(prefix + "age", age) if age and age not in UNKNOWN_WORDS else Birth()

    def _birthday(self, name: str, text: str) -> Birth:
        try:
            day = parse_date(text, today=self.today)
        except DateUnreadable as unreadable:
            self.problems[name] = unreadable.sentence
            return Birth()
        if day > self.today:
            self.problems[name] = BIRTH_AHEAD
        elif day.year < self.today.year - OLDEST:
            self.problems[name] = BIRTH_LONG_AGO
        return Birth(on=day)

    def _age(self, name: str, text: str) -> Birth:
        digits = unicodedata.normalize("NFKC", text).translate(_AGE_WORDS)
        if digits.isascii() and digits.isdecimal() and len(digits) <= 3 and int(digits) <= OLDEST:
            return Birth(age=int(digits), asked_on=self.today)
        self.problems[name] = AGE_UNREADABLE
        return Birth()

    def person(self, prefix: str, default_role: MemberRole) -> Person:
        sex = self.typed.one(prefix + "sex")
        return Person(
            role=self.choice(prefix + "role", MemberRole, default_role),
            name=self.written(prefix + "name", writing.person_name),
            kana=self.written(prefix + "kana", writing.kana),
            birth=self.birth(prefix),
            sex=self.choice(prefix + "sex", Sex, Sex.UNKNOWN) if sex else None,
            phone=self.written("phone", writing.phone) if not prefix else "",
        )

    def concerns(self, prefix: str, fields: tuple[ConcernField, ...]) -> tuple[Concern, ...]:
        found = []
        for field in fields:
            try:
                found.append(field.chosen(self.typed.one(prefix + field.kind)))
            except LookupError:
                self.problems[prefix + field.kind] = CHOOSE_AGAIN
        return tuple(concern for concern in found if concern)

    def visitor(self) -> Visitor:
        return Visitor(
            name=self.written("visitor_name", writing.person_name),
            relation=self.written("visitor_relation", writing.line),
            phone=self.written("visitor_phone", writing.phone),
        )

    def persons(self) -> tuple[SheetPerson, ...]:
        """対象の人、つづけて世帯の人。"""
        return (self.sheet_person("", MemberRole.HEAD), *(self.sheet_person(row, MemberRole.UNKNOWN) for row in self.typed.rows))

    def sheet_person(self, prefix: str, default_role: MemberRole) -> SheetPerson:
        return SheetPerson(self.person(prefix, default_role), self.concerns(prefix, self.fields.member))


def read(typed: Typed, *, fields: ConcernFields, today: date) -> Sheet:
    """打たれた様式を読む。◎を選んだ困りごとは、○がなくても困りごとに加える。"""
    reader = Reader(typed, fields, today)
    if typed.key is None:
        reader.problems["form_key"] = OLD_SCREEN
    topics = code_list("CL-01", today)
    main = reader.code("main_topic", topics)
    chosen = reader.codes("topics", topics)
    household_id = reader.identifier("household_id", typed.one("household_id"), CHOOSE_AGAIN)
    not_same = (reader.identifier("not_same", value, CHOOSE_AGAIN) for value in typed.all("not_same"))
    return Sheet(
        form_key=typed.key or UUID(int=0),
        route=reader.code("route", code_list("CL-02", today)),
        visitor=reader.visitor(),
        persons=reader.persons(),
        name_unknown=bool(typed.one("name_unknown")),
        area=reader.choice("area", Area, Area.UNKNOWN),
        town=reader.written("town", writing.line),
        household_concerns=reader.concerns("", fields.household),
        text=reader.written("text", writing.free_text),
        topics=tuple(dict.fromkeys([*chosen, *([main] if main in [e.code for e in topics.entries] else [])])),
        main_topic=main or None,
        urgency=reader.choice("urgency", Urgency, Urgency.D),
        urgency_confirmed=bool(typed.one("urgency_confirmed")),
        supports=reader.codes("supports", code_list("CL-05", today)),
        consent=reader.choice("consent", ConsentState, ConsentState.NOT_ASKED),
        refer_to=tuple(typed.all("refer_to")),
        household_id=HouseholdId(household_id) if household_id else None,
        not_same=tuple(one for one in not_same if one),
        problems=reader.problems,
    )
