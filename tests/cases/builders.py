"""A small town for the tests of casework: a mother of 82 and her son of 53, one desk, one caseworker."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.cases.casework.case import Case, open_case
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import Entry
from services.cases.casework.household import Household, Member
from services.cases.casework.parameters import rules_on
from services.cases.casework.profile import Profile, Rules
from services.cases.casework.refer import Offer
from services.cases.casework.referral import Referral, arrive
from services.cases.elderly import PROFILE as ELDERLY
from shared.contracts.case import CaseState
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import CaseId, Confidence, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.household import Area, MemberRole
from shared.contracts.referral import ReferralMade

TODAY = date(2026, 11, 23)
HOUSEHOLD = HouseholdId(UUID("1f0e7b52-0000-4000-8000-000000000001"))
MOTHER = MemberId(UUID("1f0e7b52-0000-4000-8000-0000000000a1"))
SON = MemberId(UUID("1f0e7b52-0000-4000-8000-0000000000a2"))
SATO = Caseworker("sato", "佐藤 花子")
ITO = Caseworker("ito", "伊藤 次郎")

FAMILY = Household(
    HOUSEHOLD,
    Area.SHUZENJI,
    (Member(MOTHER, MemberRole.HEAD, "1944-04"), Member(SON, MemberRole.CHILD, "1973-06")),
)


def rules(profile: Profile = ELDERLY, on: date = TODAY) -> Rules:
    return rules_on(profile, on)


def made(**changes: Any) -> ReferralMade:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD,
        "legal_basis": LegalBasis.INTERNAL_69_2_2,
        "referral_id": ReferralId(uuid4()),
        "to": "cases-elderly",
        "receipt_no": "R8-0001",
        "member_ids": (MOTHER,),
        "topics": ("12", "13"),
        "urgency": Urgency.C,
        "consent": ConsentState.NOT_ASKED,
        "made_on": TODAY,
        "reply_due": TODAY + timedelta(days=7),
    }
    return ReferralMade(**values | changes)


def a_referral(**changes: Any) -> Referral:
    return arrive(made(**changes), "intake")


def a_case(state: CaseState = CaseState.RECEIVED, **changes: Any) -> Case:
    opened = open_case(
        a_referral(), case_id=CaseId(uuid4()), by=SATO, on=TODAY, rules=rules(), consents={}, otherwise=LegalBasis.INTERNAL_69_2_2
    ).state
    return replace(opened, state=state, **changes)


def an_entry(**changes: Any) -> Entry:
    values: dict[str, Any] = {
        "fact_id": uuid4(),
        "kind": "care_level",
        "value": "care2",
        "member_id": MOTHER,
        "since": "2024-08",
        "as_of": TODAY,
        "confidence": Confidence.CONFIRMED,
        "legal_basis": LegalBasis.INTERNAL_69_2_2,
    }
    return Entry(**values | changes)


def an_offer(**changes: Any) -> Offer:
    values: dict[str, Any] = {
        "referral_id": ReferralId(uuid4()),
        "to": "cases-poverty",
        "topics": ("07",),
        "urgency": Urgency.B,
        "legal_basis": LegalBasis.INTERNAL_69_2_2,
    }
    return Offer(**values | changes)
