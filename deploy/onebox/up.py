"""`make up`: 一段ずつ、どこで途切れてもやり直せる順に、箱を立ち上げる。"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from deploy.onebox import databases, process
from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.gateway import has_ipv6
from deploy.onebox.home import ROOT, Home, write_private
from deploy.onebox.layout import PROVISIONER, Layout, chosen_units, known_units, process_environment, speakers
from deploy.onebox.ports import is_free
from deploy.onebox.program import Program, Running, is_ready, read_running, read_wanted, wait_until, write_wanted
from deploy.onebox.progress import Say, Steps
from deploy.onebox.trouble import Trouble, disk_full

ENOUGH_DISK = 1024**3
# Restarts after which a program that never became ready is called broken (0.5 + 1 + 2 + 4 s of pauses).
HOPELESS = 4
# A unit that runs but is not ready by then is reported; it goes on trying.
PATIENCE = 150.0
TOWN = 300


@dataclass
class Up:
    home: Home
    only: Sequence[str]
    steps: Steps = field(default_factory=Steps)
    troubled: dict[str, str] = field(default_factory=dict)

    def run(self) -> bool:
        """箱を立ち上げる。動かないユニットが残れば False（ほかは動いている）。"""
        if os.environ.get("PROFILE") == "production":
            raise Trouble("一台構成（make up）は本番では使えません。deploy/ の手順を見てください。", "The one box is not for production.")
        self._folder()
        with self.home.lock("up") as ours:
            if not ours:
                raise Trouble("別の make up が動いています。終わるのを待ってください。", "Another `make up` is running; wait for it.")
            return self._run()

    def _run(self) -> bool:
        layout = self._layout()
        self._assets()
        self._servers(layout)
        self._databases(layout)
        self._streams(layout)
        self._programs(layout)
        return self._doubted(layout) and self._town() and not self.troubled

    # ── before anything starts ────────────────────────────────────
    def _folder(self) -> None:
        self.home.create()
        if shutil.disk_usage(self.home.path).free < ENOUGH_DISK:
            raise disk_full(self.home.path)

    def _layout(self) -> Layout:
        supervised = self.home.is_supervised()
        port = self._gateway_port(supervised)
        layout = Layout(
            self.home, port, chosen_units(self.only), known_units(), keep_ports=supervised,
            database_url=os.environ.get("DATABASE_URL", ""), nats_url=os.environ.get("NATS_URL", ""),
            nats_accounts_managed=bool(os.environ.get("NATS_ACCOUNTS_MANAGED")),
            nats_nodes=self._count("NATS_NODES", (1, 3, 5)), workers=self._count("WORKERS", (1, 2, 3)),
            roomy=self._roomy(), stream_bytes=self._stream_bytes(),
        )  # fmt: skip
        if not layout.units:
            raise Trouble("動かせるユニットがまだありません。", "There is no unit to run yet.")
        return layout

    def _count(self, name: str, allowed: Sequence[int]) -> int:
        """NATS_NODES・WORKERS。次の make up も同じ数で立ち上がるように覚える。"""
        choices = [str(number) for number in allowed]
        if (given := os.environ.get(name) or None) not in (None, *choices):
            raise Trouble(f"{name}={given} にはできません。{'・'.join(choices)} のどれかです。", f"{name} must be one of {', '.join(choices)}.")
        return int(self.home.remember(name.lower().replace("_", "-"), given, "1"))

    def _gateway_port(self, supervised: bool) -> int:
        if not (given := os.environ.get("PORT", "8080")).isdecimal() or not 0 <= int(given) <= 65535:
            raise Trouble(f"PORT={given} はポート番号ではありません。PORT=8081 のように書いてください。", f"PORT={given} is not a port number.")
        port = int(self.home.remember("port", os.environ.get("PORT"), "8080"))
        ours = supervised and any(one.name == "gateway" and f":{port}/" in one.ready and one.process() for one in read_running(self.home))
        if not ours and not gateway_may_use(port):
            raise taken(port)
        return port

    def _assets(self) -> None:
        with self.steps.step("画面の部品（フォントと JavaScript）を確かめる / front-end assets") as say:
            what = ("画面の部品を取得できませんでした。", "Could not fetch the front-end assets.")
            run([sys.executable, "-m", "shared.desk.assets"], say, what=what)

    # ── servers ───────────────────────────────────────────────────
    def _servers(self, layout: Layout) -> None:
        with self.steps.step("PostgreSQL と NATS を起動する / database and broker") as say:
            if not layout.keep_ports and layout.postgres:
                layout.postgres.stop_leftover()
            if layout.postgres:
                layout.postgres.prepare()
            digests = []
            for node in layout.brokers:
                node.prepare()
                digests.append(node.check())
            servers = layout.servers()
            now = read_wanted(self.home) if layout.keep_ports else {}
            write_wanted(self.home, {**now, **{one.name: one for one in servers}}.values())
            self._supervisor()
            for one in servers:
                self._wait_server(one, say)
            for node, digest in zip(layout.brokers, digests, strict=True):
                self._wait_loaded(node, digest)

    def _supervisor(self) -> None:
        if self.home.is_supervised():
            return
        environment = {**process_environment(), "TSUNAGARI_HOME": str(self.home.path)}
        log = self.home.log("supervisor")
        with log.open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "deploy.onebox.supervisor"], cwd=ROOT, env=environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        while not self.home.is_supervised():
            if child.poll() is not None:
                raise Trouble("監督プロセスが起動しませんでした。", "The supervisor did not start.", process.tail(log))
            time.sleep(0.02)

    def _wait_server(self, program: Program, say: Say) -> None:
        # No limit on the time: a database may be recovering after a power cut, and giving up on it would help nobody.
        while not (self._current(program) and is_ready(program.ready)):
            if self._hopeless(program):
                log = self.home.log(program.name)
                raise (
                    disk_full(self.home.path)
                    if "No space left" in process.tail(log)
                    else Trouble(f"{program.name} が起動しません。", f"{program.name} does not start.", process.tail(log))
                )
            self._supervisor()  # an older one may end over what a newer `make up` wants of it
            say(f"{program.name} を待っています")
            time.sleep(0.05)

    def _wait_loaded(self, node: EmbeddedNats, digest: str) -> None:
        """読み直しは断られることがある（そのとき nats-server は前の設定のまま動き続ける）。"""
        if not wait_until(lambda: node.has_loaded(digest), 20):
            log = process.tail(self.home.log("nats" if node.membership is None else f"nats-{node.name}"))
            raise Trouble("NATS が新しい設定を読み直しません。make down のあと make up を。", "NATS did not reload: `make down` first.", log)

    # ── databases and streams ─────────────────────────────────────
    def _databases(self, layout: Layout) -> None:
        with self.steps.step("データベースを用意する / databases and migrations") as say:

            async def work() -> None:
                await databases.prepare(layout.server, layout.everyone, layout.passwords)
                await databases.migrate(layout.server, layout.units, layout.passwords, say)

            asyncio.run(work())

    def _streams(self, layout: Layout) -> None:
        from deploy.onebox import streams

        with self.steps.step("ストリームを用意する / streams and consumers"):
            asyncio.run(streams.prepare(layout.broker_url(PROVISIONER), speakers(layout.everyone), layout.stream_bytes, len(layout.brokers) or 1))
            layout.write_manifest()

    def _stream_bytes(self) -> int:
        # nats-server reserves what a stream may grow to: a gigabyte each where there is room. Decided once, so that it never shrinks.
        return int(self.home.remember("stream-bytes", None, str(1024**3 if self._roomy() else 256 * 1024**2)))

    def _roomy(self) -> bool:
        """Decided at the first start: the limits that follow from it cannot be taken back while something is stored."""
        return self.home.remember("roomy", None, "yes" if shutil.disk_usage(self.home.path).free > 40 * 1024**3 else "no") == "yes"

    # ── units and doors ───────────────────────────────────────────
    def _programs(self, layout: Layout) -> None:
        write_private(self.home.path / "Caddyfile", layout.gateway.caddyfile())
        layout.gateway.check(self.home.path / "Caddyfile")
        rest = [*layout.unit_programs(), *layout.doors()]
        with self.steps.step("ユニットを起動する / units") as say:
            write_wanted(self.home, [*layout.servers(), *rest])
            waiting = {one.name: one for one in rest}
            deadline = time.monotonic() + PATIENCE
            while waiting:
                say(f"{len(rest) - len(waiting)}/{len(rest)}  {'・'.join(sorted(waiting))}")
                for name, one in list(waiting.items()):
                    if self._current(one) and is_ready(one.ready):
                        del waiting[name]
                    elif self._hopeless(one) or time.monotonic() > deadline:
                        self.troubled[name] = process.tail(self.home.log(name))
                        del waiting[name]
                time.sleep(0.1)

    def _running(self, program: Program) -> Running | None:
        return next((one for one in read_running(self.home) if one.name == program.name), None)

    def _current(self, program: Program) -> bool:
        """監督者が、古い仕様ではなくこの仕様で動かしているか。"""
        one = self._running(program)
        return one is not None and one.state == "running" and one.fingerprint == program.identity

    def _hopeless(self, program: Program) -> bool:
        one = self._running(program)
        return one is not None and one.fingerprint == program.identity and one.restarts >= HOPELESS and one.state == "waiting"

    def _doubted(self, layout: Layout) -> bool:
        """表の形が変わった版では、前に聞いた便りから足りないものがある写しを、作り直す。失敗しても、窓口は使える。"""
        folders = {folder for unit in layout.units for folder in unit.migrations}
        shape = "\n".join(sorted(str(file.relative_to(ROOT)) for folder in folders for file in (ROOT / folder / "versions").glob("*.py")))
        marker = self.home.path / "projections"
        if self.only or self.troubled or (marker.exists() and marker.read_text(encoding="utf-8") == shape):
            return True
        try:
            self._rebuild_doubted()
        except Trouble as trouble:
            self.steps.note(str(trouble))
            return False
        write_private(marker, shape)
        return True

    def _rebuild_doubted(self) -> None:
        with self.steps.step("写しを確かめる / projections") as say:
            command = [sys.executable, "-m", "shared.messaging.commands", "messaging", "rebuild", "--doubted"]
            what = ("写しを作り直せませんでした。", "Could not make the projections again.")
            run([*command, "--reason", "projection_doubted", "--operator", "make-up"], say, what=what, env=self._environment())

    # ── the fictional town ────────────────────────────────────────
    def _town(self) -> bool:
        """読み込みは途中からでも続けられる。失敗しても、窓口は使える。"""
        households = int(os.environ.get("TSUNAGARI_HOUSEHOLDS", TOWN))
        marker = self.home.path / "town.json"
        if not households or self.only or self.troubled or marker.exists():
            return True
        try:
            self._load_town(households)
        except Trouble as trouble:
            self.steps.note(str(trouble))
            return False
        write_private(marker, f'{{"households": {households}}}')
        return True

    def _load_town(self, households: int) -> None:
        with self.steps.step(f"架空の町（{households} 世帯）を読み込む / fictional town") as say:
            what = ("架空の町を読み込めませんでした。", "Could not load the fictional town.")
            run([sys.executable, "-m", "deploy.city", "load", "--households", str(households)], say, what=what, env=self._environment())

    def _environment(self) -> dict[str, str]:
        """一箱の道具に渡す。管理者の DATABASE_URL・NATS_URL は、どのユニットのものでもないので渡さない（box.json を読む）。"""
        own = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "NATS_URL"}}
        return {**own, "TSUNAGARI_HOME": str(self.home.path)}


def gateway_may_use(port: int) -> bool:
    try:
        return is_free(port) and (not has_ipv6() or is_free(port, "::1"))
    except PermissionError as error:
        raise Trouble(
            f"ポート {port} は root だけが使えます。1024 以上の番号を指定してください: PORT=8080 make up",
            f"Port {port} is for root only. Choose one from 1024 up: PORT=8080 make up",
        ) from error


def taken(port: int) -> Trouble:
    owner = owner_of(port)
    return Trouble(
        f"ポート {port} は別のプログラム{f'（{owner}）' if owner else ''}が使っています。"
        f"それを止めるか、PORT={port + 1} make up のように別の番号を指定してください。",
        f"Port {port} is in use by another program{f' ({owner})' if owner else ''}. Stop it, or choose another port: PORT={port + 1} make up",
    )


def owner_of(port: int) -> str:
    try:
        pids = {c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid}
        return ", ".join(f"{psutil.Process(pid).name()} pid {pid}" for pid in sorted(pids))
    except (psutil.Error, OSError):
        return ""


def run(argv: Sequence[str], say: Say, *, what: tuple[str, str], env: dict[str, str] | None = None) -> None:
    """道具を一つ動かし、その最後の一行を進み具合として見せる。失敗したら終わりの数行を添えて言う。"""
    lines: list[str] = []
    with subprocess.Popen(
        argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if text := line.strip():
                lines.append(text)
                say(text[:100])
    if child.returncode:
        raise Trouble(*what, "\n".join(lines[-12:]))
