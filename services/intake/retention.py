"""この世帯の記録を消してよいか: 期間と、消してはならないわけ。決めるのは人で、ここは数えて並べるだけ。"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from shared.runtime.problems import Refusal
from shared.runtime.retention import Periods, RecordClass


class Block(StrEnum):
    """消さないわけ。"""

    LEGAL_HOLD = "legal_hold"
    CASE_OPEN = "case_open"
    WATCH_OPEN = "watch_open"
    REFERRAL_STANDING = "referral_standing"
    PROTECTION = "protection"
    CONSENT_STANDING = "consent_standing"
    OWN_PERIOD = "own_period"
    OTHER_PERIOD = "other_period"

    @property
    def label(self) -> str:
        return {
            "legal_hold": "消去の停止（開示請求・係争・調査）", "case_open": "開いているケースがある", "watch_open": "続いている見守りがある",
            "referral_standing": "返事のないつなぎがある", "protection": "保護の記録が続いている", "consent_standing": "続いている同意がある",
            "own_period": "受付の保存期間が終わっていない", "other_period": "ほかの窓口の保存期間が終わっていない",
        }[self.value]  # fmt: skip


#: 消去の請求（利用停止）が認められたとき、期間と同意は待たなくてよい。ほかは、いつでも消せないわけになる
_WAIVED = frozenset({Block.CONSENT_STANDING, Block.OWN_PERIOD, Block.OTHER_PERIOD})


class EraseReason(StrEnum):
    PERIOD_ENDED = "period_ended"
    REQUEST = "request"
    LEAD = "lead"

    @property
    def label(self) -> str:
        return {"period_ended": "保存期間が終わった", "request": "利用停止・消去の請求を認めた", "lead": "同意のない相談の期間が終わった"}[self.value]

    @property
    def waives(self) -> frozenset[Block]:
        return _WAIVED if self is EraseReason.REQUEST else frozenset()


class ErasureBlocked(Refusal):
    code = "erasure_blocked"

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self.blocks = blocks
        super().__init__(f"この世帯はまだ消せません。{'。'.join(block.label for block in blocks)}。解けてから、もう一度お試しください。")


@dataclass(frozen=True, slots=True)
class Standing:
    """一つの世帯について、消す前に見ること。"""

    #: 相談・訂正・返事の、いちばん新しい日
    moved_on: date
    #: いまも続いているもの（"case" / "watch"）
    running: frozenset[str] = frozenset()
    #: 終わったもの: 種類ごとの、いちばん新しい終わりの日
    ended: Mapping[str, date] | None = None
    referral_waits: bool = False
    consented_on: date | None = None
    protected: bool = False
    held: bool = False

    def due_on(self, periods: Periods) -> date:
        """受付の記録を消してよい最初の日。"""
        return periods.due(RecordClass.CONSULTATION, self.moved_on)

    def others_due_on(self, periods: Periods) -> date | None:
        """ほかの窓口の期間が終わる日。受付の知る限りで、長く残すわけはその窓口だけが知る（受領で分かる）。"""
        return max((periods.due(RecordClass(kind), until) for kind, until in (self.ended or {}).items()), default=None)

    def blocks(self, on: date, periods: Periods) -> tuple[Block, ...]:
        others = self.others_due_on(periods)
        consent_ends = periods.due(RecordClass.CONSENT, self.consented_on) if self.consented_on else None
        found = {
            Block.LEGAL_HOLD: self.held,
            Block.CASE_OPEN: "case" in self.running,
            Block.WATCH_OPEN: "watch" in self.running,
            Block.REFERRAL_STANDING: self.referral_waits,
            Block.PROTECTION: self.protected,
            Block.CONSENT_STANDING: consent_ends is not None and consent_ends > on,
            Block.OWN_PERIOD: self.due_on(periods) > on,
            Block.OTHER_PERIOD: others is not None and others > on,
        }
        return tuple(block for block, stands in found.items() if stands)

    def must_be_clear(self, reason: EraseReason, on: date, periods: Periods) -> None:
        """Raises ErasureBlocked."""
        if left := tuple(block for block in self.blocks(on, periods) if block not in reason.waives):
            raise ErasureBlocked(left)


def next_review(said_on: date, reviewed_on: date | None, periods: Periods) -> tuple[date, date]:
    """同意のない相談: (見直す日, 消してよい最初の日)。見直して「続ける」と決めた日から、数え直す。"""
    since = max(said_on, reviewed_on) if reviewed_on else said_on
    return periods.due(RecordClass.LEAD_REVIEW, since), periods.due(RecordClass.LEAD, since)
