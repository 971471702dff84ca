"""Three nodes on one machine: what was stored is kept, and work goes on, whichever node dies."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import psutil
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig

from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.cluster import NatsCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    cluster = NatsCluster.at(tmp_path)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


async def client_of(cluster: NatsCluster) -> Client:
    return await nats.connect(cluster.urls, max_reconnect_attempts=-1, reconnect_time_wait=0.1, connect_timeout=1)


async def leader_of(client: Client, cluster: NatsCluster, stream: str) -> EmbeddedNats:
    info = await client.jetstream().stream_info(stream)
    assert info.cluster is not None
    assert info.cluster.leader is not None
    return cluster.node(info.cluster.leader)


async def publish(client: Client, number: int, within: float = 20.0) -> None:
    """Until it is acknowledged; the id makes a repeated attempt the same message."""
    deadline = time.monotonic() + within
    while True:
        try:
            await client.jetstream().publish("evt.x", str(number).encode(), timeout=1, headers={"Nats-Msg-Id": str(number)})
            return
        except (NatsError, OSError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


async def test_a_killed_leader_costs_seconds_and_no_message(cluster: NatsCluster) -> None:
    client = await client_of(cluster)
    await client.jetstream().add_stream(StreamConfig("EVT", subjects=["evt.>"], num_replicas=3))
    for number in range(20):
        await publish(client, number)
    leader = await leader_of(client, cluster, "EVT")
    leader.kill()
    for number in range(20, 40):
        await publish(client, number)
    info = await client.jetstream().stream_info("EVT")
    assert info.state.messages == 40
    assert (await leader_of(client, cluster, "EVT")).name != leader.name
    cluster.restart(leader)
    await client.close()


async def test_two_dead_nodes_of_three_stop_writing_and_nothing_acknowledged_is_lost(cluster: NatsCluster) -> None:
    client = await client_of(cluster)
    await client.jetstream().add_stream(StreamConfig("EVT", subjects=["evt.>"], num_replicas=3))
    await publish(client, 0)
    cluster.nodes[0].kill()
    cluster.nodes[1].kill()
    with pytest.raises((NatsError, OSError, TimeoutError)):
        await publish(client, 1, within=3)
    cluster.nodes[0].launch()
    cluster.restart(cluster.nodes[1])
    await publish(client, 1)
    assert (await client.jetstream().stream_info("EVT")).state.messages == 2
    await client.close()


def test_a_paused_node_is_not_ready_and_comes_back(cluster: NatsCluster) -> None:
    cluster.nodes[2].pause()
    assert not cluster.nodes[2].is_ready()
    cluster.nodes[2].resume()
    cluster.wait_ready()


def test_the_nodes_talk_on_the_loopback_only_and_know_each_other_by_a_secret(cluster: NatsCluster) -> None:
    pids = {node.process.pid for node in cluster.nodes if node.process}
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid in pids}
    assert listening == {"127.0.0.1"}
    assert all(node.config.stat().st_mode & 0o077 == 0 for node in cluster.nodes)
    assert "authorization" in cluster.nodes[0].config.read_text()


async def test_a_node_without_the_secret_is_not_let_in(cluster: NatsCluster, tmp_path: Path) -> None:
    stranger = NatsCluster.at(tmp_path / "stranger", size=4, password="wrong").nodes[3]
    assert stranger.membership is not None
    own = [f"127.0.0.1:{node.membership.port}" for node in cluster.nodes if node.membership]
    stranger.membership = type(stranger.membership)(stranger.membership.port, tuple(own), "wrong")
    stranger.launch()
    try:
        await asyncio.sleep(2)  # long enough for several attempts
        from deploy.onebox.probe import http_json

        assert [http_json(f"{node.monitor}/routez")["num_routes"] > 0 for node in cluster.nodes] == [True] * 3
        assert all(route["remote_name"] in {"n1", "n2", "n3"} for node in cluster.nodes for route in http_json(f"{node.monitor}/routez")["routes"])
        assert not stranger.is_ready()
    finally:
        stranger.stop()
