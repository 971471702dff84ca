"""同意の画面に出す値: いま効いている同意、撤回と受領、取り直し。決めごとはしない。"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, select

from services.intake.consent import Consent, Consents, GivenBy, Retake, Withdrawal, WithdrawReason, adult_on, retakes
from services.intake.consent_scan_store import Kept
from services.intake.household import Household
from services.intake.receipt_number import local_day
from services.intake.tables import disclosure, withdrawal_receipt
from shared.contracts.consent import ConsentForm, ConsentItem, Purpose
from shared.runtime.database import Read

#: やさしい言葉での根拠（本人に渡す紙にも使う）
GROUNDS: Mapping[str, str] = {
    "CONSENT": "本人の同意",
    "INTERNAL_69_2_2": "市役所の中の仕事に必要なため（個人情報保護法69条2項2号）",
    "EXTERNAL_69_2_3": "ほかの役所の仕事に必要なため（個人情報保護法69条2項3号）",
    "ART106_6": "支援会議（社会福祉法106条の6）",
    "KONKYU_9": "生活困窮の支援会議（生活困窮者自立支援法9条）",
    "ABUSE_CHILD": "子どもを守るため（児童虐待防止法6条）",
    "ABUSE_ELDER": "高齢の人を守るため（高齢者虐待防止法7条）",
    "ABUSE_DISAB": "障がいのある人を守るため（障害者虐待防止法7条）",
    "DV": "暴力から守るため（DV防止法6条）",
    "LIFE_EMERGENCY": "命や体の危険があるため",
    "DISASTER": "災害のときに助けるため（災害対策基本法49条の11）",
    "CASE_RECORD": "支援の記録（決められた保存の期間が終わるまで）",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """一つの窓口の受領。`done_on` が空なら「まだ」。"""

    unit: str
    removed: int | None
    kept: tuple[str, ...]
    done_on: date | None


@dataclass(frozen=True, slots=True)
class Taken:
    """撤回一つと、その受領。"""

    withdrawal: Withdrawal
    receipts: tuple[Receipt, ...]
    alarmed: bool

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(one.unit for one in self.receipts if one.done_on is None)


@dataclass(frozen=True, slots=True)
class Standing:
    """ある人の、ある窓口への、いま効いている同意。"""

    name: str
    unit: str
    consent: Consent


@dataclass(frozen=True, slots=True)
class Written:
    """書面の同意一つと、付けてある写し（なければ空）。"""

    name: str
    consent: Consent
    scans: Sequence[Kept]

    @property
    def added(self) -> list[tuple[date, str, int]]:
        """いつ、だれが、何件付けたか。"""
        return [(day, who, count) for (day, who), count in Counter((local_day(one.added_at), one.added_by) for one in self.scans).items()]


@dataclass(frozen=True, slots=True)
class Told:
    """身元を渡した記録。"""

    unit: str
    on: date
    ground: str


def choices(targets: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    return {
        "purposes": [(one.value, one.label) for one in Purpose],
        "items": [(one.value, one.label) for one in ConsentItem],
        "forms": [(one.value, one.label) for one in ConsentForm],
        "givers": [(one.value, one.label) for one in GivenBy],
        "withdraw_reasons": [(one.value, one.label) for one in (WithdrawReason.PERSON_ASKED, WithdrawReason.GUARDIAN_ASKED)],
        "targets": list(targets),
    }


def standing(consents: Consents, home: Household, today: date) -> list[Standing]:
    return [Standing(member.display_name, unit, one) for member in home.members for unit, one in consents.standing_of(member.id, today).items()]


def written(consents: Consents, home: Household, scans: Mapping[UUID, Sequence[Kept]]) -> list[Written]:
    """書面の同意。期間の過ぎたもの、撤回されたものも。新しい順。"""
    signed = sorted((one for one in consents.given if one.form is ConsentForm.WRITTEN), key=lambda one: one.word, reverse=True)
    return [Written(home.member(one.member_id).display_name, one, scans.get(one.id, ())) for one in signed]


def due(consents: Consents, home: Household, referred: set[str], over: set[str], today: date, notice_days: int) -> list[Retake]:
    adults = {member.id: adult_on(member.person.birth.on) for member in home.present}
    return retakes(consents, adults, referred, today, notice_days, over=over)


async def taken(handle: Read, consents: Consents, alarmed: Mapping[UUID, bool]) -> list[Taken]:
    """撤回と受領。新しい順。知らせる相手のなかった言葉は出さない。"""
    ids = [one.id for one in consents.withdrawn]
    found: dict[UUID, list[Receipt]] = {}
    r = withdrawal_receipt
    for row in await handle.rows(select(r).where(r.c.withdrawal_id.in_(ids)).order_by(r.c.unit)):
        kept = tuple(GROUNDS.get(code, code) for code in row.kept_under)
        found.setdefault(row.withdrawal_id, []).append(Receipt(row.unit, row.removed, kept, row.done_on))
    shown = [Taken(one, tuple(found[one.id]), alarmed.get(one.id, False)) for one in consents.withdrawn if one.id in found]
    return sorted(shown, key=lambda one: one.withdrawal.said_at, reverse=True)


async def told_about(handle: Read, household_id: UUID, member_id: UUID) -> list[Told]:
    """その人の身元を渡した窓口と根拠（いちばん新しい日）。"""
    d = disclosure
    about = (d.c.household_id == household_id, d.c.refused.is_(None), literal(member_id, Uuid) == any_(d.c.member_ids))
    newest: dict[tuple[str, str], Told] = {}
    for row in await handle.rows(select(d.c.asker, d.c.at, d.c.legal_basis).where(*about).order_by(d.c.at)):
        newest[row.asker, row.legal_basis] = Told(row.asker, local_day(row.at), GROUNDS.get(row.legal_basis, row.legal_basis))
    return sorted(newest.values(), key=lambda one: (one.unit, one.on))
