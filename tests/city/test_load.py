"""読み込み: 動いている窓口に、窓口自身の関数で。二度読んでも増えず、途中で止めても続きから入る。"""

import importlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats as nats_client
import pytest
from sqlalchemy import text

from deploy.city import homes, town
from deploy.city import load as loading
from deploy.city.commands import (
    AcceptReferral,
    CheckIn,
    CloseCase,
    LeaveHousehold,
    PlanWatch,
    ReceiveConsultation,
    RecordFact,
    RegisterHousehold,
    WriteNote,
)
from deploy.city.ledger import Ledger
from deploy.city.load import load
from deploy.city.town import Town
from deploy.city.waiting import CannotLoad, alone
from deploy.onebox.broker import EmbeddedNats
from services.intake import accounts
from services.intake.address import Nearness, nearness, read
from shared.messaging import Worker
from shared.messaging.provision import apply, desired
from shared.runtime.announce import announce
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import all_units
from tests.conftest import Databases

SIZE = 24


class Killed(Exception):
    """As if the process had gone."""


@dataclass
class Units:
    databases: dict[str, Database]

    async def count(self, unit: str, table: str) -> int:
        async with self.databases[unit].read() as rd:
            return int(await rd.scalar(text(f"select count(*) from {table}")))

    async def until(self) -> datetime:
        """When the history of the loaded town ends."""
        until = (await Ledger.of(self.databases["intake"])).until
        assert until
        return until


@asynccontextmanager
async def running(codes: Collection[str], databases: Databases, nats: EmbeddedNats, settings: Callable[..., Settings]) -> AsyncIterator[Units]:
    """These units with their workers, on real servers; the others have only said who they are."""
    client = await nats_client.connect(nats.url)
    await apply(client, desired(all_units()))
    opened: dict[str, Database] = {}
    workers: list[Worker] = []
    for unit in all_units():
        if unit.code in codes:
            database = opened[unit.code] = await databases(unit)
            create_worker = importlib.import_module(f"{unit.package}.worker").create_worker
            worker: Worker = create_worker(settings(unit, database=database, nats_url=nats.url), database)
            await worker.start()
            workers.append(worker)
    for unit in all_units():
        await announce(opened["intake"], unit, "test")
    yield Units(opened)
    for worker in workers:
        await worker.stop()
    await client.close()


@pytest.fixture
async def units(databases: Databases, own_nats: EmbeddedNats, test_settings: Callable[..., Settings]) -> AsyncIterator[Units]:
    async with running({"intake", "cases-elderly", "cases-poverty", "outreach"}, databases, own_nats, test_settings) as opened:
        yield opened


def counted(people: Town, kind: type[Any], unit: str | None = None) -> int:
    commands = [command for history in people.histories for command in history if isinstance(command, kind)]
    return sum(unit is None or command.unit == unit for command in commands)


async def check_all_is_there(units: Units) -> None:
    people = town.small(await units.until(), SIZE)
    assert await units.count("intake", "household") == counted(people, RegisterHousehold)
    assert await units.count("intake", "consultation") == counted(people, ReceiveConsultation)
    assert await units.count("intake", "member where left_on is not null") == counted(people, LeaveHousehold)
    for unit in ("cases-elderly", "cases-poverty"):
        assert await units.count(unit, "case_file") == counted(people, AcceptReferral, unit)
        assert await units.count(unit, "case_file where state = 'CLOSED'") == counted(people, CloseCase, unit)
        assert await units.count(unit, "fact") == counted(people, RecordFact, unit)
        assert await units.count(unit, "note") == counted(people, WriteNote, unit)
    assert await units.count("outreach", "watch") == counted(people, PlanWatch)
    assert await units.count("outreach", "check_in") == counted(people, CheckIn)


async def check_staff_live_near(units: Units) -> None:
    """Whoever opens the neighbours' household is shown as having read near their own home, without a manager typing where they live."""
    found = {}
    for sub, near in homes.neighbours().items():
        (household,) = [at for at in town.small(await units.until(), SIZE).households if at.demo == near]
        async with units.databases["intake"].read() as rd:
            there = await rd.scalar(
                text("select h.town from household h join member m on m.household_id = h.id where m.id = :id"), {"id": household.members[0].id}
            )
            (lives,) = [account.home for account in await accounts.everyone(rd) if account.sub == sub]
        found[sub] = nearness(lives.address, read(there))
    assert found == dict.fromkeys(("uketsuke-2", "konkyu-1", "koreisha-1"), Nearness.TOWN)


async def test_the_small_town_stands_in_the_units_as_the_history_tells_it_and_loads_once(units: Units) -> None:
    assert "読み込みました" in await load(units.databases, households=SIZE)
    await check_all_is_there(units)
    await check_staff_live_near(units)
    before = await units.count("intake", "outbox")
    assert "もう読み込まれています" in await load(units.databases, households=SIZE)
    assert await units.count("intake", "outbox") == before
    with pytest.raises(CannotLoad, match="make city"):
        await load(units.databases, households=SIZE + 1)


async def test_a_load_that_was_killed_goes_on_where_it_stopped(units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in intake, then in a domain: nothing is missing afterwards and nothing is there twice."""
    original, commits = loading._commit, 0

    async def dies(database: Database, desk: loading.Desk, batch: Any, mark: Any) -> None:
        nonlocal commits
        commits += 1
        if commits in (5, 40):
            raise Killed
        await original(database, desk, batch, mark)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_commit", dies)
        with pytest.raises(Killed):
            await load(units.databases, households=SIZE)
        with pytest.raises(ExceptionGroup):
            await load(units.databases, households=SIZE)
    await load(units.databases, households=SIZE)
    await check_all_is_there(units)


async def test_two_loads_at_once_are_refused(units: Units) -> None:
    async with alone(units.databases["intake"]):
        with pytest.raises(CannotLoad, match="別の読み込み"):
            await load(units.databases, households=SIZE)
