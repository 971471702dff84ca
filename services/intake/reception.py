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
from shared.runtime.problems import NotFound

HOUSEHOLD_GONE = "つなぐ世帯が見つかりません。候補から選び直すか、新しい世帯として受け付けてください。"


@dataclass(frozen=True, slots=True)
class Taken:
    """受け付けた相談。`repeated` は、同じ様式がもう保存されていた（二度押し）。"""

    consultation: Consultation
    repeated: bool


async def take(tx: Transaction, sheet: Sheet, *, by: StaffRef, parameters: Parameters, new_id: Callable[[], UUID] = uuid4) -> Taken:
    """一枚の相談受付票を受け付ける。同じ様式（form_key）は、何度送られても一つの受付。直すところがあれば ConsultationIncomplete。"""
    targets = frozenset(unit.unit for unit in await referral_targets(tx))
    if not sheet.problems:
        await store.hold_form(tx, sheet.form_key)
        if saved := await store.by_form_key(tx, sheet.form_key):
            return Taken(saved, repeated=True)
    consultation.check(sheet, targets)
    known = await _linked(tx, sheet)
    number = await store.draw_receipt_number(tx)
    telemetry.annotate(receipt_no=number)
    outcome = consultation.receive(
        sheet, known=known, receipt_no=number, by=by, at=tx.now, reply_due=parameters.reply_due, targets=targets, new_id=new_id
    )
    await store.save_reception(tx, outcome)
    tx.cancel("draft", str(sheet.form_key))
    return Taken(outcome.state.consultation, repeated=False)


async def _linked(tx: Transaction, sheet: Sheet) -> Household | None:
    if sheet.household_id is None:
        return None
    try:
        return await household_store.load(tx, sheet.household_id, lock=True)
    except NotFound:
        raise ConsultationIncomplete(fields={"household_id": HOUSEHOLD_GONE}) from None
