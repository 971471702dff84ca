"""The broker of a world: one nats-server or a cluster of three, each perhaps in a network and on a disk of its own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.cluster import NatsCluster
from deploy.onebox.ports import free_port
from tests.faults.network import Network


class Brokers:
    def __init__(self, home: Path, size: int, accounts: str, network: Network | None) -> None:
        hosts = network.hosts if network else ["127.0.0.1"] * size
        self.cluster: NatsCluster | None = None
        if size == 1:
            self.nodes = [EmbeddedNats(home / "n1", free_port(), free_port(), accounts=accounts, name="n1", host=hosts[0])]
        else:
            self.cluster = NatsCluster.at(home, size=size, accounts=accounts, hosts=hosts)
            self.nodes = self.cluster.nodes
        for number, node in enumerate(self.nodes if network else ()):
            node.wrap = network.inside(number)

    def url(self, user: str, password: str) -> str:
        return ",".join(f"nats://{user}:{password}@{node.host}:{node.port}" for node in self.nodes)

    @property
    def stores(self) -> Sequence[Path]:
        return [node.home / "jetstream" for node in self.nodes]

    async def start(self) -> None:
        for node in self.nodes:
            node.launch()
        await self.ready()

    async def again(self, node: EmbeddedNats) -> None:
        """After a kill or a stop; waits until the broker as a whole is well."""
        node.launch()
        await self.ready()

    async def ready(self) -> None:
        if self.cluster:
            await asyncio.to_thread(self.cluster.wait_ready, 90.0)
            return
        while not await asyncio.to_thread(self.nodes[0].is_ready):
            self.nodes[0].must_live()
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def reload(self, accounts: str) -> None:
        """Users and permissions change while everything runs."""
        for node in self.nodes:
            node.accounts = accounts
            node.reload()
