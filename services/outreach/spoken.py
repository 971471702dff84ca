"""訪問先で聞いた「同意しない」「同意を取り下げる」。受付が撤回として受け、写しを持つ窓口みんなが、消して受領を返す。"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from shared.contracts.case import FactRecorded
from shared.contracts.event import Confidence, HouseholdId, LegalBasis, MemberId
from shared.runtime.problems import FormIncomplete

KIND = "consent"
#: 聞いた言葉を受付に知らせる根拠。同意そのものではない: 権利を守るための、庁内の連絡
BASIS = LegalBasis.INTERNAL_69_2_2


class Word(StrEnum):
    """訪問先で聞く言葉。同意は、説明をして受付の様式で聞く。"""

    WITHDRAWN = "withdrawn"
    REFUSED = "refused"

    @property
    def label(self) -> str:
        return {"withdrawn": "同意を取り下げると聞いた", "refused": "同意しないと聞いた"}[self.value]


@dataclass(frozen=True, slots=True)
class Heard:
    """`fact_id` は様式についてくる番号: 二度押しは一つの言葉。"""

    fact_id: UUID
    household_id: HouseholdId
    member_id: MemberId | None
    word: Word | None
    on: date


def hear(heard: Heard, members: Collection[MemberId], today: date) -> FactRecorded:
    """一人の言葉として知らせる。だれの、何の、いつの言葉かが足りなければ FormIncomplete（欄ごとの文）。"""
    wrong = {
        "consent_of": (heard.member_id not in members, "だれの言葉かを選んでください。同意は一人ずつのものです。"),
        "word": (heard.word is None, "どう聞いたかを選んでください。"),
        "heard_on": (heard.on > today, "聞いた日は、今日までの日付を入れてください。"),
    }
    fields = {name: sentence for name, (broken, sentence) in wrong.items() if broken}
    if fields or heard.word is None:
        raise FormIncomplete(fields=fields)
    return FactRecorded(
        household_id=heard.household_id, legal_basis=BASIS, fact_id=heard.fact_id, member_id=heard.member_id, kind=KIND, value=heard.word.value,
        as_of=heard.on, confidence=Confidence.CONFIRMED,
    )  # fmt: skip
