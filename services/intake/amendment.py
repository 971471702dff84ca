"""受付のあとで直す: 訂正と取消。前の内容は履歴に残る（store が版ごとに残す）。"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.intake.consultation import (
    MAIN_NOT_CHOSEN,
    TEXT_NEEDED,
    AlreadyWithdrawn,
    Consultation,
    ConsultationIncomplete,
    Content,
    NewId,
    StaffRef,
    WithdrawReason,
    basis_of,
)
from services.intake.receipt_number import local_day
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.consultation import ConsentState, ConsultationWithdrawn
from shared.contracts.decision import Outcome
from shared.contracts.event import Confidence, Event, LegalBasis
from shared.runtime.problems import ChangedMeanwhile


def correct(
    consultation: Consultation,
    content: Content,
    *,
    seen_version: int,
    by: StaffRef,
    at: datetime,
    new_id: NewId,
    consent_fact: UUID | None = None,
) -> Outcome[Consultation]:
    """受付の内容を訂正する。ほかの職員が先に直していれば ChangedMeanwhile（両方の内容つき）。

    同意が変われば事実として知らせる。前に知らせた同意（`consent_fact`）は、新しい事実に置きかわる。
    """
    if consultation.withdrawn:
        raise AlreadyWithdrawn
    if not content.text:
        raise ConsultationIncomplete(fields={"text": TEXT_NEEDED})
    if content.main_topic is not None and content.main_topic not in content.topics:
        raise ConsultationIncomplete(fields={"main_topic": MAIN_NOT_CHOSEN})
    if consultation.version != seen_version:
        raise ChangedMeanwhile(theirs={"相談内容": consultation.content.text}, yours={"相談内容": content.text})
    if content == consultation.content:
        return Outcome(consultation)
    changed = replace(consultation, content=content, version=consultation.version + 1, changed_at=at, changed_by=by)
    return Outcome(changed, _consent_changed(consultation, content.consent, at, new_id, consent_fact))


def _consent_changed(before: Consultation, consent: ConsentState, at: datetime, new_id: NewId, replaced: UUID | None) -> tuple[Event, ...]:
    if consent is before.content.consent:
        return ()
    return (
        FactRecorded(
            household_id=before.household_id,
            legal_basis=basis_of(consent),
            fact_id=new_id(),
            member_id=before.subject_id,
            kind="consent",
            value=consent.value,
            as_of=local_day(at),
            confidence=Confidence.CONFIRMED,
            supersedes=replaced,
        ),
    )


def withdraw(
    consultation: Consultation, reason: WithdrawReason, note: str, *, facts: tuple[UUID, ...], by: StaffRef, at: datetime
) -> Outcome[Consultation]:
    """受付を取り消す。この受付で聞き取った事実（`facts`）も取り下げる。世帯の登録は残る。"""
    if consultation.withdrawn:
        raise AlreadyWithdrawn
    withdrawn = replace(consultation, withdrawn=reason, withdrawn_note=note, version=consultation.version + 1, changed_at=at, changed_by=by)
    home, basis = consultation.household_id, basis_of(consultation.content.consent)
    gone = ConsultationWithdrawn(household_id=home, legal_basis=basis, consultation_id=consultation.id)
    # ほかの世帯員の事実もある: 対象の人の同意には頼らない
    retracted = (FactRetracted(household_id=home, legal_basis=LegalBasis.INTERNAL_69_2_2, fact_id=fact_id) for fact_id in facts)
    return Outcome(withdrawn, (gone, *retracted))
