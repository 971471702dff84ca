"""受け付ける: 読む → 決める → 保存する。画面からも、架空の市の読み込みからも、この一つの道を通る。"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from services.intake import consultation, household_store, store
from services.intake.consultation import Consultation, ConsultationIncomplete, StaffRef
from services.intake.household import Household
from services.intake.parameters import Parameters
from services.intake.sheet import Sheet
from shared.runtime import telemetry
from shared.runtime.announce import referral_targets
from shared.runtime.database import Transaction
from shared.runtime.policies import Level
from shared.runtime.problems import NotFound, Refusal

HOUSEHOLD_GONE = "つなぐ世帯が見つかりません。候補から選び直すか、新しい世帯として受け付けてください。"


class AlreadyReceived(Refusal):
    """応答が届かないまま書き足して、同じ様式をもう一度送った。二つ目は作らず、書き足しは訂正してもらう。"""

    status = 422
    code = "already_received"
    sentence = "この受付はすでに保存されています。書き足した内容はまだ保存されていません。受付を開いて訂正してください。"

    def __init__(self, saved: Consultation) -> None:
        self.saved = saved
        super().__init__(
            f"この受付は受付番号 {saved.receipt_no} ですでに保存されています。書き足した内容はまだ保存されていません。受付を開いて訂正してください。"
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """受け付けた相談。`repeated` は、同じ様式が同じ中身でもう保存されていた（二度押し）。`followed` は、保護された人がいて世帯も保護した。"""

    consultation: Consultation
    repeated: bool
    followed: bool = False


async def take(tx: Transaction, sheet: Sheet, *, by: StaffRef, parameters: Parameters, new_id: Callable[[], UUID] = uuid4) -> Taken:
    """一枚の相談受付票を受け付ける。同じ様式（form_key）は、何度送られても一つの受付。

    直すところがあれば ConsultationIncomplete、保存したあとに書き足されていれば AlreadyReceived。
    """
    targets = frozenset(unit.unit for unit in await referral_targets(tx))
    await store.hold_form(tx, sheet.form_key)
    if saved := await store.by_form_key(tx, sheet.form_key):
        if saved.form_hash != sheet.form_hash:
            raise AlreadyReceived(saved)
        return Taken(saved, repeated=True)
    consultation.check(sheet, targets)
    known = await _linked(tx, sheet)
    number = await store.draw_receipt_number(tx)
    telemetry.annotate(receipt_no=number)
    outcome = consultation.receive(
        sheet, known=known, receipt_no=number, by=by, at=tx.now, reply_due=parameters.reply_due, targets=targets, new_id=new_id
    )
    followed = await store.save_reception(tx, outcome, parameters)
    tx.cancel("draft", str(sheet.form_key))
    return Taken(outcome.state.consultation, repeated=False, followed=followed)


async def _linked(tx: Transaction, sheet: Sheet) -> Household | None:
    if sheet.household_id is None:
        return None
    try:
        known = await household_store.load(tx, sheet.household_id, lock=True)
    except NotFound:
        raise ConsultationIncomplete(fields={"household_id": HOUSEHOLD_GONE}) from None
    if tx.rights:
        tx.rights.check(Level.WRITE, known.id)  # a glass only reads
    return known
