"""What a desk shows agrees with the policies, both ways: random households, random readers, every list and page (T-11 at a desk)."""

import random
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID, uuid4

from shared.contracts.access import BreakGlassOpened, BreakGlassReason
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.contracts.household import Area, HouseholdRegistered, MemberJoined, MemberRole
from shared.contracts.protection import ConflictDeclared, ConflictKind, ProtectionDeclared, ProtectionKind, ProtectionLifted
from shared.runtime.auth import Staff
from shared.runtime.policies import Level, Place, Standing, may
from shared.runtime.rights import reader_of
from tests.cases.builders import TODAY, made
from tests.cases.conftest import desks, elderly  # noqa: F401 — fixtures
from tests.cases.desk import ITO, MORI, NOGUCHI, SATO, DeskUnderTest

BASIS = LegalBasis.INTERNAL_69_2_2
OFFICER = Staff("hogo", "保護 一郎", frozenset({"dv_officer"}))
READERS = (SATO, ITO, NOGUCHI)
HERE = Place("desk", "elderly")


@dataclass(frozen=True)
class Home:
    id: HouseholdId
    case: str
    caseworker: str
    protected: bool
    against: frozenset[str]

    def standing(self, staff: Staff, glass: bool = False) -> Standing:
        return Standing(self.protected, staff.sub in self.against, staff.sub == self.caseworker, glass)


async def town(desk: DeskUnderTest, dice: random.Random) -> list[Home]:
    """Every combination once, then some by chance."""
    wanted = list(product((SATO, ITO), (False, True), ((), ("sato",), ("noguchi",))))
    wanted += [(dice.choice((SATO, ITO)), dice.random() < 0.4, tuple(dice.sample(["sato", "ito", "noguchi"], dice.randint(0, 2)))) for _ in range(8)]
    return [await _home(desk, *one) for one in wanted]


async def _home(desk: DeskUnderTest, worker: Staff, protected: bool, against: tuple[str, ...]) -> Home:
    home, member = HouseholdId(uuid4()), MemberId(uuid4())
    about: dict[str, Any] = {"household_id": home, "legal_basis": BASIS}
    await desk.hear(HouseholdRegistered(**about, area=Area.TOI))
    await desk.hear(MemberJoined(**about, member_id=member, role=MemberRole.HEAD, birth_month="1950-04", effective_on=TODAY))
    referral = made(household_id=home, member_ids=(member,), consent=ConsentState.GIVEN)
    await desk.hear(referral)
    case = await desk.accepted(referral.referral_id, worker)
    if protected:
        await desk.hear(ProtectionDeclared(**about, protection_id=uuid4(), member_id=member, kind=ProtectionKind.SELF_DECLARED, since=TODAY))
    for staff in against:
        await desk.hear(ConflictDeclared(**about, conflict_id=uuid4(), staff=staff, kind=ConflictKind.NEIGHBOUR))
    return Home(home, case, worker.sub, protected, frozenset(against))


async def test_lists_counts_and_pages_agree_with_the_policies_both_ways(elderly: DeskUnderTest) -> None:  # noqa: F811
    homes = await town(elderly, random.Random(4))
    for staff in READERS:
        board, done = (await elderly.get("/?tab=team", staff)).text, (await elderly.get("/referrals?tab=done", staff)).text
        expected = {home.id for home in homes if may(reader_of(staff), HERE, Level.KNOW, home.standing(staff))}
        assert {home.id for home in homes if home.case in board} == expected, staff.sub
        assert done.count("受理") >= len(expected)
        assert f"{len(expected)}" in board
        for home in homes:
            answer = await elderly.get(home.case, staff)
            assert (answer.status_code == 200) is (home.id in expected), (staff.sub, home)
            assert answer.status_code in (200, 404)
            if answer.status_code == 200 and home.protected:
                assert "土肥" not in answer.text
            written = await elderly.send(f"{home.case}/take", staff, version=99)
            allowed = may(reader_of(staff), HERE, Level.WRITE, home.standing(staff))
            assert (written.status_code in (303, 409)) is allowed, (staff.sub, home, written.status_code)


async def test_a_waiting_referral_of_a_protected_household_is_seen_at_its_desk_and_then_by_who_took_it(elderly: DeskUnderTest) -> None:  # noqa: F811
    home, member = HouseholdId(uuid4()), MemberId(uuid4())
    about: dict[str, Any] = {"household_id": home, "legal_basis": BASIS}
    await elderly.hear(ProtectionDeclared(**about, protection_id=uuid4(), member_id=member, kind=ProtectionKind.SHIEN_SOCHI, since=TODAY))
    referral = made(household_id=home, member_ids=(member,))
    await elderly.hear(referral)
    assert str(referral.referral_id) in (await elderly.get("/referrals", ITO)).text
    case = await elderly.accepted(referral.referral_id, SATO)
    assert (await elderly.get(case, SATO)).status_code == 200
    assert (await elderly.get(case, ITO)).status_code == 404
    assert case not in (await elderly.get("/?tab=team", ITO)).text


async def test_break_glass_opens_the_case_of_another_domain_for_reading_and_an_end_is_an_end(elderly: DeskUnderTest) -> None:  # noqa: F811
    home = await _home(elderly, SATO, False, ())
    await elderly.send(f"{home.case}/notes", SATO, note_id=uuid4(), method="phone", shared="電話した。", private="内々の覚え")
    assert (await elderly.get(home.case, MORI)).status_code == 403
    opened = BreakGlassOpened(
        household_id=home.id, legal_basis=BASIS, access_id=uuid4(), staff=MORI.sub, reason=BreakGlassReason.LIFE, until="2100-01-01T00:00:00Z"
    )
    await elderly.hear(opened, times=2)
    page = await elderly.get(f"/households/{home.id}", MORI)
    assert page.headers["location"].endswith(home.case)
    page = await elderly.get(home.case, MORI)
    assert page.status_code == 200
    assert "内々の覚え" in page.text
    assert 'action="/d/elderly' not in page.text
    other = await _home(elderly, SATO, False, ())
    assert (await elderly.get(other.case, MORI)).status_code in (403, 404)
    assert (await elderly.send(f"{home.case}/take", MORI, version=1)).status_code == 403
    async with elderly.db.transaction() as tx:
        await tx.connection.exec_driver_sql("update break_glass set until = now()")
    assert (await elderly.get(home.case, MORI)).status_code == 403


async def test_a_lifted_protection_hides_nothing_and_a_place_declared_late_is_not_kept(elderly: DeskUnderTest) -> None:  # noqa: F811
    home = await _home(elderly, SATO, True, ())
    await elderly.told_who((await elderly.rows("select referral_id from referral"))[0].referral_id, home.id)
    kept = await elderly.rows("select address, (select max(phone) from identity) as phone from disclosure where household_id = :id", id=home.id)
    assert {(row.address, row.phone) for row in kept} <= {(None, None)}
    one: UUID = (await elderly.rows("select protection_id from protection"))[0].protection_id
    await elderly.hear(ProtectionLifted(household_id=home.id, legal_basis=BASIS, protection_id=one, lifted_on=TODAY))
    assert (await elderly.get(home.case, ITO)).status_code == 200
