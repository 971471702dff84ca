"""同意は一人ずつ: 一人の同意はほかの人に及ばず、なくなれば根拠も氏名の写しもなくなる。"""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.cases.casework import identity
from shared.contracts import consent_said
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.consent import ConsentGiven
from shared.contracts.consultation import ConsentState
from shared.contracts.disclosure import Disclosure, Refused
from shared.contracts.event import LegalBasis, MemberId, ReferralId
from shared.contracts.referral import ReferralMade
from shared.runtime.unit import all_units
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY, made
from tests.cases.desk import MOTHER_NAME, SON_NAME, DeskUnderTest

G, R, N = ConsentState.GIVEN, ConsentState.REFUSED, ConsentState.NOT_ASKED


def said(value: str, member: MemberId = MOTHER, **changes: Any) -> FactRecorded:
    values: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": "INTERNAL_69_2_2", "fact_id": uuid4(), "member_id": member, "kind": "consent",
                              "value": value, "as_of": TODAY, "confidence": "confirmed"}  # fmt: skip
    return FactRecorded(**values | changes)


def given(as_of: date = TODAY, **changes: Any) -> ConsentGiven:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD, "legal_basis": "CONSENT", "consent_id": uuid4(), "member_id": MOTHER, "purposes": ("consultation",),
        "recipients": ("cases-elderly",), "form": "oral", "valid_from": as_of, "valid_to": as_of + timedelta(days=99),
    }  # fmt: skip
    return ConsentGiven(**values | changes)


async def agreed_to(desk: DeskUnderTest, *members: MemberId, **changes: Any) -> ReferralMade:
    """A referral of reception on consent, with the names it brought."""
    event = made(member_ids=members or (MOTHER,), consent=G, legal_basis=LegalBasis.CONSENT, **changes)
    await desk.hear_family()
    await desk.hear(event)
    await desk.told_who(event.referral_id)
    return event


async def refused(desk: DeskUnderTest, event: ReferralMade, why: str) -> None:
    async with desk.db.transaction() as tx:
        await identity.COPIES.keep(tx, ReferralId(event.referral_id), Disclosure(household_id=HOUSEHOLD, refused=why))


async def names(desk: DeskUnderTest) -> int:
    return len(await desk.rows("select 1 from identity"))


async def ground(desk: DeskUnderTest) -> tuple[str, str]:
    (row,) = await desk.rows("select consent, legal_basis from case_file")
    return row.consent, row.legal_basis


@pytest.mark.parametrize(("states", "together"), [((G, G), G), ((G, N), N), ((G, R), R), ((), N)])
def test_consent_is_given_when_everybody_gave_it(states: tuple[ConsentState, ...], together: ConsentState) -> None:
    members = (MOTHER, SON)[: len(states)]
    assert consent_said.of_all(dict(zip(members, states, strict=True)), members) is together


async def test_the_consent_of_the_one_who_came_to_reception_is_not_that_of_the_others(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly, MOTHER, SON)
    assert "同意はまだ" in (await elderly.get("/referrals")).text
    await elderly.accepted(event.referral_id)
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")
    assert '"legal_basis":"CONSENT"' not in (await elderly.payloads()).replace(": ", ":")


async def test_the_consent_of_one_member_does_not_become_that_of_the_case(elderly: DeskUnderTest) -> None:
    event = made(member_ids=(MOTHER, SON))
    await elderly.hear_family()
    await elderly.hear(event)
    case = await elderly.accepted(event.referral_id)
    fact: dict[str, Any] = {"member_id": SON, "since": "", "as_of": "今日", "confidence": "confirmed", "legal_basis": "CONSENT", "evidence": ""}
    given = await elderly.send(f"{case}/facts", fact_id=uuid4(), **fact | {"kind": "consent", "value": "given"})
    assert given.status_code == 303, given.text
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")
    about_mother = fact | {"member_id": MOTHER, "kind": "dementia", "value": "suspected"}
    assert (await elderly.send(f"{case}/facts", fact_id=uuid4(), **about_mother)).status_code == 422
    assert (await elderly.send(f"{case}/facts", fact_id=uuid4(), **about_mother | {"member_id": SON})).status_code == 303


async def test_a_second_referral_does_not_inherit_the_consent_of_the_first(elderly: DeskUnderTest) -> None:
    first = await agreed_to(elderly)
    await elderly.accepted(first.referral_id)
    assert await ground(elderly) == ("given", "CONSENT")
    second = made(member_ids=(SON,))
    await elderly.hear(second)
    await elderly.accepted(second.referral_id)
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")


@pytest.mark.parametrize("value", ["refused", "withdrawn"])
async def test_when_reception_hears_no_the_case_stands_on_another_ground_and_the_name_is_asked_again_once(elderly: DeskUnderTest, value: str) -> None:
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    no = said(value)
    await elderly.hear(no, times=2)
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")
    asked = await elderly.rows("select key, payload::text as payload from intent order by created_at")
    assert [row.key for row in asked] == [str(event.referral_id), f"{event.referral_id}:{no.fact_id}"]
    assert "CONSENT" in asked[1].payload  # the owner decides whether the ground it was told on still holds


