"""アカウントの点検: 4月の異動の前後に、期限のないもの・切れるものを管理者が一目で見る（ID は異動の日のうちに止める。domain.md §1.8）。"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Ends(StrEnum):
    """利用期限の見方。"""

    ENDED = "ended"
    THIS_YEAR = "this_year"
    LATER = "later"
    NEVER = "never"

    @property
    def label(self) -> str:
        return {"ended": "期限切れ", "this_year": "4月1日には使えません", "later": "4月1日も使えます", "never": "期限がありません"}[self.value]

    @property
    def tone(self) -> str:
        return {"ended": "danger", "this_year": "info", "later": "success", "never": "warning"}[self.value]


@dataclass(frozen=True, slots=True)
class Account:
    """サインインしたことのある職員。役割と分野は、最後のサインインのときのもの。"""

    sub: str
    name: str
    team: str
    roles: tuple[str, ...]
    domains: tuple[str, ...]
    valid_to: date | None
    last_signed_in_at: datetime

    def ends(self, today: date) -> Ends:
        """きょうから見た利用期限。期限の日は、まだ使える。"""
        if self.valid_to is None:
            return Ends.NEVER
        if self.valid_to < today:
            return Ends.ENDED
        return Ends.THIS_YEAR if self.valid_to < next_april(today) else Ends.LATER


def next_april(today: date) -> date:
    """次の4月1日（当日は、次の年）。"""
    return date(today.year + (today >= date(today.year, 4, 1)), 4, 1)
