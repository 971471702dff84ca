"""同意は目的を限る: 訪問と見守りの根拠になるのは、アウトリーチか参加支援の同意だけ。"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.contracts.consent import ConsentGiven
from tests.outreach.builders import HOUSEHOLD, MOTHER, TODAY, made
from tests.outreach.conftest import OutreachDesk
from tests.outreach.test_consent import grounds


def given(*purposes: str, **changes: Any) -> ConsentGiven:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD, "legal_basis": "CONSENT", "consent_id": uuid4(), "member_id": MOTHER, "purposes": purposes,
        "recipients": ("outreach",), "form": "written", "valid_from": TODAY + timedelta(days=1), "valid_to": TODAY + timedelta(days=300),
    }  # fmt: skip
    return ConsentGiven(**values | changes)


@pytest.mark.parametrize(
    ("purposes", "ground"),
    [(("outreach",), "CONSENT"), (("participation", "statistics"), "CONSENT"), (("consultation", "plan"), "INTERNAL_69_2_2"),
     (("statistics",), "INTERNAL_69_2_2")],
)  # fmt: skip
async def test_the_watch_stands_on_a_consent_for_the_outreach_alone(desk: OutreachDesk, purposes: tuple[str, ...], ground: str) -> None:
    await desk.watched()
    await desk.hear(given(*purposes), times=2)
    assert await grounds(desk) == [ground]


async def test_what_was_said_without_purposes_stands_as_it_did(desk: OutreachDesk) -> None:
    await desk.watched()
    await desk.hear(given("outreach"))
    async with desk.db.transaction() as tx:
        await tx.execute(text("update consent set purposes = null"))  # as the migration leaves it
    await desk.hear(made(consent="given"))
    assert await grounds(desk) == ["CONSENT"]


async def test_the_list_of_referrals_says_it_as_the_watch_does(desk: OutreachDesk) -> None:
    await desk.arrived()
    assert ">同意あり" in (await desk.get("/referrals")).text
    await desk.hear(given("consultation"))
    assert ">同意あり" not in (await desk.get("/referrals")).text


async def test_a_word_without_purposes_does_not_widen_them(desk: OutreachDesk) -> None:
    await desk.hear(given("consultation", valid_from=TODAY))
    await desk.arrived(made_on=TODAY)
    assert [row.purposes for row in await desk.rows("select purposes from consent")] == [["consultation"]]
