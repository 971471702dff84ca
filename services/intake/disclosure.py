"""身元の開示: 氏名がこの窓口の外へ出る、ただ一つの道。求めた窓口あてのつなぎがあるときだけ答え、答えたことも断ったことも残す。"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.intake.consultation import Consultation
from services.intake.household import Household, Member
from shared.contracts.consultation import ConsentState
from shared.contracts.disclosure import Disclosure, DisclosureRequest, MemberIdentity, Refused
from shared.contracts.event import LegalBasis

PURPOSES = frozenset({"referral", "watch"})


@dataclass(frozen=True, slots=True)
class Ground:
    """開示の根拠になるつなぎ。断られたつなぎ（declined）は根拠にならない。"""

    referral_id: UUID
    to_unit: str
    legal_basis: str
    status: str
    consultation: Consultation | None

    @property
    def consented(self) -> bool:
        """いまの同意（あとから訂正された同意を含む）。もとの相談がなければ、つないだときの根拠。"""
        if self.consultation:
            return self.consultation.content.consent is ConsentState.GIVEN
        return self.legal_basis == LegalBasis.CONSENT


@dataclass(frozen=True, slots=True)
class Answer:
    ground: Ground | None
    refused: Refused | None


def decide(request: DisclosureRequest, grounds: Sequence[Ground]) -> Answer:
    """`grounds` は、この世帯についてのつなぎ。求めた窓口あてで、断られても取り消されてもいないものがあれば答える。

    根拠を「同意」とするなら、いま同意があること。ほかの根拠は、求めた窓口が述べたものを記録に残す。
    """
    if request.purpose not in PURPOSES:
        return Answer(None, Refused.PURPOSE_UNKNOWN)
    named = [ground for ground in grounds if request.referral_id in (None, ground.referral_id)]
    theirs = [ground for ground in named if ground.to_unit == request.asker and ground.status != "declined"]
    if not theirs:
        return Answer(None, Refused.NOT_ADDRESSED if named else Refused.UNKNOWN_REFERRAL)
    standing = [ground for ground in theirs if not (ground.consultation and ground.consultation.withdrawn)]
    if not standing:
        return Answer(None, Refused.WITHDRAWN)
    lawful = [ground for ground in standing if request.legal_basis is not LegalBasis.CONSENT or ground.consented]
    return Answer(lawful[0], None) if lawful else Answer(None, Refused.CONSENT_MISSING)


def disclose(disclosure_id: UUID, household: Household, ground: Ground) -> Disclosure:
    """いま世帯にいる人の身元と、そのつなぎのもとになった相談の内容。離れた人は含めない。"""
    consultation = ground.consultation
    return Disclosure(
        disclosure_id=disclosure_id,
        household_id=household.id,
        area=household.area,
        address=household.town or None,
        members=tuple(_identity(member) for member in household.present),
        consultation_text=consultation.content.text if consultation else None,
        receipt_no=consultation.receipt_no if consultation else None,
    )


def _identity(member: Member) -> MemberIdentity:
    person = member.person
    return MemberIdentity(
        member_id=member.id,
        role=person.role,
        name=member.display_name,
        kana=person.kana,
        birth=person.birth.on,
        sex=person.sex,
        phone=person.phone or None,
    )
