"""撤回の受領を返していない窓口が、番号だけで運用の画面に出て、そろえば消える。"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from deploy.console import withdrawals
from deploy.console.app import create_app
from shared.contracts.consent import ReceiptsMissed
from shared.contracts.event import Event, HouseholdId, LegalBasis, MemberId
from shared.contracts.retention import HouseholdErased
from shared.messaging import Envelope, Handlers
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.testing import signed_cookies
from tests.console.conftest import UNIT

HOME, MEMBER, GONE, OTHER = uuid4(), uuid4(), UUID(int=1), UUID(int=2)
#: 2026-11-21 00:30 in Japan is still the 20th in UTC
SINCE = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
HANDLERS = withdrawals.hear(Handlers())
OPERATOR, MANAGER = Staff("op1", "運用 花子", frozenset({"operator"})), Staff("m1", "試験 管理", frozenset({"manager"}))


def missed(*units: str, withdrawal: UUID = GONE) -> ReceiptsMissed:
    return ReceiptsMissed(
        household_id=HouseholdId(HOME), legal_basis=LegalBasis.INTERNAL_69_2_2, withdrawal_id=withdrawal, member_id=MemberId(MEMBER), units=units,
        since=SINCE,
    )  # fmt: skip


async def hear(console: Database, event: Event) -> None:
    now = datetime.now(UTC)
    envelope = Envelope(uuid4(), event.type_name(), "intake", event.household_id, now, now, event.channel, 1, uuid4())
    async with console.transaction() as tx:
        for handler in HANDLERS.events[event.type_name()]:
            await handler(tx, event, envelope)


async def left(console: Database) -> list[tuple[int, str]]:
    async with console.read() as rd:
        return [(one.withdrawal_id.int, one.unit) for one in await withdrawals.standing(rd)]


async def test_each_late_receipt_takes_its_desk_off_the_list_and_the_last_one_the_withdrawal(console: Database) -> None:
    await hear(console, missed("cases-elderly", "outreach"))
    await hear(console, missed("cases-poverty", withdrawal=OTHER))
    assert await left(console) == [(1, "cases-elderly"), (1, "outreach"), (2, "cases-poverty")]
    for again in (missed("outreach"), missed("outreach")):  # heard twice, listed once
        await hear(console, again)
    assert await left(console) == [(1, "outreach"), (2, "cases-poverty")]
    await hear(console, missed())
    assert await left(console) == [(2, "cases-poverty")]


async def test_an_erased_household_owes_nothing_any_more(console: Database) -> None:
    await hear(console, missed("outreach"))
    about: dict[str, Any] = {"legal_basis": LegalBasis.INTERNAL_69_2_2, "erasure_id": uuid4(), "erased_on": date(2026, 11, 26)}
    await hear(console, HouseholdErased(household_id=HouseholdId(uuid4()), **about))
    assert await left(console) == [(1, "outreach")]
    await hear(console, HouseholdErased(household_id=HouseholdId(HOME), **about))
    assert await left(console) == []


def test_everything_on_the_channels_is_handled_or_passed_over() -> None:
    assert HANDLERS.missing({"consent", "retention"}) == []


@pytest.mark.parametrize(("staff", "status"), [(OPERATOR, 200), (MANAGER, 403)])
async def test_the_operator_reads_unit_withdrawal_and_day_and_no_household(console: Database, test_settings: Any, staff: Staff, status: int) -> None:
    await hear(console, missed("cases-elderly"))
    settings = test_settings(UNIT, database=console)
    with TestClient(create_app(settings), follow_redirects=False) as client:
        page = client.get("/ops/withdrawals", headers=signed_cookies(staff, settings))
    assert page.status_code == status
    if status == 200:
        assert "cases-elderly" in page.text
        assert str(GONE) in page.text
        assert "11月21日" in page.text, "the day in Japan"
        assert "messaging status" in page.text
    assert not any(str(number) in page.text for number in (HOME, MEMBER))
