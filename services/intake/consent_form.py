"""同意と撤回の様式を読む。読めない欄は ConsentIncomplete（欄ごとの文）。"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from starlette.datastructures import FormData

from services.intake import consent
from services.intake.consent import Consent, ConsentIncomplete, GivenBy, Source, Subject, Wish, WithdrawReason
from services.intake.household import Household, Member
from services.intake.typed import storable
from shared.contracts.consent import ConsentForm, ConsentItem, Purpose
from shared.contracts.event import MemberId
from shared.desk.wareki import DateUnreadable, parse_date

E = TypeVar("E", bound=StrEnum)
CHOOSE = "選んでください。"
OPEN_AGAIN = "画面を開き直して、もう一度お試しください。"
_MANY = ("purposes", "recipients", "excluded")
_LONGEST = 40


def as_typed(form: FormData) -> dict[str, Any]:
    """打たれたまま。欄に書き戻す。送られてこなかった欄は空。"""
    empty = dict.fromkeys(("member_id", "form", "given_by", "obtained_on", "valid_to", "explained_by", "scope", "reason"), "")
    once = empty | {name: storable(value) for name, value in form.multi_items() if isinstance(value, str) and name not in _MANY}
    return once | {name: [storable(one) for one in form.getlist(name) if isinstance(one, str)] for name in _MANY}


def blank(today: date, explained_by: str) -> dict[str, Any]:
    chosen = {"purposes": [Purpose.CONSULTATION.value], "recipients": [], "excluded": []}
    return chosen | {"member_id": "", "form": "written", "given_by": "self", "obtained_on": today, "valid_to": "", "explained_by": explained_by}


def subject_of(member: Member, today: date) -> Subject:
    return Subject(member.id, consent.adult_on(member.person.birth.on), member.person.birth.age_at(today))


class Reader:
    def __init__(self, typed: Mapping[str, Any], home: Household, today: date) -> None:
        self.typed, self.home, self.today = typed, home, today
        self.problems: dict[str, str] = {}

    def consent(self, at: datetime, by: str, days: int) -> tuple[Consent, Subject]:
        member, first = self.member(), self.day("obtained_on") or self.today
        ends = self.day("valid_to") or consent.last_day(first, days)
        read = {
            "purposes": frozenset(self.codes("purposes", Purpose)),
            "excluded": frozenset(self.codes("excluded", ConsentItem)),
            "form": self.code("form", ConsentForm),
            "given_by": self.code("given_by", GivenBy),
        }
        consent_id, explained_by = self.ident("consent_id"), str(self.typed.get("explained_by", "")).strip()
        if len(explained_by) > _LONGEST:
            self.problems["explained_by"] = f"{_LONGEST}文字までにしてください。"
        self.done()
        assert member
        assert consent_id
        made = Consent(
            id=consent_id, household_id=self.home.id, member_id=member.id, recipients=frozenset(self.typed["recipients"]), obtained_on=first,
            valid_from=first, valid_to=ends, said_at=at, source=Source.FORM, explained_by=explained_by, recorded_by=by, **read,  # type: ignore[arg-type]
        )  # fmt: skip
        return made, subject_of(member, first)

    def wish(self, at: datetime, by: str) -> Wish:
        """撤回の申し出。相手を選ばなければ、全部の撤回。"""
        member, reason, wish_id = self.member(any_time=True), self.code("reason", WithdrawReason), self.ident("withdrawal_id")
        some = self.typed.get("scope") == "some"
        if some and not self.typed["recipients"]:
            self.problems["recipients"] = "撤回する相手の窓口を選んでください。"
        self.done()
        assert member
        assert reason
        assert wish_id
        recipients = frozenset(self.typed["recipients"]) if some else None
        return Wish(wish_id, self.home.id, MemberId(member.id), recipients, reason, self.today, at, Source.FORM, by)

    def member(self, *, any_time: bool = False) -> Member | None:
        found = self.ident("member_id", consent.WHO_NEEDED)
        people = self.home.members if any_time else self.home.present
        member = next((one for one in people if one.id == found), None)
        if member is None:
            self.problems["member_id"] = consent.WHO_NEEDED
        return member

    def ident(self, name: str, sentence: str = OPEN_AGAIN) -> UUID | None:
        try:
            return UUID(str(self.typed.get(name, "")))
        except ValueError:
            self.problems[name] = sentence
            return None

    def code(self, name: str, kind: type[E]) -> E | None:
        found = next((one for one in kind if one.value == self.typed.get(name)), None)
        if found is None:
            self.problems[name] = CHOOSE
        return found

    def codes(self, name: str, kind: type[E]) -> list[E]:
        known = {one.value: one for one in kind}
        if set(self.typed[name]) - set(known):
            self.problems[name] = "一覧から選び直してください。"
        return [known[value] for value in self.typed[name] if value in known]

    def day(self, name: str) -> date | None:
        text = self.typed.get(name) or ""
        if isinstance(text, date) or not str(text).strip():
            return text if isinstance(text, date) else None
        try:
            return parse_date(str(text), today=self.today)
        except DateUnreadable as unreadable:
            self.problems[name] = unreadable.sentence
            return None

    def done(self) -> None:
        if self.problems:
            raise ConsentIncomplete(fields=self.problems)
