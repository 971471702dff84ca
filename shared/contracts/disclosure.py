"""身元の開示 (request/reply on `svc.intake.disclose`): the only way a name leaves intake, and never as an event.

Asked under a legal basis and a purpose, logged by the owner, kept by the asker only as long as the basis holds.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.contracts.event import Code, HouseholdId, LegalBasis, MemberId, ReferralId, UnitCode
from shared.contracts.household import Area, MemberRole


class Refused(StrEnum):
    """断った理由。相手の窓口は、この区分だけを受けとる。"""

    PURPOSE_UNKNOWN = "purpose_unknown"
    #: ほかの窓口どうしのつなぎは、まだ受付に届いていないことがある。相手は間をあけて尋ね直す。
    UNKNOWN_REFERRAL = "unknown_referral"
    UNKNOWN_HOUSEHOLD = "unknown_household"
    NOT_ADDRESSED = "not_addressed"
    CONSENT_MISSING = "consent_missing"
    WITHDRAWN = "withdrawn"
    #: その根拠では氏名を渡せない（統計、または裁量の確かめのないもの）
    BASIS_UNLAWFUL = "basis_unlawful"


#: Refusals that time may cure: the referral or the household is on its way to intake. Ask again.
NOT_YET = frozenset({Refused.UNKNOWN_REFERRAL, Refused.UNKNOWN_HOUSEHOLD})
#: Refusals that say the ground is gone: what was copied on it goes, too. Any other refusal leaves the copy as it is.
GROUND_GONE = frozenset({Refused.CONSENT_MISSING, Refused.WITHDRAWN, Refused.NOT_ADDRESSED})


class DisclosureRequest(BaseModel):
    """`purpose` is a code ("referral", "watch"). A request with a referral is only answered to the unit that referral names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asker: UnitCode
    household_id: HouseholdId
    purpose: Code
    legal_basis: LegalBasis
    referral_id: ReferralId | None = None


class MemberIdentity(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    member_id: MemberId
    role: MemberRole
    name: str
    kana: str
    birth: date | None = None
    sex: Code | None = None
    phone: str | None = None


class Disclosure(BaseModel):
    """What was disclosed. `refused` carries a reason code instead of people when the request had no ground."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    disclosure_id: UUID | None = None
    household_id: HouseholdId
    area: Area = Area.UNKNOWN
    address: str | None = None
    members: tuple[MemberIdentity, ...] = ()
    #: what the person at the desk wrote and may be shared with the domain it was referred to
    consultation_text: str | None = None
    receipt_no: str | None = None
    refused: Code | None = None


class Asking(StrEnum):
    ASKED = "asked"
    RECEIVED = "received"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"

    @property
    def sentence(self) -> str:
        """氏名の写しがないときに、氏名の代わりに出す言葉。"""
        return {
            "asked": "氏名を受付に照会中", "received": "氏名の開示なし", "refused": "氏名の照会は受付に断られました", "not_asked": "氏名の写しなし",
        }[self.value]  # fmt: skip


def asking_of(states: Collection[str], none: Asking = Asking.NOT_ASKED) -> Asking:
    """世帯についての照会がいくつもあれば、まだ返事を待つもの、届いたもの、断られたものの順に言う。一つもなければ `none`。"""
    return next((state for state in Asking if state.value in states), none)


@dataclass(frozen=True, slots=True)
class Question:
    """受付への照会一つ。根拠にしたつなぎ（なければ、窓口がその番号で言うもの）ごとに一つ。"""

    question_id: UUID
    household_id: HouseholdId
    legal_basis: LegalBasis
    referral_id: ReferralId | None = None
