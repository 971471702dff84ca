"""読み込み: 動いている窓口に、窓口自身の関数で。二度読んでも増えず、途中で止めても続きから入る。"""

import importlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import nats as nats_client
import pytest
from sqlalchemy import text

from deploy.city import load as loading
from deploy.city import town
from deploy.city.commands import AcceptReferral, CloseCase, LeaveHousehold, ReceiveConsultation, RecordFact, RegisterHousehold
from deploy.city.ledger import Ledger
from deploy.city.load import CannotLoad, load
from deploy.city.town import Town
from deploy.onebox.broker import EmbeddedNats
from shared.messaging import Worker
from shared.messaging.provision import apply, desired
from shared.runtime.announce import announce
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import all_units
from tests.conftest import Databases

SIZE = 60


@dataclass
class Units:
    databases: dict[str, Database]
    workers: list[Worker]

    async def count(self, unit: str, table: str) -> int:
        async with self.databases[unit].read() as rd:
            return int(await rd.scalar(text(f"select count(*) from {table}")))

    def loadable(self) -> dict[str, Database]:
        return {unit: database for unit, database in self.databases.items() if unit != "notify"}


@pytest.fixture
async def units(databases: Databases, own_nats: EmbeddedNats, test_settings: Callable[..., Settings]) -> AsyncIterator[Units]:
    """Every unit with its worker, on real servers."""
    client = await nats_client.connect(own_nats.url)
    await apply(client, desired(all_units()))
    running = Units({}, [])
    for unit in all_units():
        database = running.databases[unit.code] = await databases(unit)
        create_worker = importlib.import_module(f"{unit.package}.worker").create_worker
        worker: Worker = create_worker(test_settings(unit, database=database, nats_url=own_nats.url), database)
        await worker.start()
        running.workers.append(worker)
        await announce(database, unit, "test")
    yield running
    for worker in running.workers:
        await worker.stop()
    await client.close()


class Killed(Exception):
    """As if the process had gone."""


def counted(people: Town, kind: type[Any], unit: str | None = None) -> int:
    commands = [command for history in people.histories for command in history if isinstance(command, kind)]
    return sum(unit is None or command.unit == unit for command in commands)


async def test_the_small_town_stands_in_the_units_as_the_history_tells_it(units: Units) -> None:
    said = await load(units.loadable(), households=SIZE)
    assert "読み込みました" in said
    until = (await Ledger.of(units.databases["intake"])).until
    assert until
    people = town.small(until, SIZE)
    assert await units.count("intake", "household") == counted(people, RegisterHousehold)
    assert await units.count("intake", "consultation") == counted(people, ReceiveConsultation)
    assert await units.count("intake", "member where left_on is not null") == counted(people, LeaveHousehold)
    assert await units.count("cases-elderly", "case_file") == counted(people, AcceptReferral, "cases-elderly")
    assert await units.count("cases-elderly", "fact") == counted(people, RecordFact, "cases-elderly")
    assert await units.count("cases-poverty", "case_file where state = 'CLOSED'") == counted(people, CloseCase, "cases-poverty")


async def test_loading_again_does_nothing(units: Units) -> None:
    await load(units.loadable(), households=SIZE)
    before = await units.count("intake", "outbox")
    assert "もう読み込まれています" in await load(units.loadable(), households=SIZE)
    assert await units.count("intake", "outbox") == before


async def test_a_load_that_was_killed_goes_on_where_it_stopped(units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of the domains' part: nothing is missing afterwards and nothing is there twice."""
    original, commits = loading._commit, 0

    async def dies(database: Database, desk: loading.Desk, batch: Any, mark: Any) -> None:
        nonlocal commits
        commits += 1
        if database.unit.startswith("cases-") and commits % 7 == 0:
            raise Killed
        await original(database, desk, batch, mark)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_commit", dies)
        with pytest.raises(ExceptionGroup):
            await load(units.loadable(), households=SIZE)
    await load(units.loadable(), households=SIZE)
    until = (await Ledger.of(units.databases["intake"])).until
    assert until
    people = town.small(until, SIZE)
    for unit in ("cases-elderly", "cases-poverty", "cases-children", "cases-disability"):
        assert await units.count(unit, "fact") == counted(people, RecordFact, unit)
        assert await units.count(unit, "case_file") == counted(people, AcceptReferral, unit)


async def test_another_small_town_beside_the_first_is_refused(units: Units) -> None:
    await load(units.loadable(), households=20)
    with pytest.raises(CannotLoad, match="make city"):
        await load(units.loadable(), households=40)
