"""つなぐ: 開いているケースの世帯を、つなぎを受ける他の窓口へ渡す。"""

from collections.abc import Collection
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Offer:
    """つなごうとしていること。`harm_note` は、おそれがないと考えたわけで、この窓口の中だけに残る。"""

    referral_id: ReferralId
    to: UnitCode
    topics: tuple[str, ...]
    urgency: Urgency
    legal_basis: LegalBasis
    harm_checked: bool = False
    harm_note: str = ""


def refer(
    case: Case,
    offer: Offer,
    *,
    targets: Collection[UnitCode],
    waiting_at: Collection[UnitCode],
    consent: ConsentState,
    on: date,
    profile: Profile,
    rules: Rules,
    lacks: str = "",
    approved: bool = False,
) -> Outcome[Referral]:
    """ほかの窓口につなぐ。`targets` はつなぎを受ける窓口、`waiting_at` は返信を待っている窓口、`lacks` は同意に足りない目的。

    承認の要る根拠なら、上司が承認する（`approved`）までは何も知らせない。
    """
    must_be_open(case)
    if offer.to not in targets or offer.to == profile.unit:
        raise TargetUnknown(fields={"to": TargetUnknown.sentence})
    if offer.to in waiting_at:
        raise AlreadyReferred(fields={"to": AlreadyReferred.sentence})
    if not offer.topics or any(topic not in rules.topics for topic in offer.topics):
        raise TopicsMissing(fields={"topics": TopicsMissing.sentence})
    basis.must_be_ours(offer.legal_basis, basis.choices(profile.bases, convenes=profile.convenes))
    basis.must_be_agreed(offer.legal_basis, consent, lacks)
    basis.must_harm_nobody(offer.legal_basis, offer.harm_checked, offer.harm_note)
    made = ReferralMade(
        household_id=case.household_id,
        legal_basis=offer.legal_basis,
        referral_id=offer.referral_id,
        to=offer.to,
        member_ids=case.member_ids,
        topics=offer.topics,
        urgency=offer.urgency,
        consent=consent,
        made_on=on,
        reply_due=on + timedelta(days=rules.reply_days[offer.urgency]),
    )
    state = replace(referral.arrive(made, profile.unit), harm_checked=offer.harm_checked, harm_note=offer.harm_note)
    waits = basis.needs_approval(offer.legal_basis) and not approved
    return Outcome(state, () if waits else (made,))
