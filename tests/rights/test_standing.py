"""重層的支援会議は同意の上に立つ: 撤回、窓口で聞いた「同意しない」、期間の終わりが会議を終え、加わった人は終えない。"""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.conference import Forum
from shared.contracts.consent import ConsentWithdrawn
from shared.contracts.consultation import ConsentState
from shared.contracts.event import Lane, LegalBasis, MemberId
from shared.contracts.household import MemberJoined, MemberRole
from shared.desk.wareki import japan_day
from shared.messaging import Timer
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY
from tests.cases.desk import NOGUCHI, DeskUnderTest
from tests.cases.test_consent import said
from tests.rights.test_lanes import KODOMO, agree, convene, drafted, opened

INTERNAL = LegalBasis.INTERNAL_69_2_2


@pytest.fixture
async def meeting(center: DeskUnderTest) -> str:
    """A consented conference under way, which the desk for children attends."""
    await opened(center, NOGUCHI, consent=ConsentState.GIVEN)
    found = await drafted(center, lane=Lane.CONSENT)
    refused = await convene(center, found, Forum.CONSENTED)
    assert refused.status_code == 422
    assert "（同意のない人: 子）" in refused.text, "nobody has asked the son"
    assert "同意のない人: 子。" in (await center.get(found, NOGUCHI)).text
    await agree(center, SON, ("cases-center",))
    assert (await convene(center, found, Forum.CONSENTED)).status_code == 303
    assert (await center.get(found, KODOMO)).status_code == 200
    return found


async def is_over(center: DeskUnderTest, meeting: str) -> bool:
    attends = (await center.get(meeting, KODOMO)).status_code
    over = "終わった会議" in (await center.get(meeting, NOGUCHI)).text
    assert attends == (403 if over else 200)
    return over


async def night(center: DeskUnderTest, on: date) -> None:
    """The timers of that night, as the worker would run them."""
    async with center.db.transaction() as tx:
        tx.now += on - japan_day(tx.now)
        for kind in ("consent_ends", "retention_day"):
            await center.handlers.timers[kind](tx, Timer(kind, "all", tx.now, HOUSEHOLD))


def joins(birth_month: str) -> MemberJoined:
    about: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": INTERNAL, "member_id": MemberId(uuid4()), "effective_on": TODAY}
    return MemberJoined(**about, role=MemberRole.CHILD, birth_month=birth_month)


async def test_a_consent_taken_back_ends_it_at_once(center: DeskUnderTest, meeting: str) -> None:
    await center.hear(
        ConsentWithdrawn(
            household_id=HOUSEHOLD, legal_basis=LegalBasis.CONSENT, withdrawal_id=uuid4(), consent_id=uuid4(), member_id=MOTHER,
            recipients=("cases-center",), withdrawn_on=TODAY, reason="changed_mind",
        )
    )  # fmt: skip
    assert await is_over(center, meeting)


async def test_a_no_that_a_desk_heard_ends_it_and_a_yes_does_not(center: DeskUnderTest, meeting: str) -> None:
    await center.hear(said("given", SON, as_of=TODAY + timedelta(days=1)), "cases-elderly")
    assert not await is_over(center, meeting)
    await center.hear(said("refused", SON, as_of=TODAY + timedelta(days=2)), "cases-elderly", times=2)
    assert await is_over(center, meeting)
    assert [one for one in await center.said() if one.startswith("conference")] == ["conference.convened.v1", "conference.closed.v1"]


async def test_the_night_after_a_consent_ran_out_ends_it(center: DeskUnderTest, meeting: str) -> None:
    (row,) = await center.rows("select max(until) as until from consent where until is not null")
    await night(center, row.until)
    assert not await is_over(center, meeting)
    await night(center, row.until + timedelta(days=1))
    (held,) = await center.rows("select closed_on, readable_until from conference")
    assert (held.closed_on, held.readable_until) == (row.until + timedelta(days=1), row.until)


async def test_a_grown_up_who_moves_in_does_not_end_it_but_the_page_asks_for_their_word(center: DeskUnderTest, meeting: str) -> None:
    await center.hear(joins("2020-04"))
    assert "まだ同意を聞いていない" not in (await center.get(meeting, NOGUCHI)).text, "a child"
    await center.hear(joins("1980-04"))
    await night(center, date(2099, 12, 31))
    assert not await is_over(center, meeting)
    assert "まだ同意を聞いていない成年の人がいます: 子" in (await center.get(meeting, NOGUCHI)).text
