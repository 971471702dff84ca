"""The box on three brokers with two workers per unit: a broker and a worker die under load, and nobody at a desk notices."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import psutil
import pytest

from deploy.onebox.home import read_json
from shared.messaging.provision import api_of
from shared.runtime.testing import eventually
from tests.conftest import Box, start_box
from tests.deploy.reception import RECEPTION, Arrivals, Load, ask, browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def clustered() -> Iterator[Box]:
    home = Path(tempfile.mkdtemp(prefix="tsunagari-cluster-"))
    home.chmod(0o755)
    box = start_box(home, NATS_NODES="3", WORKERS="2")
    yield box
    box.run("down", check=False)
    shutil.rmtree(home, ignore_errors=True)


def program(box: Box, name: str) -> dict[str, Any]:
    return next(one for one in box.status()["programs"] if one["name"] == name)


async def stream(box: Box, name: str) -> dict[str, Any]:
    urls = read_json(box.home / "box.json")["nats_provisioner_url"].split(",")
    client = await nats.connect(urls, inbox_prefix=b"_INBOX_provisioner", connect_timeout=2)
    try:
        return await api_of(client)(f"STREAM.INFO.{name}")
    finally:
        await client.close()


async def test_every_stream_stands_on_three_nodes_and_every_unit_has_two_workers(clustered: Box) -> None:
    names = {one["name"] for one in clustered.status()["programs"]}
    assert {"nats-n1", "nats-n2", "nats-n3", "notify", "notify-2", "cases-elderly-2", "keeper"} <= names
    assert "console-2" not in names
    info = await stream(clustered, "EVT_INTAKE")
    assert (info["config"]["num_replicas"], len(info["cluster"]["replicas"])) == (3, 2)
    own = {one["pid"] for one in clustered.status()["programs"] if one["name"].startswith("nats")}
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid in own}
    assert listening == {"127.0.0.1"}


async def test_a_dead_broker_and_a_dead_worker_cost_seconds_and_no_effect(clustered: Box) -> None:
    async with browser(clustered.home, RECEPTION) as reception:
        load, arrivals = Load(reception, every=0.1), Arrivals(clustered.home)
        running, watching = asyncio.create_task(load.run()), asyncio.create_task(arrivals.run())
        await eventually(lambda: load.taken >= 20, 60)

        leader = f"nats-{(await stream(clustered, 'EVT_INTAKE'))['cluster']['leader']}"
        dead = await asyncio.to_thread(program, clustered, leader)
        os.kill(dead["pid"], signal.SIGKILL)
        await eventually(lambda: load.taken >= 60, 60)
        await eventually(lambda: arrived(clustered, 60), 60)
        over_broker = arrivals.longest

        # The whole process that leads, its web part too; the other worker takes over, the supervisor starts a new one.
        first = await asyncio.to_thread(program, clustered, "cases-elderly")
        os.kill(first["pid"], signal.SIGKILL)
        await eventually(lambda: load.taken >= 100, 60)
        load.stop.set()
        await running
        await eventually(lambda: arrived(clustered, load.taken), 60)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert load.refused == []
    assert ((await ask(clustered.home, "intake", "select count(*) from consultation"))[0][0]) == load.taken
    twice = await ask(clustered.home, "cases-elderly", "select consultation_id from referral group by 1 having count(*) > 1")
    assert twice == []
    print(json.dumps({"longest standstill, s": {"broker killed": round(over_broker, 1), "then a worker": round(arrivals.longest, 1)}}))
    await eventually(lambda: asyncio.to_thread(lambda: clustered.status()["up"]), 60, every=1.0)


async def arrived(box: Box, count: int) -> bool:
    return bool((await ask(box.home, "cases-elderly", "select count(*) from referral"))[0][0] >= count)
