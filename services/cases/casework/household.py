"""世帯の顔ぶれ: 受付から聞いた続柄と生年月だけ。氏名は持たない（氏名は開示の写しが持つ）。"""

from dataclasses import dataclass
from datetime import date

from shared.contracts.event import HouseholdId, MemberId, Month
from shared.contracts.household import Area, LeavingReason, MemberRole


@dataclass(frozen=True, slots=True)
class Member:
    member_id: MemberId
    role: MemberRole = MemberRole.UNKNOWN
    birth_month: Month | None = None
    left: LeavingReason | None = None
    left_on: date | None = None


@dataclass(frozen=True, slots=True)
class Household:
    household_id: HouseholdId
    area: Area = Area.UNKNOWN
    members: tuple[Member, ...] = ()

    def member(self, member_id: MemberId) -> Member | None:
        return next((member for member in self.members if member.member_id == member_id), None)

    @property
    def present(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.left is None)


def month_of(day: date) -> Month:
    return f"{day:%Y-%m}"


def age_about(birth_month: Month, on: date) -> int:
    """生年月だけで数えた年齢（歳）。その月のうちは、もう誕生日が来たものとして数える。"""
    year, month = (int(part) for part in birth_month.split("-"))
    return on.year - year - (on.month < month)
