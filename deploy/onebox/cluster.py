"""ループバックの上の NATS クラスター。一台ずつ、止める・殺す・凍らせる・戻すことができる。

`make up NATS_NODES=3` と、障害の試験が使う。本番のクラスターの書き方は deploy/nats/README.md。
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.onebox.broker import EmbeddedNats, Membership
from deploy.onebox.ports import free_port
from deploy.onebox.probe import http_json


class NoQuorum(RuntimeError):
    """時間内に、過半数のそろったクラスターにならなかった。"""


@dataclass(frozen=True)
class NodePorts:
    """一台の三つの入口: 利用者・監視・仲間。"""

    client: int
    monitor: int
    route: int

    @classmethod
    def several(cls, count: int) -> "list[NodePorts]":
        """いま空いているポートで `count` 台分。"""
        taken: list[int] = []
        for _ in range(3 * count):
            taken.append(free_port(set(taken)))
        return [cls(*taken[at : at + 3]) for at in range(0, len(taken), 3)]


@dataclass
class NatsCluster:
    """`nodes[0]`, `nodes[1]` …（名前は n1, n2 …、置き場は `home`/n1 …）。"""

    nodes: list[EmbeddedNats]

    @classmethod
    def at(
        cls, home: Path, *, size: int = 3, accounts: str = "", sync: str = "always", password: str = "", ports: Sequence[NodePorts] = (),
        hosts: Sequence[str] = (), store: str = "",
    ) -> "NatsCluster":  # fmt: skip
        """まだ起動していないクラスター。ポートと仲間の合言葉は、渡さなければ選ぶ。`hosts` は台ごとの住所（既定は 127.0.0.1）。"""
        secret = password or secrets.token_urlsafe(16)
        doors = list(ports) or NodePorts.several(size)
        where = list(hosts) or ["127.0.0.1"] * len(doors)
        routes = [f"{host}:{door.route}" for host, door in zip(where, doors, strict=True)]
        return cls(
            [
                EmbeddedNats(
                    home / f"n{number + 1}", door.client, door.monitor, accounts=accounts, sync=sync, name=f"n{number + 1}", host=where[number],
                    store=store, membership=Membership(door.route, tuple(route for route in routes if route != routes[number]), secret),
                )
                for number, door in enumerate(doors)
            ]
        )  # fmt: skip

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    @property
    def url(self) -> str:
        """NATS_URL の形: コンマで区切った全員。"""
        return ",".join(self.urls)

    def node(self, name: str) -> EmbeddedNats:
        """サーバーの名前（`STREAM.INFO` の `cluster.leader` など）から。"""
        return next(node for node in self.nodes if node.name == name)

    @property
    def alive(self) -> Iterator[EmbeddedNats]:
        return (node for node in self.nodes if node.process is not None and node.process.poll() is None)

    # ── the whole ─────────────────────────────────────────────────
    def start(self, seconds: float = 30.0) -> "NatsCluster":
        for node in self.nodes:
            node.launch()
        self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds: float = 30.0) -> None:
        """生きている台がすべて健康で、まとめ役が決まるまで待つ。

        Raises: NoQuorum（時間切れ）、BrokerFailed（起動した台が死んだ）。"""
        deadline = time.monotonic() + seconds
        while not (self.leader() and all(node.is_ready() for node in self.alive)):
            for node in self.nodes:
                if node.process is not None:
                    node.must_live()
            if time.monotonic() > deadline:
                raise NoQuorum(f"クラスターの準備が {seconds:.0f} 秒で整いませんでした。 / The cluster has no leader or an unhealthy node.")
            time.sleep(0.05)

    def leader(self) -> EmbeddedNats | None:
        """JetStream の設定のまとめ役（meta leader）。生きている台の過半が同じ名前を言うときだけ。"""
        said = [str(http_json(f"{node.monitor}/jsz").get("meta_cluster", {}).get("leader", "")) for node in self.alive]
        name = next((one for one in said if one and said.count(one) > len(self.nodes) // 2), None)
        return self.node(name) if name else None

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def reload(self, accounts: str) -> None:
        """利用者と権限を、止めずに入れ替える。"""
        for number, node in enumerate(self.nodes):
            self.nodes[number] = changed = replace(node, accounts=accounts)
            changed.reload()

    # ── one node ──────────────────────────────────────────────────
    def restart(self, node: EmbeddedNats, seconds: float = 30.0) -> None:
        """殺したか止めた一台を戻し、追いつくまで待つ。"""
        node.launch()
        self.wait_ready(seconds)
