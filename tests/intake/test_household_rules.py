"""世帯の決めごと: 登録、加わる、離れる、訂正。"""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from services.intake.household import Birth, Household, LeavingDateWrong, Member, MemberAlreadyLeft, Person, Sex, correct, leave, register
from services.intake.register_import import RegisteredHousehold, RegisteredMember, import_batch
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.contracts.household import Area, HouseholdRegistered, LeavingReason, MemberCorrected, MemberJoined, MemberLeft, MemberRole
from shared.runtime.problems import ChangedMeanwhile, NotFound

TODAY = date(2026, 11, 23)
BASIS = LegalBasis.INTERNAL_69_2_2
MOTHER = Member(MemberId(uuid4()), Person(MemberRole.HEAD, "見本 文子", "ミホン フミコ", Birth(on=date(1943, 4, 1))), date(2016, 4, 1))
HOME = Household(HouseholdId(uuid4()), Area.TOI, "架空町", (MOTHER,))


def test_registering_tells_the_area_and_the_members() -> None:
    events = register(HOME, basis=BASIS).events
    assert [type(event) for event in events] == [HouseholdRegistered, MemberJoined]
    assert events[0].area is Area.TOI  # type: ignore[attr-defined]


@pytest.mark.parametrize("reason", list(LeavingReason))
def test_leaving_tells_the_reason_and_the_day(reason: LeavingReason) -> None:
    outcome = leave(HOME, MOTHER.id, reason, TODAY, today=TODAY, basis=BASIS)
    (event,) = outcome.events
    assert isinstance(event, MemberLeft)
    assert (event.reason, event.effective_on) == (reason, TODAY)
    assert outcome.state.present == ()


def test_nobody_leaves_in_the_future_before_birth_or_twice() -> None:
    with pytest.raises(LeavingDateWrong, match="leaving_date_wrong"):
        leave(HOME, MOTHER.id, LeavingReason.DIED, date(2026, 11, 24), today=TODAY, basis=BASIS)
    with pytest.raises(LeavingDateWrong):
        leave(HOME, MOTHER.id, LeavingReason.DIED, date(1943, 3, 31), today=TODAY, basis=BASIS)
    gone = leave(HOME, MOTHER.id, LeavingReason.DIED, TODAY, today=TODAY, basis=BASIS).state
    with pytest.raises(MemberAlreadyLeft):
        leave(gone, MOTHER.id, LeavingReason.DIED, TODAY, today=TODAY, basis=BASIS)
    with pytest.raises(NotFound):
        leave(HOME, uuid4(), LeavingReason.DIED, TODAY, today=TODAY, basis=BASIS)


@pytest.mark.parametrize(
    "change", [{"name": "見本 史子"}, {"kana": "ミホン シコ"}, {"phone": "0558000002"}, {"birth": Birth(on=date(1943, 4, 2))}, {"sex": Sex.FEMALE}]
)
def test_every_correction_is_told_without_what_was_corrected(change: dict[str, Any]) -> None:
    """The desks know the name by disclosure; only this event makes them ask again."""
    (event,) = correct(HOME, MOTHER.id, replace(MOTHER.person, **change), seen_version=1, basis=BASIS).events
    told = MemberCorrected(
        household_id=HOME.id, legal_basis=BASIS, member_id=MOTHER.id, role=MOTHER.person.role, birth_month=MOTHER.person.birth.month
    )
    assert event == told


def test_a_correction_that_changes_nothing_is_not_told() -> None:
    assert correct(HOME, MOTHER.id, MOTHER.person, seen_version=1, basis=BASIS).events == ()


def test_a_corrected_birth_month_is_told() -> None:
    younger = replace(MOTHER.person, birth=Birth(on=date(1944, 5, 1)))
    (event,) = correct(HOME, MOTHER.id, younger, seen_version=1, basis=BASIS).events
    assert isinstance(event, MemberCorrected)
    assert event.birth_month == "1944-05"


def test_a_correction_of_an_older_version_is_compared() -> None:
    with pytest.raises(ChangedMeanwhile) as conflict:
        correct(HOME, MOTHER.id, replace(MOTHER.person, name="見本 史子"), seen_version=0, basis=BASIS)
    assert conflict.value.theirs["氏名"] == "見本 文子"
    assert conflict.value.yours["氏名"] == "見本 史子"


def test_age_is_counted_from_the_day_before_the_birthday() -> None:
    birth = Birth(on=date(1943, 11, 24))
    assert birth.age_at(date(2026, 11, 22)) == 82
    assert birth.age_at(TODAY) == 83


def test_an_estimated_birth_month_is_within_half_a_year() -> None:
    for age in range(0, 120):
        month = Birth(age=age, asked_on=TODAY).month
        assert month is not None
        year, number = map(int, month.split("-"))
        months = (TODAY.year - year) * 12 + TODAY.month - number
        assert age * 12 <= months <= age * 12 + 12


def test_the_same_register_read_twice_registers_nothing_new() -> None:
    given = RegisteredHousehold("N1", Area.SHUZENJI, "架空町", (RegisteredMember("見本 文子", "ミホン フミコ", MemberRole.HEAD),))
    assert len(import_batch([given, given], known=(), today=TODAY, new_id=uuid4).state) == 1
    again = import_batch([given], known={"N1"}, today=TODAY, new_id=uuid4)
    assert (again.state, again.events) == ((), ())