async def test_an_older_word_does_not_undo_a_newer_one(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly, made_on=TODAY - timedelta(days=9))
    await elderly.accepted(event.referral_id)
    await elderly.hear(said("withdrawn"))
    await elderly.hear(said("given", as_of=TODAY - timedelta(days=1)))
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")


async def test_a_no_that_overtakes_the_referral_still_counts(elderly: DeskUnderTest) -> None:
    """Another desk's referral may arrive after reception said that the consent was withdrawn."""
    await elderly.hear(said("withdrawn"))
    event = made(consent=G, legal_basis=LegalBasis.CONSENT, made_on=TODAY - timedelta(days=1))
    await elderly.hear(event, "cases-poverty")
    await elderly.accepted(event.referral_id)
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")


async def test_a_consent_that_was_a_mistake_is_no_consent(elderly: DeskUnderTest) -> None:
    yes = given(as_of=TODAY + timedelta(days=1))
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    await elderly.hear(yes)
    await elderly.hear(FactRetracted(household_id=HOUSEHOLD, legal_basis="CONSENT", fact_id=yes.consent_id), times=2)
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")


async def test_what_the_reception_heard_for_another_desk_is_no_consent_here(elderly: DeskUnderTest) -> None:
    """Who is meant is said by the consent of the same number; a fact names nobody. Nor does it take the limits away from what was agreed here."""
    event = made(consent=N)
    await elderly.hear_family()
    await elderly.hear(event)
    await elderly.accepted(event.referral_id)
    elsewhere = said("given")
    await elderly.hear(elsewhere)
    await elderly.hear(given(consent_id=elsewhere.fact_id, recipients=("cases-poverty",)))
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")
    await elderly.hear(given(purposes=("statistics",)))
    await elderly.hear(said("given", as_of=TODAY + timedelta(days=1)))
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")


async def test_a_no_that_comes_with_another_referral_asks_the_owner_again_and_takes_the_name(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    no = made(consent=R, made_on=TODAY + timedelta(days=1))
    await elderly.hear(no, "cases-poverty", times=2)
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")
    asked = [row.key for row in await elderly.rows("select key from intent")]
    assert sorted(asked) == sorted([str(event.referral_id), f"{event.referral_id}:{no.referral_id}", f"{no.referral_id}:{no.referral_id}"])
    await elderly.told_who(event.referral_id)
    assert [row.name for row in await elderly.rows("select name from identity")] == [SON_NAME]


async def test_what_else_reception_recorded_leaves_the_desk_alone(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    await elderly.hear(said("refused", kind="dementia"))
    assert await ground(elderly) == ("given", "CONSENT")
    assert len(await elderly.rows("select 1 from intent")) == 1


async def test_recording_a_withdrawal_here_asks_the_owner_again(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    case = await elderly.accepted(event.referral_id)
    fact: dict[str, Any] = {"fact_id": uuid4(), "member_id": MOTHER, "kind": "consent", "value": "withdrawn", "since": "", "as_of": "今日",
            "confidence": "confirmed", "legal_basis": "INTERNAL_69_2_2", "evidence": ""}  # fmt: skip
    for _ in range(2):
        assert (await elderly.send(f"{case}/facts", **fact)).status_code == 303
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")
    assert len(await elderly.rows("select 1 from intent")) == 2


@pytest.mark.parametrize("why", [Refused.CONSENT_MISSING, Refused.WITHDRAWN, Refused.NOT_ADDRESSED])
async def test_when_the_ground_is_gone_the_copy_of_the_names_goes(elderly: DeskUnderTest, why: Refused) -> None:
    event = await agreed_to(elderly)
    case = await elderly.accepted(event.referral_id)
    await refused(elderly, event, why)
    assert await names(elderly) == 0
    assert MOTHER_NAME not in (await elderly.get(case)).text


async def test_the_names_stay_when_another_referral_was_answered_with_them(elderly: DeskUnderTest) -> None:
    first, second = await agreed_to(elderly), await agreed_to(elderly)
    await refused(elderly, first, Refused.CONSENT_MISSING)
    assert await names(elderly) == 2
    await refused(elderly, second, Refused.CONSENT_MISSING)
    assert await names(elderly) == 0


async def test_a_declined_referral_takes_the_names_that_were_told_for_it_alone(elderly: DeskUnderTest) -> None:
    first, other = await agreed_to(elderly), made()
    await elderly.hear(other)
    await elderly.send(f"/referrals/{first.referral_id}/decline", version=1, reason="not_ours")
    assert await names(elderly) == 0, "the other question is not answered yet"
    await elderly.told_who(other.referral_id)
    assert await names(elderly) == 2


async def test_a_refusal_that_says_nothing_of_the_ground_keeps_the_copy(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await refused(elderly, event, Refused.PURPOSE_UNKNOWN)
    assert await names(elderly) == 2


def test_every_case_desk_hears_the_consent_that_reception_hears() -> None:
    for unit in all_units():
        if unit.code.startswith("cases-"):
            assert ("intake", "fact") in {(found.source, found.channel) for found in unit.consumes}, unit.code
