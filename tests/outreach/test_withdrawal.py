"""撤回を聞いた訪問・見守り: 同意だけで持っていた写しを消し、見守りは続き、受領を一度だけ返す。"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.outreach.handlers import outreach_handlers
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn
from shared.contracts.event import LegalBasis, MemberId
from shared.messaging import Timer
from tests.outreach.builders import HOUSEHOLD, MOTHER, SON, TODAY, made
from tests.outreach.conftest import MEMO, MOTHER_NAME, OutreachDesk
from tests.outreach.test_consent import grounds


def withdrawn(member: MemberId = MOTHER, *recipients: str) -> ConsentWithdrawn:
    return ConsentWithdrawn(
        household_id=HOUSEHOLD, legal_basis="INTERNAL_69_2_2", withdrawal_id=uuid4(), consent_id=uuid4(), member_id=member,
        recipients=recipients or ("outreach",), withdrawn_on=TODAY + timedelta(days=1), reason="person_asked",
    )  # fmt: skip


def given(member: MemberId, until: date = TODAY + timedelta(days=364)) -> ConsentGiven:
    return ConsentGiven(
        household_id=HOUSEHOLD, legal_basis="CONSENT", consent_id=uuid4(), member_id=member, purposes=("outreach",), recipients=("outreach",),
        form="oral", valid_from=TODAY, valid_to=until,
    )  # fmt: skip


async def receipts(desk: OutreachDesk) -> list[dict[str, Any]]:
    sql = "select convert_from(payload, 'UTF8') as body from outbox where channel = 'receipt' order by pos"
    return [json.loads(row.body) for row in await desk.rows(sql)]


async def left(desk: OutreachDesk) -> list[Any]:
    told = await desk.rows("select 1 from disclosure where address is not null or consultation_text is not null")
    return [*await desk.rows("select name from identity"), *told]


async def test_the_copies_go_the_watch_goes_on_and_one_receipt_is_given(desk: OutreachDesk) -> None:
    path = await desk.watched()
    await desk.check_in(path, "met", memo=MEMO)
    await desk.hear(withdrawn(), times=2)
    assert await left(desk) == []
    assert MOTHER_NAME not in (await desk.get(path)).text
    assert await grounds(desk) == ["INTERNAL_69_2_2"]
    (receipt,) = await receipts(desk)
    assert (receipt["removed"], receipt["kept_under"]) == (4, ["CASE_RECORD"])
    assert (await desk.check_in(path, "met")).status_code == 303


async def test_a_withdrawal_that_names_others_is_not_ours(desk: OutreachDesk) -> None:
    await desk.watched()
    await desk.hear(withdrawn(MOTHER, "cases-elderly"))
    assert len(await left(desk)) == 3
    assert await receipts(desk) == []


async def test_a_watch_in_danger_of_life_keeps_the_names_on_that_ground(desk: OutreachDesk) -> None:
    urgent = made(legal_basis=LegalBasis.LIFE_EMERGENCY, member_ids=(SON,))
    await desk.hear_family()
    await desk.hear(urgent)
    await desk.send(f"/referrals/{urgent.referral_id}/accept", version=1, plan_id=uuid4(), member_id=SON, tier="A")
    await desk.watched()
    await desk.hear(withdrawn())
    assert MOTHER_NAME in {row[0] for row in await left(desk)}
    assert (await receipts(desk))[0]["kept_under"] == ["LIFE_EMERGENCY", "CASE_RECORD"]


async def test_the_other_member_stays_on_a_consent_of_his_own(desk: OutreachDesk) -> None:
    await desk.watched()
    await desk.hear(given(SON))
    await desk.hear(withdrawn())
    assert [row.name for row in await desk.rows("select name from identity")] == ["模擬原 実"]


async def test_when_a_consent_ends_by_its_date_the_copies_go(desk: OutreachDesk) -> None:
    await desk.watched()
    await desk.hear(given(MOTHER, until=TODAY + timedelta(days=9)))
    (row,) = await desk.rows("select kind, key, due_at, household from timer where kind = 'consent_ends'")
    assert row.due_at == datetime(2026, 12, 2, 15, tzinfo=UTC)  # midnight in Japan after the last day
    async with desk.db.transaction(row.due_at) as tx:
        await outreach_handlers().timers["consent_ends"](tx, Timer(row.kind, row.key, row.due_at, row.household))
    assert await left(desk) == []
    assert await grounds(desk) == ["INTERNAL_69_2_2"]
