"""The units of the fault suite: alpha speaks, beta hears it and answers on its own channel, gamma hears both."""

from collections.abc import Mapping
from uuid import UUID, uuid5

from shared.contracts.case import FactRetracted
from shared.contracts.event import Event, HouseholdId, LegalBasis, MemberId
from shared.contracts.household import MemberCorrected, MemberRole
from shared.runtime.unit import Unit
from tests.shared.messaging.town import unit

ALPHA = unit("alpha", publishes=("household", "fact", "domain"))
BETA = unit("beta", publishes=("fact",), consumes=("alpha:household", "alpha:fact"))
GAMMA = unit("gamma", consumes=("*:household", "*:fact"))
UNITS = (ALPHA, BETA, GAMMA)
BY_CODE: Mapping[str, Unit] = {one.code: one for one in UNITS}

_ANSWER = UUID("7a0b55a2-3f6e-4a8e-8a39-5d5f2c8f1e01")


def event(channel: str, household: UUID, mark: UUID) -> Event:
    """An event that carries `mark`, our own number of the fact, so that nobody has to believe the envelope."""
    home = HouseholdId(household)
    if channel == "fact":
        return FactRetracted(household_id=home, legal_basis=LegalBasis.CONSENT, fact_id=mark)
    return MemberCorrected(household_id=home, legal_basis=LegalBasis.CONSENT, member_id=MemberId(mark), role=MemberRole.CHILD)


def mark_of(heard: Event) -> UUID:
    return heard.fact_id if hasattr(heard, "fact_id") else heard.member_id  # type: ignore[attr-defined,no-any-return]


def answer_to(mark: UUID) -> UUID:
    """The mark of beta's answer: the same cause gives the same answer."""
    return uuid5(_ANSWER, str(mark))


def wants_timer(mark: UUID) -> bool:
    return mark.int % 29 == 0


def wants_intent(mark: UUID) -> bool:
    return mark.int % 31 == 0
