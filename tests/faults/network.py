"""Broker nodes in network namespaces of their own, on a bridge that leads nowhere else: links that can be cut, and ears that can be stopped.

Needs root and `ip` (package iproute2). Nothing here can reach another machine: the bridge has no uplink.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field

NOBODY = "02:00:00:00:00:99"


class NoNetwork(RuntimeError):
    """This machine cannot make network namespaces; the text says what is missing."""


def must_be_possible() -> None:
    """Raises NoNetwork with what to do."""
    if os.geteuid() != 0:
        raise NoNetwork("ネットワークの分断には root が必要です。 / Network partitions need root.")
    if shutil.which("ip") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "iproute2"], check=False, capture_output=True)
    if shutil.which("ip") is None:
        raise NoNetwork("ip コマンドがありません: apt-get install iproute2 / install iproute2.")


@dataclass
class Network:
    """`size` namespaces at 10.231.<net>.2, .3, … ; we ourselves are .1."""

    size: int
    net: int = field(default_factory=lambda: os.getpid() % 250)

    def __post_init__(self) -> None:
        self.bridge = f"tsfb{self.net}"

    @property
    def hosts(self) -> list[str]:
        return [f"10.231.{self.net}.{number + 2}" for number in range(self.size)]

    def inside(self, number: int) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._name(number))

    def _name(self, number: int) -> str:
        return f"tsf{self.net}n{number}"

    def _link(self, number: int) -> str:
        return f"tsf{self.net}v{number}"

    def up(self) -> None:
        must_be_possible()
        self.down()
        _ip("link add", self.bridge, "type bridge")
        _ip("addr add", f"10.231.{self.net}.1/24 dev {self.bridge}")
        _ip("link set", self.bridge, "up")
        for number, host in enumerate(self.hosts):
            name, link = self._name(number), self._link(number)
            _ip("netns add", name)
            _ip("link add", link, "type veth peer name eth0 netns", name)
            _ip("link set", link, "master", self.bridge)
            _ip("link set", link, "up")
            _ip("-n", name, "link set lo up")
            _ip("-n", name, f"addr add {host}/24 dev eth0")
            _ip("-n", name, "link set eth0 up")

    def down(self) -> None:
        for number in range(self.size):
            _ip("netns del", self._name(number), check=False)
            _ip("link del", self._link(number), check=False)
        _ip("link del", self.bridge, check=False)

    # ── faults ────────────────────────────────────────────────────
    def cut(self, number: int) -> None:
        """Nothing comes and nothing goes, and nobody is told: both sides believe in an open connection."""
        _ip("link set", self._link(number), "down")

    def mend(self, number: int) -> None:
        _ip("link set", self._link(number), "up")

    def mute(self, number: int, towards: int | None) -> None:
        """What this node says to another node (None: to us) is lost; what it hears still comes: half a connection."""
        _ip("-n", self._name(number), "neigh replace", self._address(towards), "lladdr", NOBODY, "dev eth0 nud permanent")

    def unmute(self, number: int, towards: int | None) -> None:
        _ip("-n", self._name(number), "neigh del", self._address(towards), "dev eth0", check=False)

    def _address(self, number: int | None) -> str:
        return f"10.231.{self.net}.1" if number is None else self.hosts[number]


def _ip(*words: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *" ".join(words).split()], capture_output=True, text=True)
    if check and done.returncode:
        raise NoNetwork(f"ip {' '.join(words)}: {done.stderr.strip()}")
