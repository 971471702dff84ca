"""The people and the words of the tests about what an alert stands on."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from shared.contracts.case import FactRecorded
from shared.contracts.consent import ConsentForm, ConsentGiven, ConsentWithdrawn, Purpose
from shared.contracts.event import LegalBasis, MemberId
from shared.runtime.auth import Staff
from tests.notify.town import TODAY, Household, mother_and_son

NOW = datetime.now(UTC)
CENTER, CHILDREN, POVERTY, ELDERLY = "cases-center", "cases-children", "cases-poverty", "cases-elderly"
COORDINATOR = Staff("sato", "調整 花子", frozenset({"coordinator"}))
MANAGER = Staff("kacho", "課長 一郎", frozenset({"manager"}))
KODOMO = Staff("kodomo", "児島 こども", frozenset({"caseworker"}), frozenset({"children"}))
KURASHI = Staff("mori", "森 健", frozenset({"caseworker"}), frozenset({"poverty"}))
CARE = Staff("suzuki", "鈴木 一郎", frozenset({"caseworker"}), frozenset({"elderly"}))
BOTH = Staff("abe", "阿部 二郎", frozenset({"caseworker"}), frozenset({"elderly", "children"}))
VISITS = Staff("homon", "訪問 歩", frozenset({"outreach"}))
OFFICER = Staff("hogo", "保護 一郎", frozenset({"dv_officer"}))
READERS = (COORDINATOR, MANAGER, KODOMO, KURASHI, CARE, BOTH, VISITS, OFFICER)


def agrees(home: Household, member: MemberId, *units: str, until: date = date(2100, 1, 1), on: date = TODAY) -> ConsentGiven:
    given: ConsentGiven = home.say(
        "intake", ConsentGiven, legal_basis=LegalBasis.CONSENT, consent_id=uuid4(), member_id=member, purposes=(Purpose.CONSULTATION,),
        recipients=units, form=ConsentForm.WRITTEN, valid_from=on, valid_to=until,
    )  # fmt: skip
    return given


def takes_back(home: Household, given: ConsentGiven, *units: str, on: date = TODAY) -> ConsentWithdrawn:
    gone: ConsentWithdrawn = home.say(
        "intake", ConsentWithdrawn, withdrawal_id=uuid4(), consent_id=given.consent_id, member_id=given.member_id, recipients=units,
        withdrawn_on=on, reason="person_asked",
    )  # fmt: skip
    return gone


def withdrawn_son(unit: str, basis: LegalBasis, **fields: Any) -> tuple[Household, MemberId, FactRecorded]:
    """8050 の世帯の子が外に出ていない、と一つの窓口が一つの根拠で記録した。"""
    home, _, son = mother_and_son()
    return home, son, home.fact(unit, son, "withdrawn", "3", legal_basis=basis, **fields)
