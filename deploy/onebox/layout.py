"""一つの箱に何が入るか: ユニットの一覧、住所（ポートと URL）、それを動かすプログラムの仕様。ここでは何も起動しない。"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from deploy.onebox import gateway
from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.cluster import NatsCluster, NodePorts
from deploy.onebox.databases import Server
from deploy.onebox.gateway import Gateway, Route
from deploy.onebox.home import ROOT, Home, write_private
from deploy.onebox.postgres import EmbeddedPostgres
from deploy.onebox.program import DOORS, SERVERS, UNITS, Program
from deploy.onebox.trouble import Trouble
from shared.runtime.unit import Unit, all_units

CONSOLE = ROOT / "deploy" / "console" / "unit.toml"
SIGN_IN = "intake"  # mounts /auth, so it runs whenever somebody is to sign in
PROVISIONER = "provisioner"
DISCOVERY = "/oidc/.well-known/openid-configuration"
#: not staff.yaml: the issuer looks at it again whenever it has changed
ISSUER_READS = [ROOT / "deploy" / "onebox" / name for name in ("issuer.py", "staff.py", "pages")]


def known_units() -> list[Unit]:
    """unit.toml のあるすべて。ブローカーの権限とストリームは、いま動かさないユニットの分も用意する（あとで追いつけるように）。"""
    return [*all_units(), *([Unit.read(CONSOLE)] if CONSOLE.exists() else [])]


def speakers(units: Sequence[Unit]) -> list[Unit]:
    """出来事を言うか聞くユニット。"""
    return [unit for unit in units if unit.publishes or unit.consumes]


def chosen_units(only: Sequence[str]) -> list[Unit]:
    units = [unit for unit in known_units() if (unit.root / "__main__.py").exists()]
    if unknown := set(only) - {unit.code for unit in units}:
        codes = "、".join(unit.code for unit in units)
        raise Trouble(f"{'、'.join(sorted(unknown))} というユニットはありません。あるのは {codes} です。", f"No such unit. Known: {codes}.")
    return [unit for unit in units if not only or unit.code in {*only, SIGN_IN}]


@dataclass
class Layout:
    """`home` の箱。`units` はこの起動で動かすもの、`everyone` は知っているすべて（権限とストリームは全員分を用意する）。"""

    home: Home
    port: int
    units: list[Unit]
    everyone: list[Unit]
    database_url: str = ""  # an administrator's URL of a given PostgreSQL
    nats_url: str = ""  # a given NATS server
    nats_accounts_managed: bool = False
    keep_ports: bool = False
    nats_nodes: int = 1
    workers: int = 1  # processes of each unit; the second and later ones carry events only
    roomy: bool = True  # whether the disk has place for gigabytes of streams
    stream_bytes: int = 1 << 29  # what a stream may grow to
    _code: dict[Path, str] = field(default_factory=dict)

    # ── addresses ─────────────────────────────────────────────────
    def internal(self, name: str) -> int:
        return self.home.port(name, keep=self.keep_ports)

    @cached_property
    def postgres(self) -> EmbeddedPostgres | None:
        if self.database_url:
            return None
        return EmbeddedPostgres(self.home.path / "postgres", self.internal("postgres"), self.home.secret("postgres"))

    @cached_property
    def server(self) -> Server:
        if self.postgres is None:
            return Server(self.database_url, owned=False)
        return Server(self.postgres.url(), owned=True)

    @cached_property
    def passwords(self) -> dict[str, str]:
        return {unit.code: self.home.secret(f"database:{unit.code}") for unit in self.everyone}

    @cached_property
    def broker_passwords(self) -> dict[str, str]:
        return {code: self.home.secret(f"nats:{code}") for code in [*(unit.code for unit in self.everyone), PROVISIONER, "observer", "sys"]}

    @cached_property
    def brokers(self) -> list[EmbeddedNats]:
        """組み込みの nats-server: 一台か、クラスターの全員。与えられたサーバーを使うときは空。"""
        if self.nats_url:
            return []
        from deploy.onebox.streams import accounts

        text, store = accounts(speakers(self.everyone), self.broker_passwords), "20GB" if self.roomy else "6GB"
        if self.nats_nodes == 1:
            return [EmbeddedNats(self.home.path / "nats", self.internal("nats"), self.internal("nats-monitor"), accounts=text, store=store)]
        names = [f"nats-{number}" for number in range(1, self.nats_nodes + 1)]
        ports = [NodePorts(*(self.internal(name + door) for door in ("", "-monitor", "-route"))) for name in names]
        return NatsCluster.at(
            self.home.path / "nats-cluster", accounts=text, store=store, password=self.home.secret("nats-route"), ports=ports
        ).nodes  # fmt: skip

    @property
    def broker(self) -> EmbeddedNats | None:
        return next(iter(self.brokers), None)

    def broker_url(self, user: str) -> str:
        """`user`（ユニットの code か provisioner）の NATS_URL。与えられたサーバーでは、アカウントも任されているときだけ書き換える。"""
        if self.brokers:
            return ",".join(node.url.replace("://", f"://{user}:{quote(self.broker_passwords[user], safe='')}@") for node in self.brokers)
        if user == PROVISIONER or not self.nats_accounts_managed:
            return self.nats_url
        scheme, _, rest = self.nats_url.partition("://")
        return f"{scheme}://{user}:{quote(self.broker_passwords[user], safe='')}@{rest.rpartition('@')[2]}"

    def address(self, unit: Unit) -> str:
        """そのユニットの web がループバックで待ち受ける場所。"""
        return f"http://127.0.0.1:{self.internal(unit.code)}"

    @property
    def gateway(self) -> Gateway:
        routes = [Route(base.rstrip("/") or "/", self.internal(unit.code), unit.large_bodies) for unit in self.units for base in bases(unit)]
        # A part of the box still answers at "/": whoever signs in is led there.
        if not any(route.base == "/" for route in routes):
            routes.append(Route("/", self.internal(self.units[0].code)))
        routes.append(Route("/oidc", self.internal("issuer")))
        return Gateway(self.port, routes, ROOT / "shared" / "desk" / "static", self.home.path / "caddy", ipv6=gateway.has_ipv6())

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    # ── programs ──────────────────────────────────────────────────
    def servers(self) -> list[Program]:
        programs = []
        if self.postgres:
            programs.append(
                Program(
                    "postgres", self.postgres.command(), {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, str(self.postgres.home), SERVERS,
                    ready=f"postmaster:{self.postgres.data}", user=self.postgres.user, stop_signal=2, death_signal=2, patience=120,
                    fingerprint=digest([self.postgres.settings_text()]),
                )
            )  # fmt: skip
        return [*programs, *(self._broker_program(node) for node in self.brokers)]

    def _broker_program(self, node: EmbeddedNats) -> Program:
        """利用者と権限だけが変わったときは、止めずに読み直させる（つながりは切れない）。"""
        return Program(
            "nats" if node.membership is None else f"nats-{node.name}", node.command(), {"PATH": "/usr/bin:/bin"}, str(node.home), SERVERS,
            ready=node.health, fingerprint=digest([replace(node, accounts="").text()]),
            reload=digest([node.accounts]), reload_signal=int(signal.SIGHUP),
        )  # fmt: skip

    def unit_programs(self) -> list[Program]:
        programs = [self._unit_program(unit, unit.code, self.environment(unit)) for unit in self.units]
        return [*programs, *(one for number in range(2, self.workers + 1) for one in self._more_workers(number)), self._keeper()]

    def _keeper(self) -> Program:
        """消えたストリームやコンシューマーを、人を待たずに作り直す。unit.toml は見るたびに読むので、分野が増えても入れ替えない。"""
        told = {"NATS_URL": self.broker_url(PROVISIONER), "NATS_REPLICAS": str(len(self.brokers) or 1), "STREAM_BYTES": str(self.stream_bytes)}
        code = self.code([ROOT / "shared" / "messaging", ROOT / "shared" / "runtime"])
        argv = [sys.executable, "-m", "shared.messaging.keeper"]
        return Program("keeper", argv, {**process_environment(), **told}, str(ROOT), UNITS, fingerprint=code)

    def _more_workers(self, number: int) -> list[Program]:
        """同じユニットのもう一つの運び手。どちらか一方が lease を持ち、もう一方は控える。聞くだけのユニット（コンソール）は一つでよい。"""
        programs = []
        for unit in (unit for unit in self.units if unit.publishes):
            name = f"{unit.code}-{number}"
            told = {"ROLES": "worker", "INSTANCE": name, "LISTEN_PORT": str(self.internal(name))}
            programs.append(self._unit_program(unit, name, {**self.environment(unit), **told}))
        return programs

    def _unit_program(self, unit: Unit, name: str, environment: dict[str, str]) -> Program:
        return Program(
            name, [sys.executable, "-m", unit.package], environment, str(ROOT), UNITS,
            ready=f"http://127.0.0.1:{environment['LISTEN_PORT']}/readyz", fingerprint=self.code_of(unit),
        )  # fmt: skip

    def doors(self) -> list[Program]:
        caddyfile = self.home.path / "Caddyfile"
        issuer = {
            **process_environment(), **self.sign_in(), "PROFILE": "onebox", "PUBLIC_URL": self.url, "LISTEN_PORT": str(self.internal("issuer")),
            "ISSUER_KEY_FILE": str(self.home.path / "issuer-key.pem"),
        }  # fmt: skip
        caddy = [str(gateway.program()), "run", "--config", str(caddyfile), "--adapter", "caddyfile"]
        return [
            Program(
                "issuer", [sys.executable, "-m", "deploy.onebox.issuer"], issuer, str(ROOT), DOORS,
                ready=f"http://127.0.0.1:{self.internal('issuer')}{DISCOVERY}", fingerprint=self.code(ISSUER_READS),
            ),
            Program(
                "gateway", caddy, {"PATH": "/usr/bin:/bin", "HOME": str(self.home.path / "caddy")}, str(self.home.path), DOORS,
                ready=f"{self.url}{DISCOVERY}", patience=8, reload=digest([self.gateway.caddyfile()]), reload_signal=int(signal.SIGUSR1),
            ),
        ]  # fmt: skip

    # ── what a process is told ────────────────────────────────────
    def sign_in(self) -> dict[str, str]:
        return {"OIDC_CLIENT_ID": "desk", "OIDC_CLIENT_SECRET": self.home.secret("oidc-client")}

    def environment(self, unit: Unit) -> dict[str, str]:
        """ユニットの環境変数: deploy/units/<unit>.env（公開してよい値）に、この箱の住所と秘密を足したもの。"""
        console = next((one for one in self.units if one.code == "console"), None)
        return {
            **process_environment(), **unit_settings(unit), "PROFILE": "onebox", "DATABASE_URL": self.server.url(unit, self.passwords[unit.code]),
            "NATS_URL": self.broker_url(unit.code), "LISTEN_HOST": "127.0.0.1", "LISTEN_PORT": str(self.internal(unit.code)), "PUBLIC_URL": self.url,
            "TICKET_KEYS": self.home.ticket_key(), "OIDC_ISSUER": f"{self.url}/oidc", **self.sign_in(), "INSTANCE": f"{unit.code}-1",
            "ANCHORS": str(self.home.path / "anchors"),
            **({"OTLP_ENDPOINT": self.address(console)} if console else {}),
        }  # fmt: skip

    def write_manifest(self) -> None:
        """box.json: city・trace・bench などの道具が読む住所録。秘密を含むので 0600。"""
        content = {
            "url": self.url,
            "home": str(self.home.path),
            "units": {unit.code: {"package": unit.package, "base": unit.base, "url": self.address(unit)} for unit in self.everyone},
            "databases": {unit.code: self.server.url(unit, self.passwords[unit.code]) for unit in self.everyone},
            "brokers": {unit.code: self.broker_url(unit.code) for unit in self.everyone},
            "database_admin_url": self.server.admin_url,
            "nats_provisioner_url": self.broker_url(PROVISIONER),
            "ticket_keys": self.home.ticket_key(),
        }
        write_private(self.home.manifest, json.dumps(content, indent=1, ensure_ascii=False))

    # ── fingerprints: a changed file restarts whoever has read it ──
    def code_of(self, unit: Unit) -> str:
        casework = ROOT / "services" / "cases" / "casework"
        return self.code([ROOT / "shared", unit.root, *([casework] if casework.parent in unit.root.parents else [])])

    def code(self, folders: Iterable[Path]) -> str:
        for folder in (folders := list(folders)):
            if folder not in self._code:
                self._code[folder] = digest(f"{file}{file.stat().st_mtime_ns}" for file in sorted(sources(folder)))
        return digest(self._code[folder] for folder in folders)


def bases(unit: Unit) -> list[str]:
    return [unit.base, "/auth"] if unit.code == SIGN_IN else [unit.base]


def sources(folder: Path) -> Iterable[Path]:
    if folder.is_file():
        yield folder
    for kind in ("*.py", "*.html", "*.yaml", "*.toml"):
        yield from folder.rglob(kind)


def digest(parts: Iterable[str]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode() + b"\0")
    return total.hexdigest()[:16]


def unit_settings(unit: Unit) -> dict[str, str]:
    """deploy/units/<unit>.env。`NAME=value` の行と # の行だけ。"""
    file = ROOT / "deploy" / "units" / f"{unit.code}.env"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    pairs = (line.split("=", 1) for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def process_environment() -> dict[str, str]:
    """子に渡す最小限。呼んだ人の環境（DATABASE_URL や鍵）は漏らさない。"""
    passed = {name: os.environ[name] for name in ("HOME", "TMPDIR", "TZ", "SSL_CERT_FILE") if name in os.environ}
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1",
        # The units talk to loopback only; a proxy of the house must not be asked for it. One malloc arena per core would double the memory.
        "NO_PROXY": "localhost,127.0.0.1,::1", "MALLOC_ARENA_MAX": "2", **passed,
    }  # fmt: skip
