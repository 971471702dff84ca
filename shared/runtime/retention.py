"""保存期間: いつまで残し、いつから消してよいか（domain.md §1.9）。Pure: dates and dated periods in, a day out.

期間の数え方は民法 140・143条のとおり: 初日は入れず、月・年は暦で数え、応当日の前の日に終わる。`due` はその次の日、消してよい最初の日。
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from shared.contracts.event import Month
from shared.runtime import parameters

OURS = Path(__file__).with_name("retention.yaml")
#: 年度の始まり（地方自治法208条）
APRIL = 4


class RecordClass(StrEnum):
    """記録の区分。retention.yaml の名前。"""

    CONSULTATION = "consultation"
    CASE = "case"
    CHILD_ABUSE = "child_abuse"
    CHILD_ABUSE_SERIOUS = "child_abuse_serious"
    WATCH = "watch"
    LEAD_REVIEW = "lead_review"
    LEAD = "lead"
    ALERT_UNCONFIRMED = "alert_unconfirmed"
    DRAFT = "draft"
    AUDIT = "audit"
    CONSENT = "consent"
    RECHECK = "recheck"

    @property
    def label(self) -> str:
        return _LABELS[self.value]


_LABELS = {
    "consultation": "相談の記録",
    "case": "ケースの記録",
    "child_abuse": "児童虐待の記録",
    "child_abuse_serious": "児童虐待の記録（重い事例）",
    "watch": "見守りの記録",
    "lead_review": "同意のない相談の見直し",
    "lead": "同意のない相談",
    "alert_unconfirmed": "確認されなかった気づき",
    "draft": "下書き",
    "audit": "監査記録",
    "consent": "同意",
    "recheck": "残したものの再確認",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """期間を決めるのに要る、世帯のこと。"""

    #: 世帯でいちばん年下の人の生年月。None は分からない
    youngest: Month | None = None


NOTHING_KNOWN = Facts()


@dataclass(frozen=True, slots=True)
class Period:
    """一つの区分の期間。"""

    years: int = 0
    months: int = 0
    days: int = 0
    #: "day"（翌日から）か "fiscal_year"（翌年度から）
    after: str = "day"
    until_age: int | None = None
    source: str = ""

    def due(self, closed_on: date, facts: Facts = NOTHING_KNOWN) -> date:
        """消してよい最初の日。"""
        start = next_fiscal_year(closed_on) if self.after == "fiscal_year" else closed_on + timedelta(days=1)
        ordinary = corresponding(start, 12 * self.years + self.months) + timedelta(days=self.days)
        return max(ordinary, self._of_age(closed_on, facts)) if self.until_age else ordinary

    def _of_age(self, closed_on: date, facts: Facts) -> date:
        """いちばん年下の人がその年齢になる月の、翌月の初日。分からない人は、終わった日に生まれたとみなす（長く残す方）。"""
        born = facts.youngest or f"{closed_on:%Y-%m}"
        year, month = (int(part) for part in born.split("-"))
        return corresponding(date(year, month, 1), 12 * (self.until_age or 0) + 1)


def next_fiscal_year(on: date) -> date:
    """その日の年度の、次の年度の初日。3月31日なら翌日、4月1日なら一年後。"""
    return date(on.year + (on.month >= APRIL), APRIL, 1)


def corresponding(start: date, months: int) -> date:
    """`months` か月後の応当日。なければその月は末日に満ちるので、翌月の初日（民法143条2項ただし書）。"""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    try:
        return date(year, month + 1, start.day)
    except ValueError:
        return corresponding(start.replace(day=1), months + 1)


@dataclass(frozen=True)
class Periods:
    """ある日に効いている期間。"""

    of: Mapping[RecordClass, Period]

    def due(self, record_class: RecordClass, closed_on: date, facts: Facts = NOTHING_KNOWN) -> date:
        """その区分の記録が `closed_on` に終わったとき、消してよい最初の日。"""
        return self.of[record_class].due(closed_on, facts)


@cache
def periods_on(on: date, own: Path | None = None, city: Path | None = None, unit: str = "") -> Periods:
    """共通 < 窓口（`own` の retention.yaml）< 市の retention.yaml < 市の retention-<窓口>.yaml。欠けた区分は起動のときに分かる。"""
    own_layer = (own / "retention.yaml",) if own else ()
    layers = (OURS, *own_layer, *parameters.city_layer(city, "retention"), *(parameters.city_layer(city, f"retention-{unit}") if unit else ()))
    found = parameters.in_force(on, *layers)
    return Periods({one: Period(**found[one.value].value, source=found[one.value].source) for one in RecordClass})
