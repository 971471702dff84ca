"""受付の表を読み書きする。状態と出来事は、いつも一つの取引で保存する。"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.intake import consent_store, following, household_store, spoken
from services.intake.consultation import Consultation, Content, Reception, StaffRef, WithdrawReason
from services.intake.parameters import Parameters, parameters_on
from services.intake.receipt_number import fiscal_year, local_day, receipt_number
from services.intake.sheet import Visitor
from services.intake.tables import consultation, consultation_history, draft, early_answer, fact, not_same_household, receipt_counter, referral
from shared.contracts.case import FactRecorded
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import ConsultationId, HouseholdId, MemberId
from shared.contracts.referral import ReferralMade
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

NOT_FOUND = "この受付は見つかりません。受付簿から開いてください。"


async def hold_form(tx: Transaction, form_key: UUID) -> None:
    """同じ様式の二度目の送信と、遅れて届いた下書きを、この取引の終わりまで待たせる。"""
    await tx.scalar(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"intake/form/{form_key}"})


async def by_form_key(handle: Read, form_key: UUID) -> Consultation | None:
    row = await handle.row(select(consultation).where(consultation.c.form_key == form_key))
    return _consultation(row) if row else None


async def household_of_receipt(handle: Read, receipt_no: str) -> UUID | None:
    """受付番号の世帯。取り消した受付でも、見た記録は残っているので返す。"""
    found: UUID | None = await handle.scalar(select(consultation.c.household_id).where(consultation.c.receipt_no == receipt_no))
    return found


async def load(handle: Read, consultation_id: UUID, *, lock: bool = False) -> Consultation:
    query = select(consultation).where(consultation.c.id == consultation_id)
    row = await handle.row(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(NOT_FOUND)
    return _consultation(row)


async def draw_receipt_number(tx: Transaction) -> str:
    """年度の次の番号。行の錠は COMMIT まで続くので、途中でやめても欠番にならない。"""
    year = fiscal_year(tx.now)
    first = upsert(receipt_counter).values(fiscal_year=year, last=1)
    drawn = first.on_conflict_do_update(index_elements=["fiscal_year"], set_={"last": receipt_counter.c.last + 1}).returning(receipt_counter.c.last)
    return receipt_number(year, await tx.scalar(drawn))


async def save_reception(tx: Transaction, outcome: Outcome[Reception], given: Parameters | None = None) -> bool:
    """受付一式を保存し、知らせ、下書きを消す。`given` はその日の基準値（なければ同梱のもの）。保護された人がいて、この世帯も保護したか。"""
    reception = outcome.state
    if reception.new_household:
        await household_store.register(tx, [reception.household])
    else:
        await household_store.add(tx, [(reception.household.id, member) for member in reception.joined])
    await tx.execute(insert(consultation), _columns(reception.consultation))
    await _save_facts(tx, reception.consultation.id, reception.facts)
    await save_referrals(tx, reception.referrals)
    await _save_not_same(tx, reception)
    await tx.execute(draft.delete().where(draft.c.form_key == reception.consultation.form_key))
    await _save_spoken(tx, reception.consultation, reception.facts, [made.to for made in reception.referrals], given)
    joined = reception.household.members if reception.new_household else reception.joined
    one = reception.consultation
    followed = await following.protect(tx, reception.household, joined, one.received_by, local_day(one.received_at))
    tx.publish(*(following.without_place(outcome.events) if followed else outcome.events))
    return followed


async def _save_spoken(tx: Transaction, one: Consultation, facts: Sequence[FactRecorded], units: Sequence[str], given: Parameters | None) -> None:
    """同意の事実があれば、同意の一つとしても書く。"""
    said = next((event for event in facts if event.kind == "consent"), None)
    if said:
        await spoken.told(tx, one, said, units, given or parameters_on(said.as_of))


async def save_amendment(tx: Transaction, before: Consultation, outcome: Outcome[Consultation], given: Parameters | None = None) -> None:
    """訂正・取消を保存する。前の版の内容は履歴に残る。"""
    after = outcome.state
    if after.version == before.version:
        return
    history = {"consultation_id": before.id, "version": before.version, "replaced_at": tx.now, **_content(before.content)}
    await tx.execute(insert(consultation_history), history | {"written_by_name": (before.changed_by or before.received_by).name})
    await tx.execute(update(consultation).where(consultation.c.id == after.id), _columns(after))
    facts = tuple(event for event in outcome.events if isinstance(event, FactRecorded))
    replaced = [event.supersedes for event in facts if event.supersedes]
    await tx.execute(update(fact).where(fact.c.id.in_(replaced)).values(retracted_at=tx.now))
    await _save_facts(tx, after.id, facts)
    await _save_spoken(tx, after, facts, await _referred(tx, after.id), given)
    if after.withdrawn:
        if told := await consent_fact(tx, after.id):
            await consent_store.forget_mistake(tx, told)
        await tx.execute(update(fact).where(fact.c.consultation_id == after.id, fact.c.retracted_at.is_(None)).values(retracted_at=tx.now))
    tx.publish(*outcome.events)


async def save_referrals(tx: Transaction, referrals: Sequence[ReferralMade], from_unit: str = "intake") -> None:
    """つなぎを書く。同じつなぎがもう一度届いても増えない。"""
    if not referrals:
        return
    rows = [
        {
            "id": made.referral_id,
            "household_id": made.household_id,
            "consultation_id": made.consultation_id if from_unit == "intake" else None,
            "from_unit": from_unit,
            "to_unit": made.to,
            "legal_basis": made.legal_basis,
            "urgency": made.urgency,
            "made_on": made.made_on,
            "reply_due": made.reply_due,
            "status": "made",
        }
        for made in referrals
    ]
    await tx.execute(upsert(referral).on_conflict_do_nothing(index_elements=["id"]), rows)
    if from_unit != "intake":
        await _apply_early_answers(tx, [made.referral_id for made in referrals])


async def _apply_early_answers(tx: Transaction, referral_ids: Sequence[UUID]) -> None:
    """つなぎより先に届いていた返事。つなぎ先でない窓口からのものは、ここで捨てる。"""
    waiting = delete(early_answer).where(early_answer.c.referral_id.in_(referral_ids)).returning(early_answer)
    for row in await tx.rows(waiting):
        answer = {"status": row.status, "answered_on": row.answered_on, "decline_reason": row.decline_reason}
        await _write_answer(tx, row.referral_id, row.source, answer)


async def answer_referral(tx: Transaction, referral_id: UUID, source: str, **answer: Any) -> None:
    """返事を書く。返事ができるのは、つなぎ先の窓口（`source`）だけ。

    まだ知らないつなぎへの返事は、つなぎが届くまで窓口ごとに取っておく（同じ窓口のあとの返事が勝つ）。
    """
    if await tx.row(select(referral.c.id).where(referral.c.id == referral_id)):
        await _write_answer(tx, referral_id, source, answer)
        return
    kept = upsert(early_answer).values(referral_id=referral_id, source=source, **answer)
    await tx.execute(kept.on_conflict_do_update(index_elements=["referral_id", "source"], set_=answer))


async def _write_answer(tx: Transaction, referral_id: UUID, source: str, answer: dict[str, Any]) -> None:
    await tx.execute(update(referral).where(referral.c.id == referral_id, referral.c.to_unit == source).values(**answer))


async def live_facts(handle: Read, consultation_id: UUID) -> tuple[UUID, ...]:
    query = select(fact.c.id).where(fact.c.consultation_id == consultation_id, fact.c.retracted_at.is_(None)).order_by(fact.c.id)
    return tuple(row.id for row in await handle.rows(query))


async def consent_fact(handle: Read, consultation_id: UUID) -> UUID | None:
    """この受付で知らせた、いまの同意の事実。"""
    current = (fact.c.consultation_id == consultation_id, fact.c.kind == "consent", fact.c.retracted_at.is_(None))
    found: UUID | None = await handle.scalar(select(fact.c.id).where(*current))
    return found


async def _referred(handle: Read, consultation_id: UUID) -> list[str]:
    """この受付からつないだ窓口（断られたものを除く）。"""
    query = select(referral.c.to_unit).where(referral.c.consultation_id == consultation_id, referral.c.status != "declined").distinct()
    return [row.to_unit for row in await handle.rows(query)]


async def facts_of(handle: Read, consultation_id: UUID) -> Sequence[Row[Any]]:
    return await handle.rows(select(fact).where(fact.c.consultation_id == consultation_id).order_by(fact.c.as_of, fact.c.id))


async def history(handle: Read, consultation_id: UUID) -> Sequence[Row[Any]]:
    """訂正される前の内容。新しい順。"""
    h = consultation_history
    return await handle.rows(select(h).where(h.c.consultation_id == consultation_id).order_by(h.c.version.desc()))


async def members_with_facts(handle: Read, consultation_id: UUID) -> tuple[MemberId, ...]:
    query = select(fact.c.member_id).where(fact.c.consultation_id == consultation_id, fact.c.member_id.is_not(None)).distinct()
    return tuple(MemberId(row.member_id) for row in await handle.rows(query))


async def _save_facts(tx: Transaction, consultation_id: UUID, facts: Sequence[FactRecorded]) -> None:
    if facts:
        shared = ("household_id", "member_id", "kind", "value", "as_of")
        rows = [{"id": one.fact_id, "consultation_id": consultation_id, **{name: getattr(one, name) for name in shared}} for one in facts]
        await tx.execute(insert(fact), rows)


async def _save_not_same(tx: Transaction, reception: Reception) -> None:
    """「別人」の決定を残す（もう候補に出さない）。"""
    pairs = [sorted((reception.household.id, other)) for other in reception.not_same if other != reception.household.id]
    known = await household_store.load_many(tx, reception.not_same) if pairs else {}
    by = reception.consultation.received_by.sub
    rows = [{"household_id": low, "other_id": high, "decided_at": tx.now, "decided_by": by} for low, high in pairs if {low, high} & set(known)]
    if rows:
        await tx.execute(upsert(not_same_household).on_conflict_do_nothing(), rows)


def _content(content: Content) -> dict[str, Any]:
    return {
        "text": content.text,
        "topics": list(content.topics),
        "main_topic": content.main_topic,
        "urgency": content.urgency,
        "consent": content.consent,
        "supports": list(content.supports),
    }


def _columns(one: Consultation) -> dict[str, Any]:
    return {
        "id": one.id,
        "receipt_no": one.receipt_no,
        "form_key": one.form_key,
        "form_hash": one.form_hash,
        "household_id": one.household_id,
        "subject_id": one.subject_id,
        "received_at": one.received_at,
        "received_on": one.received_on,
        "received_by": one.received_by.sub,
        "received_by_name": one.received_by.name,
        "route": one.route,
        "visitor_name": one.visitor.name,
        "visitor_relation": one.visitor.relation,
        "visitor_phone": one.visitor.phone,
        "withdrawn": one.withdrawn,
        "withdrawn_note": one.withdrawn_note,
        "version": one.version,
        "changed_at": one.changed_at,
        "changed_by": one.changed_by.sub if one.changed_by else None,
        "changed_by_name": one.changed_by.name if one.changed_by else None,
        **_content(one.content),
    }


def _consultation(row: Row[Any]) -> Consultation:
    return Consultation(
        id=ConsultationId(row.id),
        receipt_no=row.receipt_no,
        household_id=HouseholdId(row.household_id),
        subject_id=MemberId(row.subject_id),
        route=row.route,
        visitor=Visitor(row.visitor_name, row.visitor_relation, row.visitor_phone),
        content=content_of(row),
        received_at=row.received_at,
        received_by=StaffRef(row.received_by, row.received_by_name),
        form_key=row.form_key,
        form_hash=row.form_hash,
        withdrawn=WithdrawReason(row.withdrawn) if row.withdrawn else None,
        withdrawn_note=row.withdrawn_note,
        version=row.version,
        changed_at=row.changed_at,
        changed_by=StaffRef(row.changed_by, row.changed_by_name) if row.changed_by else None,
    )


def content_of(row: Row[Any]) -> Content:
    return Content(row.text, tuple(row.topics), row.main_topic, Urgency(row.urgency), ConsentState(row.consent), tuple(row.supports))
