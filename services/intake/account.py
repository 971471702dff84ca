"""アカウントの点検: 4月の異動の前後に、期限のないもの・切れるものを管理者が一目で見る（ID は異動の日のうちに止める。domain.md §1.8）。"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from services.intake import address, writing
from shared.runtime.problems import FormIncomplete


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
class Home:
    """自宅のある町・大字（丁目まで）と番地の数。ふだんと違う閲覧で、近所の世帯を見たかを比べるためだけに持つ。"""

    town: str = ""
    block: str = ""

    @property
    def address(self) -> address.Address:
        return address.read(self.town + self.block)


class HomeTooFine(FormIncomplete):
    """比べるのに要らないところまで書いてある、または町が読めない。"""


def home(town: str, block: str) -> Home:
    """打たれたものを読む。枝番・号・建物・部屋・電話は受けない。両方が空なら消す。Raises HomeTooFine."""
    block = re.sub("(番地?)?$", "", unicodedata.normalize("NFKC", block).strip())
    problems = {}
    try:
        town = writing.line(town, 40)
        if (town or block) and not _is_town(address.read(town)):
            problems["town"] = "町・大字の名を、丁目まで入れてください（例 見本町一丁目）。番地は次の欄に入れます。"
    except writing.Unwritable as refused:
        problems["town"] = refused.sentence
    if block and not re.fullmatch("[0-9]{1,5}", block):
        problems["block"] = "番地の数だけを入れてください。枝番・号・建物の名は要りません。"
    if problems:
        raise HomeTooFine(fields=problems)
    return Home(town, block)


def _is_town(read: address.Address) -> bool:
    return bool(read.town) and (not read.numbers or (read.chome and len(read.numbers) == 1))


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
    home: Home = Home()

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


def home_kept_from(today: date) -> date:
    """利用期限がこの日より前なら、自宅はもう要らない: 最後の月の一覧は、次の月に見る。"""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
