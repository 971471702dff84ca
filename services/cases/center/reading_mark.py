"""ふだんと違う閲覧の確認: 管理者が一つの行に「照会」（本人に聞いた）か「確認済」の印を付ける。自分の閲覧には付けられない。"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.contracts.event import StaffId
from shared.contracts.unusual import Unusual
from shared.runtime.problems import ChangedMeanwhile, Refusal


class Outcome(StrEnum):
    ASKED = "asked"
    CONFIRMED = "confirmed"

    @property
    def label(self) -> str:
        return {"asked": "照会", "confirmed": "確認済"}[self.value]

    @property
    def tone(self) -> str:
        return {"asked": "info", "confirmed": "success"}[self.value]


class Found(StrEnum):
    """分かったこと。区分だけで、事情は書かない。"""

    DUTY = "duty"
    SLIP = "slip"
    WARNED = "warned"
    REPORTED = "reported"

    @property
    def label(self) -> str:
        return {"duty": "業務で必要だった", "slip": "開きまちがい", "warned": "注意・指導した", "reported": "上へ報告した"}[self.value]


class OwnReading(Refusal):
    status = 403
    code = "own_reading"
    sentence = "自分の閲覧には印を付けられません。ほかの管理者か監査の職員が見ます。"


class MarkedMeanwhile(ChangedMeanwhile):
    code = "marked_meanwhile"
    sentence = "先に付いた印があります。一覧を開き直し、それを見てから、要れば付け直してください。後の印が効き、前の印も残ります。"


@dataclass(frozen=True, slots=True)
class Mark:
    """`nth` は、その行の何番目の印か。最後の印が効く。"""

    nth: int
    outcome: Outcome
    found: Found | None
    at: datetime
    by: StaffId

    @property
    def said(self) -> str:
        return f"{self.outcome.label}（{self.found.label}）" if self.found else self.outcome.label


@dataclass(frozen=True, slots=True)
class Line:
    """一つの窓口の一行と、その最後の印。"""

    unit: str
    entry: Unusual
    mark: Mark | None = None

    @property
    def again(self) -> bool:
        """印のあとに、また見ている。"""
        return self.mark is not None and self.entry.last > self.mark.at

    @property
    def waits(self) -> bool:
        """まだだれも見ていない。"""
        return self.mark is None or self.again

    @property
    def asked(self) -> bool:
        return not self.waits and self.mark is not None and self.mark.outcome is Outcome.ASKED


def must_be_anothers(actor: StaffId, by: StaffId) -> None:
    """Raises OwnReading."""
    if actor == by:
        raise OwnReading
