"""身元の開示: 氏名がこの窓口の外へ出る、ただ一つの道。求めた窓口あてのつなぎがあるときだけ答え、答えたことも断ったことも残す。"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from services.intake.consent import Consent, Consents
from services.intake.consultation import Consultation
from services.intake.household import Household, Member
from shared.contracts.consent import ConsentItem
from shared.contracts.consent_uses import use_of, wanted
from shared.contracts.disclosure import Disclosure, DisclosureRequest, MemberIdentity, Refused
from shared.contracts.event import Lane, LegalBasis, MemberId

#: 求めの目的。「同意」を根拠にするときは、求めた窓口の使い道に足りる目的の同意が要る (codes/consent_uses.yaml): 統計の同意では氏名は渡さない
ASKED_FOR = frozenset({"referral", "watch"})
#: 氏名の根拠にならないもの: 統計
UNLAWFUL = frozenset({LegalBasis.STAT})
#: 上司の承認が要るもの。窓口は承認されたつなぎだけをこの根拠で知らせる（casework の `refer.refer`、decisions/0012）ので、
#: 求めた窓口あての、この根拠のつなぎがあるときだけ答える
APPROVED = frozenset({LegalBasis.BENEFIT_69_2_4})


@dataclass(frozen=True, slots=True)
class Ground:
    """開示の根拠になるつなぎ。断られたつなぎ（declined）は根拠にならない。"""

    referral_id: UUID
    to_unit: str
    legal_basis: str
    status: str
    consultation: Consultation | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`told` は身元を渡す人と、その人の（相手に効いている）同意。通告・通報でなければ、同意で除かれた項目は渡さない。"""

    ground: Ground | None
    refused: Refused | None
    told: Mapping[MemberId, frozenset[ConsentItem]] = field(default_factory=dict)


def decide(request: DisclosureRequest, grounds: Sequence[Ground], members: Collection[MemberId], consents: Consents, on: date) -> Answer:
    """`grounds` は、この世帯についてのつなぎ。求めた窓口あてで、断られても取り消されてもいないものがあれば答える。

    根拠を「同意」とするなら、いま同意が効いている人だけ。ほかの根拠は、求めた窓口が述べたものを記録に残す。
    """
    if request.purpose not in ASKED_FOR:
        return Answer(None, Refused.PURPOSE_UNKNOWN)
    if request.legal_basis in UNLAWFUL:
        return Answer(None, Refused.BASIS_UNLAWFUL)
    named = [ground for ground in grounds if request.referral_id in (None, ground.referral_id)]
    theirs = [ground for ground in named if ground.to_unit == request.asker and ground.status != "declined"]
    if not theirs:
        return Answer(None, Refused.NOT_ADDRESSED if named else Refused.UNKNOWN_REFERRAL)
    standing = [ground for ground in theirs if not (ground.consultation and ground.consultation.withdrawn)]
    if not standing:
        return Answer(None, Refused.WITHDRAWN)
    if request.legal_basis in APPROVED and not any(_approved(request, ground) for ground in grounds):
        return Answer(None, Refused.BASIS_UNLAWFUL)
    return _on_basis(request, standing, members, consents, on)


def _approved(request: DisclosureRequest, ground: Ground) -> bool:
    """つなぎは世帯に一つとは限らない: 同意がなくなった照会は、ケースの根拠に移る（casework の `identity.move_ground`）。"""
    return ground.to_unit == request.asker and ground.status != "declined" and ground.legal_basis == request.legal_basis


def _on_basis(request: DisclosureRequest, standing: Sequence[Ground], members: Collection[MemberId], consents: Consents, on: date) -> Answer:
    """渡す人を決める。通告・通報では、要ることを全部渡す。"""
    purposes = wanted(use_of(request.asker, on), on).purposes
    agreed = {member: consents.standing(member, request.asker, on, purposes) for member in members}
    if request.legal_basis is LegalBasis.CONSENT:
        agreed = {member: one for member, one in agreed.items() if one}
        if not agreed:
            return Answer(None, Refused.CONSENT_MISSING)
    told = {member: _excluded(request, one) for member, one in agreed.items()}
    about = [ground for ground in standing if ground.consultation and ground.consultation.subject_id in told]
    return Answer((about or list(standing))[0], None, told)


def _excluded(request: DisclosureRequest, consent: Consent | None) -> frozenset[ConsentItem]:
    if consent is None or request.legal_basis.lane is Lane.MANDATORY_REPORT:
        return frozenset()
    return consent.excluded


def disclose(disclosure_id: UUID, household: Household, answer: Answer) -> Disclosure:
    """いま世帯にいる、渡してよい人の身元と、そのつなぎのもとになった相談の内容。離れた人は含めない。

    住所は世帯のものなので、一人でも除いていれば渡さない。相談の内容は、相談した人のもの。
    """
    told = answer.told
    consultation = answer.ground.consultation if answer.ground else None
    theirs = consultation.subject_id in told if consultation else False
    text_hidden = not theirs or (consultation is not None and ConsentItem.CONSULTATION_TEXT in told[consultation.subject_id])
    address_hidden = any(ConsentItem.ADDRESS in excluded for excluded in told.values())
    return Disclosure(
        disclosure_id=disclosure_id,
        household_id=household.id,
        area=household.area,
        address=None if address_hidden else household.town or None,
        members=tuple(_identity(member, told[member.id]) for member in household.present if member.id in told),
        consultation_text=consultation.content.text if consultation and not text_hidden else None,
        receipt_no=consultation.receipt_no if consultation else None,
    )


def _identity(member: Member, excluded: frozenset[ConsentItem]) -> MemberIdentity:
    person = member.person
    return MemberIdentity(
        member_id=member.id,
        role=person.role,
        name=member.display_name,
        kana=person.kana,
        birth=None if ConsentItem.BIRTH in excluded else person.birth.on,
        sex=person.sex,
        phone=None if ConsentItem.PHONE in excluded else person.phone or None,
    )
