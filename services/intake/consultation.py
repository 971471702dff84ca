"""相談の受付（相談受付・申込票 FM1）: 受け付けて、つなぐ。

`receive` は必須四つ（経路・氏名・相談内容・緊急度）と約束ごとを確かめ、受付・世帯・聞き取った事実・つなぎを一度に決める。
相談内容の文章と氏名はこの窓口に残り、出来事には区分と ID だけを載せる。
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid5

from services.intake import household as households
from services.intake.household import Household, Member
from services.intake.matching import same_person
from services.intake.receipt_number import local_day
from services.intake.sheet import Concern, Sheet, Visitor
from shared.contracts.case import FactRecorded
from shared.contracts.consultation import ConsentState, ConsultationReceived, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import Confidence, ConsultationId, Event, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.referral import ReferralMade
from shared.runtime.problems import FormIncomplete, Refusal

NewId = Callable[[], UUID]
NO_LATER_WORD: Mapping[str, ConsentState] = {}

ROUTE_NEEDED = "相談の経路を選んでください。"
NAME_NEEDED = "氏名を入れるか、「氏名が分からない」に印をつけてください。"
TEXT_NEEDED = "相談内容を入れてください。ひとことでもかまいません。"
URGENCY_NEEDED = "緊急度を選んでください。"
CONFIRM_A = "緊急度 A です。110・119 と当日の訪問の手配を確かめ、「確かめた」に印をつけてから保存してください。"
MAIN_NOT_CHOSEN = "◎（最も困っていること）は、困りごとに印をつけたものから選んでください。"
UNKNOWN_TARGET = "つなぎ先「{}」は、いま受付をしていません。選び直してください。"


class ConsultationIncomplete(FormIncomplete):
    """入力を直してもらう。`fields` は欄の名前→何をすればよいか。"""

    code = "consultation_incomplete"
    sentence = "保存していません。次のところを直してください。入力した内容は残っています。"


class AlreadyWithdrawn(Refusal):
    code = "already_withdrawn"
    sentence = "この受付は取り消されています。続きがあるときは、新しく受け付けてください。"


class WithdrawReason(StrEnum):
    MISTAKE = "mistake"
    DUPLICATE = "duplicate"
    PERSON_ASKED = "person_asked"
    OTHER = "other"

    @property
    def label(self) -> str:
        return {"mistake": "入力の誤り", "duplicate": "同じ相談を二重に受け付けた", "person_asked": "相談者の申し出", "other": "その他"}[self.value]


@dataclass(frozen=True, slots=True)
class StaffRef:
    sub: str
    name: str


@dataclass(frozen=True, slots=True)
class Content:
    """あとから訂正できるところ。"""

    text: str
    topics: tuple[str, ...]
    main_topic: str | None
    urgency: Urgency
    consent: ConsentState
    supports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consultation:
    id: ConsultationId
    receipt_no: str
    household_id: HouseholdId
    subject_id: MemberId
    route: str
    visitor: Visitor
    content: Content
    received_at: datetime
    received_by: StaffRef
    form_key: UUID
    #: 保存したときの票の中身（sheet.form_hash）。同じ様式が届いたとき、書き足しを見分ける
    form_hash: str
    withdrawn: WithdrawReason | None = None
    withdrawn_note: str = ""
    version: int = 1
    changed_at: datetime | None = None
    changed_by: StaffRef | None = None

    @property
    def received_on(self) -> date:
        return local_day(self.received_at)


@dataclass(frozen=True, slots=True)
class Reception:
    """受付で生まれたもの一式。`joined` は新しく加わった世帯員だけ。"""

    consultation: Consultation
    household: Household
    new_household: bool
    joined: tuple[Member, ...]
    facts: tuple[FactRecorded, ...]
    referrals: tuple[ReferralMade, ...]
    not_same: tuple[UUID, ...] = ()


def basis_of(consent: ConsentState) -> LegalBasis:
    """同意があれば CONSENT、なければ庁内の内部利用（個情法69条2項2号）。"""
    return LegalBasis.CONSENT if consent is ConsentState.GIVEN else LegalBasis.INTERNAL_69_2_2


def basis_for(consent: ConsentState, subject_id: UUID, member_ids: Iterable[UUID | None]) -> LegalBasis:
    """同意は対象の人ひとりのもの (domain.md §1.4)。ほかの世帯員や世帯全体（None）にわたるものは、庁内の内部利用。"""
    return basis_of(consent) if set(member_ids) <= {subject_id} else LegalBasis.INTERNAL_69_2_2


def check(sheet: Sheet, targets: frozenset[str]) -> None:
    """受け付けられるかを確かめる。直すところがあれば ConsultationIncomplete（欄ごとの文）。受付番号を引く前に呼ぶ。"""
    subject = sheet.persons[0].person
    rules = {
        "route": (not sheet.route, ROUTE_NEEDED),
        "name": (not subject.name and not sheet.name_unknown, NAME_NEEDED),
        "text": (not sheet.text, TEXT_NEEDED),
        "urgency": (sheet.urgency is None, URGENCY_NEEDED),
        "urgency_confirmed": (sheet.urgency is Urgency.A and not sheet.urgency_confirmed, CONFIRM_A),
        "main_topic": (sheet.main_topic is not None and sheet.main_topic not in sheet.topics, MAIN_NOT_CHOSEN),
    }
    fields = {name: sentence for name, (broken, sentence) in rules.items() if broken}
    unknown = sorted(set(sheet.refer_to) - targets)
    if unknown:
        fields["refer_to"] = UNKNOWN_TARGET.format("、".join(unknown))
    if fields or sheet.problems:
        raise ConsultationIncomplete(fields=fields | dict(sheet.problems))


def receive(
    sheet: Sheet,
    *,
    known: Household | None,
    receipt_no: str,
    by: StaffRef,
    at: datetime,
    reply_due: Callable[[date, Urgency], date],
    targets: frozenset[str],
    new_id: NewId,
) -> Outcome[Reception]:
    """相談を受け付ける。`known` はつなぐ世帯（なければ新しく登録）。つないだ世帯には、まだいない人だけが加わる。

    直すところがあれば ConsultationIncomplete。出来事の順は 世帯 → 世帯員 → 相談 → 事実 → つなぎ。
    """
    check(sheet, targets)
    assert sheet.urgency is not None
    today = local_day(at)
    people, joined = _members(sheet, known, today, new_id)
    basis = basis_for(sheet.consent, people[0].id, [member.id for member in joined])
    household, household_events = _household(sheet, known, joined, basis, new_id)
    consultation = Consultation(
        id=ConsultationId(new_id()),
        receipt_no=receipt_no,
        household_id=household.id,
        subject_id=people[0].id,
        route=sheet.route,
        visitor=sheet.visitor,
        content=Content(sheet.text, sheet.topics, sheet.main_topic, sheet.urgency, sheet.consent, sheet.supports),
        received_at=at,
        received_by=by,
        form_key=sheet.form_key,
        form_hash=sheet.form_hash,
    )
    facts = (*_facts(sheet, consultation, people, new_id), *_consent(consultation))
    concerned = tuple(dict.fromkeys([people[0].id, *(fact.member_id for fact in facts if fact.member_id)]))
    referrals = refer(consultation, sheet.refer_to, concerned, at=at, reply_due=reply_due, targets=targets, new_id=new_id)
    state = Reception(consultation, household, known is None, joined, facts, referrals, sheet.not_same)
    return Outcome(state, (*household_events, _received(consultation), *facts, *referrals))


def _members(sheet: Sheet, known: Household | None, today: date, new_id: NewId) -> tuple[list[Member], tuple[Member, ...]]:
    """入力された人ごとの世帯員（登録済みならその人）と、新しく加わる人。"""
    present = list(known.present) if known else []
    people: list[Member] = []
    joined: list[Member] = []
    for one in sheet.persons:
        already = same_person(one.person, [member for member in present if member not in people])
        member = already or Member(MemberId(new_id()), one.person, joined_on=today)
        people.append(member)
        if not already:
            joined.append(member)
    return people, tuple(joined)


def _household(
    sheet: Sheet, known: Household | None, joined: tuple[Member, ...], basis: LegalBasis, new_id: NewId
) -> tuple[Household, tuple[Event, ...]]:
    if known:
        outcome = households.join(known, joined, basis=basis)
    else:
        outcome = households.register(Household(HouseholdId(new_id()), sheet.area, sheet.town, joined), basis=basis)
    return outcome.state, outcome.events


def _received(consultation: Consultation) -> ConsultationReceived:
    content = consultation.content
    return ConsultationReceived(
        household_id=consultation.household_id,
        legal_basis=basis_of(content.consent),
        consultation_id=consultation.id,
        receipt_no=consultation.receipt_no,
        received_on=consultation.received_on,
        topics=content.topics,
        main_topic=content.main_topic,
        route=consultation.route,
        urgency=content.urgency,
        consent=content.consent,
    )


def _facts(sheet: Sheet, consultation: Consultation, people: list[Member], new_id: NewId) -> tuple[FactRecorded, ...]:
    """気になることを、聞き取りの事実として。根拠は、だれについての事実かによる。"""
    told = [(member.id, concern) for member, one in zip(people, sheet.persons, strict=True) for concern in one.concerns]
    whole: list[tuple[MemberId | None, Concern]] = [*told, *((None, concern) for concern in sheet.household_concerns)]
    return tuple(
        FactRecorded(
            household_id=consultation.household_id,
            legal_basis=basis_for(sheet.consent, consultation.subject_id, [member_id]),
            fact_id=new_id(),
            member_id=member_id,
            kind=concern.kind,
            value=concern.value,
            as_of=consultation.received_on,
            confidence=Confidence.REPORTED,
        )
        for member_id, concern in whole
    )


def _consent(consultation: Consultation) -> tuple[FactRecorded, ...]:
    """だれの同意かを、事実として知らせる。まだ聞いていなければ知らせない。番号は受付から決まる（送り直しても同じ）。"""
    consent = consultation.content.consent
    if consent is ConsentState.NOT_ASKED:
        return ()
    return (
        FactRecorded(
            household_id=consultation.household_id,
            legal_basis=basis_of(consent),
            fact_id=uuid5(consultation.id, "consent"),
            member_id=consultation.subject_id,
            kind="consent",
            value=consent.value,
            as_of=consultation.received_on,
            confidence=Confidence.CONFIRMED,
        ),
    )


def refer(
    consultation: Consultation,
    to: tuple[str, ...],
    member_ids: tuple[MemberId, ...],
    *,
    at: datetime,
    reply_due: Callable[[date, Urgency], date],
    targets: frozenset[str],
    new_id: NewId,
    consents: Mapping[str, ConsentState] = NO_LATER_WORD,
) -> tuple[ReferralMade, ...]:
    """つなぐ (FM8)。返信期限は緊急度から。取り消された受付からはつながない。

    根拠は、本人だけをつなぐなら本人の同意、同意がないかほかの世帯員もいれば庁内の内部利用。
    受付のあとに同意の取り直しや撤回があれば、つなぎ先ごとの `consents` が受付の言葉に代わる。
    """
    if consultation.withdrawn:
        raise AlreadyWithdrawn
    unknown = sorted(set(to) - targets)
    if unknown:
        raise ConsultationIncomplete(fields={"refer_to": UNKNOWN_TARGET.format("、".join(unknown))})
    content, today = consultation.content, local_day(at)
    agreed = {unit: consents.get(unit, content.consent) for unit in to}
    return tuple(
        ReferralMade(
            household_id=consultation.household_id,
            legal_basis=basis_for(agreed[unit], consultation.subject_id, member_ids),
            referral_id=ReferralId(new_id()),
            to=unit,
            consultation_id=consultation.id,
            receipt_no=consultation.receipt_no,
            member_ids=member_ids,
            topics=content.topics,
            urgency=content.urgency,
            consent=agreed[unit],
            made_on=today,
            reply_due=reply_due(today, content.urgency),
        )
        for unit in dict.fromkeys(to)
    )
