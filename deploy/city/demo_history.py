"""demo.yaml の history を、その世帯の出来事として語る。"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

from deploy.city import demo, duplicates
from deploy.city.diary import japan_day
from deploy.city.life import Life, Note
from deploy.city.people import Person

_JST = timedelta(hours=9)
_MORNING = time(10, 30)


def former_members(life: Life) -> list[Person]:
    """The people who left, as the story names them."""
    told = demo.story(life.household.demo)
    head = life.household.members[0]
    return [
        Person(
            id=uuid5(head.id, f"former/{number}"), resident_no=f"9{life.household.no:07d}9{number}", sex=place.sex,
            birth=life.today - timedelta(days=round((place.age + 0.4) * 365.25)), age=place.age, role=place.role, relation=place.relation,
            generation=place.generation, surname=head.surname, surname_kana=head.surname_kana, given=word.written, given_kana=word.kana,
            registry_no=head.registry_no, marital=place.marital,
        )
        for number, (place, word) in enumerate(zip(told.former, told.former_given, strict=True))
    ]  # fmt: skip


def tell(life: Life) -> None:
    told = demo.story(life.household.demo)
    Teller(life).all(told.history)


class Teller:
    """Each step happens at its own moment; a consultation is answered by its desk three days later."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.plan: UUID | None = None

    def all(self, steps: tuple[Mapping[str, Any], ...]) -> None:
        for step in steps:
            (verb,) = set(step) - {"days_ago", "minutes_later"}
            exact = self.life.until - timedelta(days=step["days_ago"]) + timedelta(minutes=step.get("minutes_later", 0))
            act = getattr(self, f"_{verb}")
            self.life.on(japan_day(exact), lambda at, act=act, told=step[verb], exact=exact: act(at, exact, told))  # type: ignore[misc]

    def _who(self, number: int | str | None) -> Person | None:
        if number is None:
            return None
        return self.life.household.former[int(number[1:])] if isinstance(number, str) else self.life.household.members[number]

    def _consult(self, at: datetime, exact: datetime, told: Mapping[str, Any]) -> None:
        who = self._who(told["member"])
        assert who is not None
        refer_to = [told["to"]] if "to" in told else []
        referrals = self.life.diary.consult(
            at, told["topics"], text=told["text"], members=[who], refer_to=refer_to, route=told.get("route", "2"),
            urgency=told.get("urgency", "C"), consent=told.get("consent", "given"),
        )  # fmt: skip
        for referral in referrals:
            self.life.on(japan_day(at) + timedelta(days=3), lambda later, referral=referral: self.life.accept(later, referral))  # type: ignore[misc]

    def _fact(self, at: datetime, exact: datetime, told: Mapping[str, Any]) -> None:
        since = self._years_ago(told["since_years"]) if "since_years" in told else None
        note = Note(0, told["kind"], told["value"], self._who(told.get("member")), since, told.get("confidence", "confirmed"))
        self.life.record(at, told["unit"], note)

    def _note(self, at: datetime, exact: datetime, told: Mapping[str, Any]) -> None:
        self.life.diary.note(at, told["unit"], told["method"], told["partner"], told["shared"], told.get("private", ""))

    def _years_ago(self, years: int) -> date:
        return self.life.today - timedelta(days=round(years * 365.25))

    def _leave(self, at: datetime, exact: datetime, told: Mapping[str, Any]) -> None:
        who = self._who(told["member"])
        assert who is not None
        self.life.diary.leave(at, who, told["reason"])

    def _duplicate(self, at: datetime, exact: datetime, told: Mapping[str, Any]) -> None:
        who = self._who(told["member"])
        assert who is not None
        duplicates.take_again(self.life.diary, at, who, ("12",), told["text"], written=told["written"])

    def _watch(self, at: datetime, exact: datetime, told: Mapping[str, Any]) -> None:
        who = self._who(told["member"])
        assert who is not None
        self.plan = self.life.diary.watch(exact, told["tier"], who, told["text"])

    def _check_in(self, at: datetime, exact: datetime, outcome: str) -> None:
        assert self.plan is not None
        morning = datetime.combine(japan_day(exact), _MORNING, UTC) - _JST
        self.life.diary.check_in(min(morning, self.life.until), self.plan, outcome)
