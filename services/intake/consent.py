"""同意: 一人ずつ、目的と相手を限り、期間がある (domain.md §1.4)。撤回もここで決める。

同じ人・同じ相手については、いちばん新しい言葉が勝つ（同意でも撤回でも）。期間の過ぎた同意は、前の同意を生き返らせない。
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.contracts.consent import ConsentForm, ConsentGiven, ConsentItem, ConsentWithdrawn, Purpose, ReceiptsMissed
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, LegalBasis, MemberId, UnitCode
from shared.runtime.problems import FormIncomplete, Refusal

ADULT = 18
WHO_NEEDED = "だれの同意かを選んでください。"
PURPOSE_NEEDED = "何のための同意か、目的を一つ以上選んでください。"
RECIPIENT_NEEDED = "だれと共有してよいか、窓口を一つ以上選んでください。"
UNKNOWN_RECIPIENT = "いま受付をしていない窓口が選ばれています。選び直してください。"
EXPLAINED_NEEDED = "個人情報の取り扱いを説明した人を入れてください。"
FUTURE = "同意を得た日は、今日までの日付を入れてください。"
ENDS_BEFORE = "期間の終わりは、始まりより後の日を入れてください。"
TOO_LONG = "期間は{}日までです。続けるときは、終わる前に取り直してください。"
ADULT_NOW = "18歳からは本人の同意が要ります（親権者は同意できません）。本人に聞いてください。"


class GivenBy(StrEnum):
    """だれが同意したか。後見人に、本人のかわりに情報の共有に同意する一般の権限はない（本人の意向も聞く）。"""

    SELF = "self"
    PARENT = "parent"
    GUARDIAN = "guardian"

    @property
    def label(self) -> str:
        return {"self": "本人", "parent": "親権者", "guardian": "後見人"}[self.value]


class Source(StrEnum):
    """どこで聞いた言葉か。"""

    FORM = "form"
    CONSULTATION = "consultation"
    DESK = "desk"
    REFERRAL = "referral"

    @property
    def label(self) -> str:
        return {"form": "同意書・記録", "consultation": "相談の受付", "desk": "窓口の記録", "referral": "窓口のつなぎ"}[self.value]


class WithdrawReason(StrEnum):
    PERSON_ASKED = "person_asked"
    GUARDIAN_ASKED = "guardian_asked"
    HEARD_AT_DESK = "heard_at_desk"
    REFUSED_AT_RECEPTION = "refused_at_reception"

    @property
    def label(self) -> str:
        return {
            "person_asked": "本人の申し出", "guardian_asked": "親権者・後見人の申し出", "heard_at_desk": "担当の窓口で聞いた",
            "refused_at_reception": "受付で聞き直した",
        }[self.value]  # fmt: skip


class ConsentIncomplete(FormIncomplete):
    code = "consent_incomplete"
    sentence = "保存していません。次のところを直してください。"


class NothingToWithdraw(Refusal):
    status = 422
    code = "nothing_to_withdraw"
    sentence = "この人の同意で、いま効いているものはありません。画面を開き直して確かめてください。"


@dataclass(frozen=True, slots=True)
class Consent:
    id: UUID
    household_id: HouseholdId
    member_id: MemberId
    purposes: frozenset[Purpose]
    recipients: frozenset[UnitCode]
    excluded: frozenset[ConsentItem]
    form: ConsentForm
    given_by: GivenBy
    obtained_on: date
    valid_from: date
    valid_to: date
    said_at: datetime
    source: Source
    explained_by: str = ""
    recorded_by: str = ""

    @property
    def word(self) -> tuple[date, datetime]:
        return self.obtained_on, self.said_at


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """`everyone` なら、これより前の同意は相手を問わず終わる。`recipients` は知らせる相手。"""

    id: UUID
    consent_id: UUID
    household_id: HouseholdId
    member_id: MemberId
    recipients: frozenset[UnitCode]
    everyone: bool
    reason: WithdrawReason
    withdrawn_on: date
    said_at: datetime
    source: Source
    recorded_by: str = ""

    @property
    def word(self) -> tuple[date, datetime]:
        return self.withdrawn_on, self.said_at

    def ends(self, consent: Consent, recipient: UnitCode) -> bool:
        same = self.member_id == consent.member_id and (self.everyone or recipient in self.recipients)
        return same and self.word >= consent.word


@dataclass(frozen=True, slots=True)
class Consents:
    """ある世帯で言われた同意と撤回の全部。"""

    given: tuple[Consent, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()

    def newest(self, member_id: UUID, recipient: UnitCode, on: date) -> Consent | None:
        """その人がその相手について言った、いちばん新しい同意。撤回されていれば None。期間が過ぎていても返す。"""
        about = [one for one in self.given if one.member_id == member_id and recipient in one.recipients and one.valid_from <= on]
        last = max(about, key=lambda one: (one.word, one.id.hex), default=None)
        return last if last and not any(gone.ends(last, recipient) for gone in self.withdrawn) else None

    def standing(self, member_id: UUID, recipient: UnitCode, on: date, purposes: Collection[Purpose] = tuple(Purpose)) -> Consent | None:
        """`on` の日に、その目的で、その相手に効いている同意。"""
        last = self.newest(member_id, recipient, on)
        return last if last and last.valid_to >= on and last.purposes & frozenset(purposes) else None

    def standing_of(self, member_id: UUID, on: date) -> dict[UnitCode, Consent]:
        """その人の、いま効いている同意を、相手ごとに。"""
        named = sorted({unit for one in self.given if one.member_id == member_id for unit in one.recipients})
        return {unit: one for unit in named if (one := self.standing(member_id, unit, on))}

    def state_for(self, member_id: UUID, recipient: UnitCode, on: date) -> ConsentState | None:
        """つなぎに添える同意の状態。何も聞いていなければ None（受付で聞いた言葉のまま）。"""
        if self.standing(member_id, recipient, on):
            return ConsentState.GIVEN
        last = max((one for one in self.given if one.member_id == member_id), key=lambda one: one.word, default=None)
        ended = [gone for gone in self.withdrawn if gone.member_id == member_id and (gone.everyone or recipient in gone.recipients)]
        if any(last is None or gone.word >= last.word for gone in ended):
            return ConsentState.REFUSED
        # 同意書で相手を限った人には、新しい相手について聞き直す
        return ConsentState.NOT_ASKED if last and (last.source is Source.FORM or last.valid_to < on) else None

    def leaves_out(self, member_id: UUID, recipient: UnitCode, on: date) -> bool:
        """いちばん新しい言葉が、相手を限った同意（同意書、受付）で、この相手が入っていないか。新しい相手は本人に聞き直す。"""
        last = max((one for one in self.given if one.member_id == member_id), key=lambda one: one.word, default=None)
        limited = last is not None and last.source in (Source.FORM, Source.CONSULTATION)
        return limited and self.standing(member_id, recipient, on) is None


@dataclass(frozen=True, slots=True)
class Subject:
    """同意する人。`adult_on` は18歳になる日（生年月日が分かれば）。"""

    member_id: MemberId
    adult_on: date | None = None
    age: int | None = None

    @property
    def last_day_as_a_child(self) -> date | None:
        return self.adult_on - timedelta(days=1) if self.adult_on else None


def adult_on(birth: date | None) -> date | None:
    """18歳の誕生日。2月29日生まれは、平年なら3月1日とする（民法143条の前日満了を、一日広くとらない）。"""
    if birth is None:
        return None
    try:
        return birth.replace(year=birth.year + ADULT)
    except ValueError:
        return date(birth.year + ADULT, 3, 1)


def last_day(first: date, days: int) -> date:
    """初日を含めて `days` 日。"""
    return first + timedelta(days=days - 1)


def give(consent: Consent, *, subject: Subject, targets: Collection[UnitCode], today: date, longest_days: int) -> Outcome[Consent]:
    """同意を記録する。直すところがあれば ConsentIncomplete。親権者の同意は、18歳の誕生日の前日まで。"""
    ends = consent.valid_to
    is_adult = (subject.adult_on is not None and subject.adult_on <= consent.obtained_on) or (subject.age or 0) >= ADULT
    rules = {
        "purposes": (not consent.purposes, PURPOSE_NEEDED),
        "recipients": (not consent.recipients, RECIPIENT_NEEDED),
        "explained_by": (not consent.explained_by, EXPLAINED_NEEDED),
        "obtained_on": (consent.obtained_on > today, FUTURE),
        "given_by": (consent.given_by is GivenBy.PARENT and is_adult, ADULT_NOW),
        "valid_to": (ends < consent.valid_from or ends < today, ENDS_BEFORE),
    }
    fields = {name: sentence for name, (broken, sentence) in rules.items() if broken}
    if consent.recipients - frozenset(targets):
        fields["recipients"] = UNKNOWN_RECIPIENT
    if "valid_to" not in fields and ends > last_day(consent.valid_from, longest_days):
        fields["valid_to"] = TOO_LONG.format(longest_days)
    if fields:
        raise ConsentIncomplete(fields=fields)
    kept = _until_adult(consent, subject)
    return Outcome(kept, (given(kept),))


def _until_adult(consent: Consent, subject: Subject) -> Consent:
    child = subject.last_day_as_a_child
    if consent.given_by is not GivenBy.PARENT or child is None:
        return consent
    return replace(consent, valid_to=min(consent.valid_to, child))


def given(consent: Consent) -> ConsentGiven:
    return ConsentGiven(
        household_id=consent.household_id,
        legal_basis=LegalBasis.CONSENT,
        consent_id=consent.id,
        member_id=consent.member_id,
        purposes=tuple(sorted(consent.purposes)),
        recipients=tuple(sorted(consent.recipients)),
        excluded_items=tuple(sorted(consent.excluded)),
        form=consent.form,
        valid_from=consent.valid_from,
        valid_to=consent.valid_to,
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """撤回の申し出。`recipients` が None なら、相手を問わず全部。"""

    id: UUID
    household_id: HouseholdId
    member_id: MemberId
    recipients: frozenset[UnitCode] | None
    reason: WithdrawReason
    on: date
    said_at: datetime
    source: Source
    recorded_by: str = ""


def withdraw(consents: Consents, wish: Wish, *, holders: Collection[UnitCode]) -> Outcome[Withdrawal]:
    """撤回する。知らせるのは、同意の相手と写しを持つ窓口（`holders`）。効いている同意がなければ NothingToWithdraw。

    期間の過ぎた同意も撤回できる: 写しがまだ残っているかもしれない。
    """
    about = [one for one in consents.given if one.member_id == wish.member_id and one.word <= (wish.on, wish.said_at)]
    named = frozenset(unit for one in about for unit in one.recipients if consents.newest(wish.member_id, unit, wish.on))
    if wish.recipients is not None:
        named &= wish.recipients
    if not named:
        raise NothingToWithdraw
    told = named | frozenset(holders) if wish.recipients is None else named
    newest = max((one for one in about if one.recipients & named), key=lambda one: one.word)
    withdrawal = Withdrawal(
        wish.id, newest.id, wish.household_id, wish.member_id, told, wish.recipients is None, wish.reason, wish.on, wish.said_at, wish.source,
        wish.recorded_by,
    )  # fmt: skip
    return Outcome(withdrawal, (withdrawn(withdrawal),))


def withdrawn(withdrawal: Withdrawal) -> ConsentWithdrawn:
    """撤回そのものの根拠は同意ではない: 権利を守るための、庁内の連絡。"""
    return ConsentWithdrawn(
        household_id=withdrawal.household_id,
        legal_basis=LegalBasis.INTERNAL_69_2_2,
        withdrawal_id=withdrawal.id,
        consent_id=withdrawal.consent_id,
        member_id=withdrawal.member_id,
        recipients=tuple(sorted(withdrawal.recipients)),
        withdrawn_on=withdrawal.withdrawn_on,
        reason=withdrawal.reason.value,
    )


def missed(withdrawal: Withdrawal, units: Collection[UnitCode]) -> ReceiptsMissed:
    """期限を過ぎて受領のない窓口を知らせる。空なら、そろった。根拠は撤回と同じ、庁内の連絡。"""
    return ReceiptsMissed(
        household_id=withdrawal.household_id,
        legal_basis=LegalBasis.INTERNAL_69_2_2,
        withdrawal_id=withdrawal.id,
        member_id=withdrawal.member_id,
        units=tuple(sorted(units)),
        since=withdrawal.said_at,
    )


class Why(StrEnum):
    """取り直す理由。"""

    ADULT = "adult"
    EXPIRED = "expired"
    EXPIRES = "expires"
    NEW_RECIPIENT = "new_recipient"

    @property
    def label(self) -> str:
        return {
            "adult": "18歳になる（本人の同意が要る）", "expired": "期間が過ぎた", "expires": "まもなく期間が終わる",
            "new_recipient": "新しいつなぎ先がある",
        }[self.value]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Retake:
    household_id: HouseholdId
    member_id: MemberId
    why: Why
    by: date
    recipients: tuple[UnitCode, ...]


def retakes(
    consents: Consents, adults: dict[MemberId, date | None], referred: Iterable[UnitCode], on: date, notice_days: int, *,
    over: Collection[UnitCode] = (),
) -> list[Retake]:  # fmt: skip
    """取り直す同意。`adults` はいまいる人と18歳になる日、`referred` はつないである（断られていない）窓口。早い順。

    支援の終わった窓口（`over`）への同意は、聞き直さない。
    """
    still = frozenset(referred) - frozenset(over)
    found = [one for member, adult in adults.items() for one in _retakes_of(consents, member, adult, still, frozenset(over), on, notice_days)]
    return sorted(found, key=lambda one: (one.by, one.member_id.hex, one.why))


def _retakes_of(
    consents: Consents, member: MemberId, adult: date | None, referred: frozenset[UnitCode], over: frozenset[UnitCode], on: date, notice_days: int
) -> Iterable[Retake]:
    mine = [one for one in consents.given if one.member_id == member]
    if not mine:
        return
    ending: dict[tuple[Why, date], list[UnitCode]] = {}
    for unit in sorted({unit for one in mine for unit in one.recipients} - over):
        last = consents.newest(member, unit, on)
        if last and last.valid_to <= on + timedelta(days=notice_days):
            ending.setdefault((_why(last, adult, on), last.valid_to), []).append(unit)
    for (why, by), units in ending.items():
        yield Retake(mine[0].household_id, member, why, by, tuple(units))
    new = tuple(unit for unit in sorted(referred) if consents.state_for(member, unit, on) is ConsentState.NOT_ASKED and not _knows(mine, unit))
    if new:
        yield Retake(mine[0].household_id, member, Why.NEW_RECIPIENT, on, new)


def _knows(mine: list[Consent], unit: UnitCode) -> bool:
    return any(unit in one.recipients for one in mine)


def _why(last: Consent, adult: date | None, on: date) -> Why:
    if last.given_by is GivenBy.PARENT and adult and last.valid_to >= adult - timedelta(days=1):
        return Why.ADULT
    return Why.EXPIRED if last.valid_to < on else Why.EXPIRES
