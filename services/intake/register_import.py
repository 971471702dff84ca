"""名簿からまとめて世帯を登録する（架空の市、のちに住民基本台帳の抽出）。一件ずつの登録と同じ出来事になる。

名簿の世帯は住民票の世帯であり、生活実態の世帯の出発点にすぎない（domain.md §8.3）。あとの訂正は窓口が行う。
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from uuid import UUID

from services.intake.household import Birth, Household, Member, Person, Sex, register
from shared.contracts.decision import Outcome
from shared.contracts.event import Event, HouseholdId, LegalBasis, MemberId
from shared.contracts.household import Area, MemberRole


@dataclass(frozen=True, slots=True)
class RegisteredMember:
    """名簿の一人。`id` を渡せばそれを使う（架空の市の答え合わせのため）。"""

    name: str
    kana: str
    role: MemberRole = MemberRole.UNKNOWN
    birth: date | None = None
    sex: Sex | None = None
    phone: str = ""
    joined_on: date | None = None
    id: UUID | None = None

    def member(self, today: date, new_id: Callable[[], UUID]) -> Member:
        person = Person(self.role, self.name, self.kana, Birth(on=self.birth), self.sex, self.phone)
        return Member(MemberId(self.id or new_id()), person, self.joined_on or today)


@dataclass(frozen=True, slots=True)
class RegisteredHousehold:
    """名簿の一世帯。`register_no` は世帯番号で、同じ番号は二度登録しない。"""

    register_no: str
    area: Area
    town: str
    members: tuple[RegisteredMember, ...]
    id: UUID | None = None

    def household(self, today: date, new_id: Callable[[], UUID]) -> Household:
        members = tuple(member.member(today, new_id) for member in self.members)
        return Household(HouseholdId(self.id or new_id()), self.area, self.town, members, self.register_no)


def batches(households: Iterable[RegisteredHousehold], size: int) -> Iterator[list[RegisteredHousehold]]:
    source = iter(households)
    while batch := list(islice(source, size)):
        yield batch


def import_batch(
    batch: Sequence[RegisteredHousehold], *, known: Collection[str], today: date, new_id: Callable[[], UUID]
) -> Outcome[tuple[Household, ...]]:
    """まだない世帯だけを登録する。`known` は登録済みの世帯番号。同じ名簿をもう一度読んでも何も起きない。"""
    fresh = {given.register_no: given for given in batch if given.register_no not in known}
    outcomes = [register(given.household(today, new_id), basis=LegalBasis.INTERNAL_69_2_2) for given in fresh.values()]
    events: list[Event] = [event for outcome in outcomes for event in outcome.events]
    return Outcome(tuple(outcome.state for outcome in outcomes), tuple(events))
