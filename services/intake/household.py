"""世帯: 生活実態でいっしょに暮らす人たち（住民票の世帯とは限らない。domain.md §0.1-7）。

ここで決めること: 登録、加わる、離れる、訂正。氏名・生年月日はこの窓口だけが持ち、出来事には続柄と生年月だけを載せる。
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from uuid import UUID

from shared.contracts.decision import Outcome
from shared.contracts.event import Event, HouseholdId, LegalBasis, MemberId, Month
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberCorrected, MemberJoined, MemberLeft, MemberRole
from shared.desk.wareki import age_on
from shared.runtime.problems import ChangedMeanwhile, NotFound, Refusal

OLDEST = 130


class Sex(StrEnum):
    """domain.md §8.4。空欄は「聞いていない」。"""

    MALE = "1"
    FEMALE = "2"
    UNKNOWN = "0"
    OTHER = "9"

    @property
    def label(self) -> str:
        return {"1": "男", "2": "女", "0": "不明", "9": "その他・回答しない"}[self.value]


class MemberAlreadyLeft(Refusal):
    code = "member_already_left"
    sentence = "この人はすでに世帯を離れています。画面を開き直して確かめてください。"


class LeavingDateWrong(Refusal):
    status = 422
    code = "leaving_date_wrong"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={"effective_on": sentence})


@dataclass(frozen=True, slots=True)
class Birth:
    """生年月日。`on` が分かるか、聞いた日の年齢 `age` だけか、どちらもない（不詳）か。"""

    on: date | None = None
    age: int | None = None
    asked_on: date | None = None

    @property
    def month(self) -> Month | None:
        """出来事に載せる生年月。年齢だけのときは、あり得る一年の真ん中の月（最大で半年の差）。年齢で働く規則を止めないための推定。"""
        if self.on:
            return f"{self.on:%Y-%m}"
        if self.age is None or self.asked_on is None:
            return None
        months = self.asked_on.year * 12 + self.asked_on.month - 1 - self.age * 12 - 6
        return f"{months // 12:04d}-{months % 12 + 1:02d}"

    @property
    def estimated(self) -> bool:
        return self.on is None and self.age is not None

    def age_at(self, day: date) -> int | None:
        """満年齢。年齢だけ聞いた人は、聞いた日からの年数を足す。"""
        if self.on:
            return age_on(self.on, day)
        if self.age is None or self.asked_on is None:
            return None
        return self.age + (day - self.asked_on).days // 365


@dataclass(frozen=True, slots=True)
class Person:
    """世帯員になる人について、聞き取ったこと。氏名が分からなければ空。"""

    role: MemberRole = MemberRole.UNKNOWN
    name: str = ""
    kana: str = ""
    birth: Birth = Birth()
    sex: Sex | None = None
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    id: MemberId
    person: Person
    joined_on: date
    left_on: date | None = None
    left_reason: LeavingReason | None = None
    version: int = 1

    @property
    def display_name(self) -> str:
        return self.person.name or self.person.kana or "氏名不明"


@dataclass(frozen=True, slots=True)
class Household:
    id: HouseholdId
    area: Area = Area.UNKNOWN
    town: str = ""
    members: tuple[Member, ...] = ()
    register_no: str | None = None

    @property
    def present(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.left_on is None)

    def member(self, member_id: UUID) -> Member:
        for member in self.members:
            if member.id == member_id:
                return member
        raise NotFound("この世帯員は見つかりません。世帯の画面を開き直してください。")

    def with_member(self, changed: Member) -> "Household":
        others = [changed if member.id == changed.id else member for member in self.members]
        return replace(self, members=(*others, *([] if self._has(changed.id) else [changed])))

    def _has(self, member_id: UUID) -> bool:
        return any(member.id == member_id for member in self.members)


def register(household: Household, *, basis: LegalBasis) -> Outcome[Household]:
    """世帯を登録する。世帯員は、いっしょに加わる。"""
    registered = HouseholdRegistered(household_id=household.id, legal_basis=basis, area=household.area)
    return Outcome(household, (registered, *joined_events(household.id, household.members, basis)))


def join(household: Household, members: Sequence[Member], *, basis: LegalBasis) -> Outcome[Household]:
    """世帯員が加わる（あとから分かった、転入、出生）。"""
    return Outcome(replace(household, members=(*household.members, *members)), joined_events(household.id, members, basis))


def joined_events(household_id: HouseholdId, members: Sequence[Member], basis: LegalBasis) -> tuple[Event, ...]:
    return tuple(
        MemberJoined(
            household_id=household_id,
            legal_basis=basis,
            member_id=member.id,
            role=member.person.role,
            birth_month=member.person.birth.month,
            effective_on=member.joined_on,
        )
        for member in members
    )


def leave(household: Household, member_id: UUID, reason: LeavingReason, effective_on: date, *, today: date, basis: LegalBasis) -> Outcome[Household]:
    """世帯員が離れる（死亡・転出・施設入所・離婚・世帯分離・登録の訂正）。まだ来ていない日や、生まれる前の日は受けない。"""
    member = household.member(member_id)
    if member.left_on is not None:
        raise MemberAlreadyLeft
    if effective_on > today:
        raise LeavingDateWrong("今日までの日付を入れてください。")
    if member.person.birth.on and effective_on < member.person.birth.on:
        raise LeavingDateWrong("生年月日より前の日付です。確かめてください。")
    left = replace(member, left_on=effective_on, left_reason=reason, version=member.version + 1)
    event = MemberLeft(household_id=household.id, legal_basis=basis, member_id=member.id, reason=reason, effective_on=effective_on)
    return Outcome(household.with_member(left), (event,))


def correct(household: Household, member_id: UUID, person: Person, *, seen_version: int, basis: LegalBasis) -> Outcome[Household]:
    """世帯員の登録を訂正する。ほかの職員が先に直していれば、見比べてもらう。

    氏名・フリガナ・電話・生まれた日だけの訂正も知らせる: 中身は載らないが、窓口はこれを聞いて身元をたずね直す。
    """
    member = household.member(member_id)
    if member.version != seen_version:
        raise ChangedMeanwhile(theirs=in_words(member.person), yours=in_words(person))
    if member.left_on is not None:
        raise MemberAlreadyLeft
    corrected = replace(member, person=person, version=member.version + 1)
    event = MemberCorrected(household_id=household.id, legal_basis=basis, member_id=member.id, role=person.role, birth_month=person.birth.month)
    return Outcome(household.with_member(corrected), (event,) if person != member.person else ())


def in_words(person: Person) -> dict[str, str]:
    """見比べるための言葉（競合の画面）。"""
    birth = f"{person.birth.on:%Y-%m-%d}" if person.birth.on else (f"{person.birth.age}歳くらい" if person.birth.age is not None else "不詳")
    return {
        "氏名": person.name or "氏名不明",
        "フリガナ": person.kana,
        "続柄": person.role.label,
        "生年月日": birth,
        "性別": person.sex.label if person.sex else "",
        "電話": person.phone,
    }
