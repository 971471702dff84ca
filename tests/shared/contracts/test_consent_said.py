"""同意の言葉を読む: だれの、だれへの言葉か。"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts import consent_said
from shared.contracts.case import FactRecorded
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.referral import ReferralMade

DAY, AT = date(2026, 11, 23), datetime(2026, 11, 23, 1, tzinfo=UTC)
CAME, OTHER = MemberId(uuid4()), MemberId(uuid4())


def fact(value: str, **changes: Any) -> FactRecorded:
    values: dict[str, Any] = {"household_id": uuid4(), "legal_basis": "INTERNAL_69_2_2", "fact_id": uuid4(), "member_id": CAME, "kind": "consent"}
    return FactRecorded(**values | {"value": value, "as_of": DAY, "confidence": "confirmed"} | changes)


def referral(consent: str, *members: MemberId) -> ReferralMade:
    return ReferralMade(
        household_id=HouseholdId(uuid4()), legal_basis="INTERNAL_69_2_2", referral_id=uuid4(), to="outreach", member_ids=members, topics=("09",),
        urgency="C", consent=consent, made_on=DAY, reply_due=DAY,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "value", "state"),
    [("intake", "given", None), ("cases-elderly", "given", ConsentState.GIVEN), ("intake", "refused", ConsentState.REFUSED),
     ("intake", "withdrawn", ConsentState.REFUSED), ("intake", "not_asked", ConsentState.NOT_ASKED)],
)  # fmt: skip
def test_a_yes_at_the_reception_is_said_by_the_consent_that_names_its_desks(source: str, value: str, state: ConsentState | None) -> None:
    said = consent_said.by_fact(fact(value), source, AT)
    assert (said.state if said else None) is state


def test_a_fact_about_nobody_or_about_something_else_is_no_word_of_consent() -> None:
    assert consent_said.by_fact(fact("refused", member_id=None), "intake", AT) is None
    assert consent_said.by_fact(fact("refused", kind="dementia"), "intake", AT) is None


@pytest.mark.parametrize(
    ("source", "consent", "members", "whose"),
    [("intake", "given", (CAME, OTHER), (CAME,)), ("intake", "refused", (CAME, OTHER), (CAME,)),
     ("cases-elderly", "given", (CAME, OTHER), (CAME, OTHER)),
     ("cases-elderly", "refused", (CAME, OTHER), ()), ("cases-elderly", "refused", (CAME,), (CAME,)), ("intake", "not_asked", (CAME,), ()),
     ("intake", "given", (), ())],
)  # fmt: skip
def test_whose_word_comes_beside_a_referral(source: str, consent: str, members: tuple[MemberId, ...], whose: tuple[MemberId, ...]) -> None:
    assert tuple(said.member_id for said in consent_said.by_referral(referral(consent, *members), source, AT)) == whose
