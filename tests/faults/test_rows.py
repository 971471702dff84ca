"""Every row of backbone.md §2.15 that one machine can show, each in a world of its own: the fault, then all invariants.

Network partitions run in a process of their own: this one may not speak to anything but loopback, and the namespaces have addresses.
"""

import subprocess
import sys
from random import Random

import pytest

from tests.faults.conftest import Worlds
from tests.faults.content import CONTENT
from tests.faults.deaths import PLACES
from tests.faults.fault import Fault
from tests.faults.freezes import FREEZES
from tests.faults.full import NatsDiskFull, PostgresDiskFull
from tests.faults.kills import KILLS, KillAtAPlace
from tests.faults.losses import LOSSES
from tests.faults.restored import RESTORED
from tests.faults.run import endure
from tests.faults.upgrade import OlderWorld, RollingUpgrade
from tests.faults.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SEED = 7


async def holds(world: World, *faults: Fault) -> None:
    result = await endure(world, faults, Random(SEED))
    assert result.findings == (), f"logs: {world.home}"
    assert result.events > 0


async def test_killed_processes_servers_and_backends_cost_time_only(worlds: Worlds) -> None:
    await holds(await worlds(rate=30.0), *(kill() for kill in KILLS if kill is not KillAtAPlace))


async def test_a_process_may_die_between_any_two_promises(worlds: Worlds) -> None:
    await holds(await worlds(rate=30.0), *(KillAtAPlace(place) for place in PLACES))


async def test_a_frozen_process_is_succeeded_and_fenced(worlds: Worlds) -> None:
    await holds(await worlds(rate=30.0), *(freeze() for freeze in FREEZES))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
async def test_what_the_broker_lost_or_refuses_comes_again(worlds: Worlds, loss: type[Fault]) -> None:
    await holds(await worlds(rate=30.0), loss())


@pytest.mark.parametrize("wrong", CONTENT, ids=lambda wrong: wrong.__name__)
async def test_wrong_content_and_slow_handlers_hold_back_nobody_else(worlds: Worlds, wrong: type[Fault]) -> None:
    await holds(await worlds(rate=30.0), wrong())


@pytest.mark.parametrize("restored", RESTORED, ids=lambda restored: restored.__name__)
async def test_a_database_that_is_older_than_its_stream_refuses_until_it_has_adopted_it(worlds: Worlds, restored: type[Fault]) -> None:
    await holds(await worlds(rate=30.0), restored())


async def test_a_full_disk_stops_the_work_and_loses_nothing(worlds: Worlds) -> None:
    await holds(await worlds(rate=30.0, nats_disk=128, postgres_disk=1024), NatsDiskFull(), PostgresDiskFull())


async def test_old_workers_run_on_new_tables_while_they_are_replaced(worlds: Worlds) -> None:
    await holds(await worlds(OlderWorld, rate=30.0), RollingUpgrade())


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_partitioned_network_heals_without_loss(nodes: int) -> None:
    command = [sys.executable, "-m", "tests.faults", "--once", f"--nodes={nodes}", f"--seed={SEED}", "--rate=20"]
    faults = ["node cut off", "half-open, answers lost", *(["two nodes apart"] if nodes > 1 else [])]
    run = subprocess.run([*command, *(f"--only=partition: {fault}" for fault in faults)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert f"{len(faults)} partitions" in run.stdout


async def test_a_cluster_loses_any_node_and_no_event(worlds: Worlds) -> None:
    faults = [kill() for kill in KILLS if "nats" in kill.name] * 3
    await holds(await worlds(rate=20.0, nodes=3), *faults)
