"""付けまちがえた写しの取消し: 一人が理由をつけて求め、もう一人が確かめると、中身が消える。いつ・だれが・なぜ・どのファイル（SHA-256）かは残る。"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.intake.consultation import StaffRef
from shared.runtime.problems import FormIncomplete, Refusal


class RemovalReason(StrEnum):
    WRONG_PERSON = "wrong_person"
    WRONG_CONSENT = "wrong_consent"
    NOT_A_CONSENT = "not_a_consent"
    UNREADABLE = "unreadable"

    @property
    def label(self) -> str:
        return {
            "wrong_person": "別の人の紙を付けた", "wrong_consent": "同じ人の別の同意の紙を付けた", "not_a_consent": "同意書ではない紙を付けた",
            "unreadable": "読めない（スキャンし直した）",
        }[self.value]  # fmt: skip


class RemovalState(StrEnum):
    WAITING = "waiting"
    REMOVED = "removed"
    KEPT = "kept"

    @property
    def label(self) -> str:
        return {"waiting": "取消しの確認待ち", "removed": "取り消した（中身は消えた）", "kept": "取り消さなかった"}[self.value]


class RemovalIncomplete(FormIncomplete):
    code = "removal_incomplete"
    sentence = "取消しを求めていません。次のところを直してください。"


class NotTheSecond(Refusal):
    status = 403
    code = "not_the_second"
    sentence = "自分で求めた取消しを、自分で決めることはできません。ほかの管理者（保護された世帯なら、ほかの保護担当）に頼んでください。"


class RemovalSettled(Refusal):
    code = "removal_settled"
    sentence = "この取消しは、ほかの職員がもう決めました。一覧を開き直してください。"


class ScanHeld(Refusal):
    code = "scan_held"
    sentence = "この世帯には消去の停止（開示請求・係争・調査）がかかっているので、写しを消せません。停止が解けてから、もう一度お試しください。"


@dataclass(frozen=True, slots=True)
class Removal:
    id: UUID
    scan_id: UUID
    consent_id: UUID
    household_id: UUID
    member_id: UUID
    sha256: str
    reason: RemovalReason
    asked_at: datetime
    asked_by: StaffRef
    state: RemovalState = RemovalState.WAITING
    settled_at: datetime | None = None
    settled_by: StaffRef | None = None

    @property
    def waits(self) -> bool:
        return self.state is RemovalState.WAITING


def confirm(asked: Removal, by: StaffRef, at: datetime, *, held: bool) -> Removal:
    """二人目が確かめて消す。`held` は、消去の停止がかかっている。Raises NotTheSecond, RemovalSettled, ScanHeld."""
    _to_settle(asked, by)
    if held:
        raise ScanHeld
    return replace(asked, state=RemovalState.REMOVED, settled_at=at, settled_by=by)


def keep(asked: Removal, by: StaffRef, at: datetime) -> Removal:
    """取り消さない。写しはそのまま。Raises NotTheSecond, RemovalSettled."""
    _to_settle(asked, by)
    return replace(asked, state=RemovalState.KEPT, settled_at=at, settled_by=by)


def _to_settle(asked: Removal, by: StaffRef) -> None:
    if by.sub == asked.asked_by.sub:
        raise NotTheSecond
    if not asked.waits:
        raise RemovalSettled
