"""つなぐ: 開いているケースの世帯を、つなぎを受ける他の窓口へ渡す。"""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

from services.cases.casework import basis, referral
from services.cases.casework.case import Case, must_be_open
from services.cases.casework.profile import Profile, Rules
from services.cases.casework.referral import Referral
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import LegalBasis, ReferralId, UnitCode
from shared.contracts.referral import ReferralMade
from shared.runtime.problems import Refusal


class TargetUnknown(Refusal):
    status = 422
    code = "target_unknown"
    sentence = "つなぎ先を選んでください。"


class AlreadyReferred(Refusal):
    code = "already_referred"
    sentence = "この窓口へのつなぎは、返信を待っているところです。つなぎのタブで確かめてください。"


class TopicsMissing(Refusal):
    status = 422
    code = "topics_missing"
    sentence = "どんなことでつなぐのか、相談内容を一つ以上選んでください。"


def refer(
    case: Case,
    *,
    referral_id: ReferralId,
    to: UnitCode,
    targets: Collection[UnitCode],
    waiting_at: Collection[UnitCode],
    topics: tuple[str, ...],
    urgency: Urgency,
    consent: ConsentState,
    legal_basis: LegalBasis,
    on: date,
    profile: Profile,
    rules: Rules,
    harm_checked: bool = False,
    harm_note: str = "",
    lacks: str = "",
) -> Outcome[Referral]:
    """ほかの窓口 `to` につなぐ。`targets` はつなぎを受ける窓口、`waiting_at` は返信を待っている窓口、`lacks` は同意に足りない目的。"""
    must_be_open(case)
    if to not in targets or to == profile.unit:
        raise TargetUnknown(fields={"to": TargetUnknown.sentence})
    if to in waiting_at:
        raise AlreadyReferred(fields={"to": AlreadyReferred.sentence})
    if not topics or any(topic not in rules.topics for topic in topics):
        raise TopicsMissing(fields={"topics": TopicsMissing.sentence})
    may = basis.choices(profile.bases, convenes=profile.convenes)
    basis.check(legal_basis, consent, may, harm_checked=harm_checked, harm_note=harm_note, lacks=lacks)
    reply_due = on + timedelta(days=rules.reply_days[urgency])
    made = ReferralMade(
        household_id=case.household_id,
        legal_basis=legal_basis,
        referral_id=referral_id,
        to=to,
        member_ids=case.member_ids,
        topics=topics,
        urgency=urgency,
        consent=consent,
        made_on=on,
        reply_due=reply_due,
    )
    return Outcome(replace(referral.arrive(made, profile.unit), harm_checked=harm_checked, harm_note=harm_note), (made,))
