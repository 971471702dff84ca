"""同意の出来事。Owned by intake: per person × purpose × recipient, with a period (domain.md §1.4). One person's consent covers nobody else."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Code, Event, MemberId, UnitCode


class Purpose(StrEnum):
    """同意の目的。"""

    CONSULTATION = "consultation"
    PLAN = "plan"
    PARTICIPATION = "participation"
    OUTREACH = "outreach"
    STATISTICS = "statistics"

    @property
    def label(self) -> str:
        return {
            "consultation": "相談支援",
            "plan": "多機関協働のプラン",
            "participation": "参加支援",
            "outreach": "アウトリーチ・見守り",
            "statistics": "統計",
        }[self.value]


class ConsentForm(StrEnum):
    WRITTEN = "written"
    ORAL = "oral"

    @property
    def label(self) -> str:
        return {"written": "書面", "oral": "口頭（記録）"}[self.value]


class ConsentItem(StrEnum):
    """除くことのできる項目。"""

    ADDRESS = "address"
    PHONE = "phone"
    CONSULTATION_TEXT = "consultation_text"
    BIRTH = "birth"

    @property
    def label(self) -> str:
        return {"address": "住所", "phone": "電話", "consultation_text": "相談の内容", "birth": "生年月日"}[self.value]


class ConsentGiven(Event):
    """本人が、目的と相手を限って情報の共有に同意した。"""

    channel: ClassVar[str] = "consent"
    name: ClassVar[str] = "given"

    consent_id: UUID
    member_id: MemberId
    purposes: tuple[Purpose, ...]
    recipients: tuple[UnitCode, ...]
    excluded_items: tuple[ConsentItem, ...] = ()
    form: ConsentForm
    valid_from: date
    valid_to: date


class ConsentWithdrawn(Event):
    """同意を撤回した、または相手を減らした。`recipients` の窓口は写しを消すか伏せ、受領を返す。"""

    channel: ClassVar[str] = "consent"
    name: ClassVar[str] = "withdrawn"

    withdrawal_id: UUID
    consent_id: UUID
    member_id: MemberId
    recipients: tuple[UnitCode, ...]
    withdrawn_on: date
    reason: Code


class ReceiptsMissed(Event):
    """撤回の受領が、期限までにそろわなかった。`units` はまだの窓口: 一つ届くたびにまた言い、空なら、そろった。`since` は撤回を聞いたとき。"""

    channel: ClassVar[str] = "consent"
    name: ClassVar[str] = "receipts_missed"

    withdrawal_id: UUID
    member_id: MemberId
    units: tuple[UnitCode, ...]
    since: datetime
