"""Fixtures for everybody: a real PostgreSQL, a real nats-server, a fresh database per test, the whole one box.

Several test runs may go on at once on one machine: every server has its own folder and its own port.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from deploy.onebox.broker import BrokerFailed, EmbeddedNats
from deploy.onebox.databases import KEEP_AUDIT, run_script
from deploy.onebox.ports import free_port
from deploy.onebox.postgres import EmbeddedPostgres, PostgresFailed
from shared.runtime.database import Database
from shared.runtime.migrate import upgrade
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit, all_units

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "only-for-tests"
Databases = Callable[..., Awaitable[Database]]


@pytest.fixture(scope="session", autouse=True)
def _no_internet() -> Iterator[None]:
    """A test that reaches for anything but this machine fails at once, with or without a network."""
    original = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host != "localhost" and not _is_loopback(host):
            raise AssertionError(f"a test tried to reach {host}")
        original(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, and not localhost's
        return False


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    # Not pytest's tmp_path: its parents are 0700, and PostgreSQL runs as another user when the tests run as root.
    home = Path(tempfile.mkdtemp(prefix="tsunagari-tests-", dir=_quickest()))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def _quickest() -> str | None:
    """Memory where there is plenty (a container often has 64 MB of it): a fresh database is three hundred files, 0.02 s there and 0.3 s on a disk."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30 else None


def start_postgres(home: Path) -> EmbeddedPostgres:
    for attempt in range(5):
        server = EmbeddedPostgres(home, free_port(), secrets.token_urlsafe(16), volatile=True)
        try:
            server.start()
            break
        except PostgresFailed:  # another run took the port between looking and binding
            if attempt == 4:
                raise
    return server


@pytest.fixture(scope="session")
def postgres(servers_home: Path) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL 18 for this test run, with fsync off."""
    server = start_postgres(servers_home / "postgres")
    yield server
    server.stop()


@pytest.fixture
def own_postgres(servers_home: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for this test alone (two seconds): for whoever makes roles and databases of their own."""
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir=servers_home))
    home.chmod(0o755)
    server = start_postgres(home)
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


def start_nats(home: Path, accounts: str = "") -> EmbeddedNats:
    for _ in range(4):
        try:
            # Tests kill the client, not the machine: the periodic fsync is enough and many times faster.
            return EmbeddedNats(home, free_port(), free_port(), accounts=accounts, sync="2m").start()
        except BrokerFailed:
            continue
    return EmbeddedNats(home, free_port(), free_port(), accounts=accounts, sync="2m").start()


@pytest.fixture(scope="session")
def nats(servers_home: Path) -> Iterator[EmbeddedNats]:
    """A real nats-server for this test run: JetStream, no authentication. `nats.url`."""
    server = start_nats(servers_home / "nats")
    yield server
    server.stop()


@pytest.fixture
def own_nats(servers_home: Path) -> Iterator[EmbeddedNats]:
    """A nats-server for this test alone (40 ms): for tests that provision streams, count messages, or kill the broker."""
    home = Path(tempfile.mkdtemp(prefix="nats-", dir=servers_home))
    server = start_nats(home)
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@dataclass
class Templates:
    """One migrated template database per unit, made on first use; tests get clones of it."""

    postgres: EmbeddedPostgres
    made: set[str] = field(default_factory=set)
    count: int = 0

    def url(self, unit: Unit, database: str) -> str:
        return self.postgres.url(database, quote(unit.database), PASSWORD)

    async def clone(self, unit: Unit) -> tuple[str, str]:
        admin = await asyncpg.connect(self.postgres.dsn())
        try:
            if unit.database not in self.made:
                await self._make(admin, unit)
            self.count += 1
            name = f"{unit.database}_{self.count}"
            await self._copy(admin, unit, name)
        finally:
            await admin.close()
        return name, self.url(unit, name)

    async def _make(self, admin: asyncpg.Connection, unit: Unit) -> None:
        # The unit's own role migrates, not the superuser: what only the superuser may do must fail here and not at the customer's.
        await admin.execute(f"CREATE ROLE \"{unit.database}\" LOGIN PASSWORD '{PASSWORD}'")
        await admin.execute(f'CREATE DATABASE "{unit.database}" OWNER "{unit.database}"')
        await upgrade(self.url(unit, unit.database), unit)
        await run_script(self.postgres.dsn(unit.database), KEEP_AUDIT)
        self.made.add(unit.database)

    async def _copy(self, admin: asyncpg.Connection, unit: Unit, name: str) -> None:
        """As an installation is: what keep_audit.sql gave away does not come back to the unit's role with the copy."""
        owner = await admin.fetchval("SELECT datdba::regrole::text FROM pg_database WHERE datname = $1", unit.database)
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{unit.database}" OWNER "{owner}"')
        await admin.execute(f'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "{name}" TO "{unit.database}"')

    async def drop(self, name: str) -> None:
        admin = await asyncpg.connect(self.postgres.dsn())
        try:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await admin.close()


@pytest.fixture(scope="session")
def templates(postgres: EmbeddedPostgres) -> Templates:
    return Templates(postgres)


def unit_of(code: str) -> Unit:
    return next(unit for unit in all_units() if unit.code == code)


@pytest.fixture
async def databases(templates: Templates) -> AsyncIterator[Databases]:
    """`await databases("cases-children") -> Database`: fresh and migrated; a Unit may be given instead of a code. Closed and dropped afterwards."""
    opened: list[tuple[str, Database]] = []

    async def fresh(unit: str | Unit, **options: Any) -> Database:
        unit = unit_of(unit) if isinstance(unit, str) else unit
        name, url = await templates.clone(unit)
        database = Database(url, unit.code, **options)
        opened.append((name, database))
        return database

    yield fresh
    for name, database in opened:
        await database.close()
        await templates.drop(name)


TICKET_KEY = base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def test_settings(postgres: EmbeddedPostgres, nats: EmbeddedNats) -> Callable[..., Settings]:
    """`test_settings("intake", database=db)`: settings of a unit in tests. Any setting may be given by name; without a database none exists."""

    def settings(unit: str | Unit = "test", *, database: Database | None = None, **given: Any) -> Settings:
        code = unit if isinstance(unit, str) else unit.code
        url = database.engine.url.render_as_string(hide_password=False) if database else postgres.url("no_database_given")
        values = {"profile": "test", "database_url": url, "nats_url": nats.url, "ticket_keys": TICKET_KEY, "public_url": "http://testserver"}
        return Settings(**{**values, "instance": f"{code}-test", **given})

    return settings


@dataclass(frozen=True)
class Box:
    """A running one box. `url` is its one origin."""

    home: Path
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.onebox", *words], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=check, timeout=400
        )

    def status(self) -> dict[str, Any]:
        """`make status --json`, read."""
        answer: dict[str, Any] = json.loads(self.run("status", "--json", check=False).stdout)
        return answer


def start_box(home: Path, *words: str, **environment: str) -> Box:
    port = free_port()
    given = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "NATS_URL"}}
    box = Box(home, port, {**given, "TSUNAGARI_HOME": str(home), "PORT": str(port), "TSUNAGARI_HOUSEHOLDS": "0", **environment})
    up = box.run("up", *words, check=False)
    if up.returncode:
        box.run("down", check=False)
        raise RuntimeError(f"the one box did not come up\n{up.stdout[-4000:]}\n{up.stderr[-4000:]}")
    return box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """The whole one box on free ports, without a fictional town in it: slow to start, and not idle while others test, so it lives for a file.

    TSUNAGARI_TEST_BOX=<home> takes a running one."""
    if running_home := os.environ.get("TSUNAGARI_TEST_BOX"):
        url = json.loads((Path(running_home) / "box.json").read_text(encoding="utf-8"))["url"]
        yield Box(Path(running_home), int(url.rsplit(":", 1)[1]), {**os.environ, "TSUNAGARI_HOME": running_home})
        return
    home = Path(tempfile.mkdtemp(prefix="tsunagari-box-"))
    home.chmod(0o755)
    running = start_box(home)
    yield running
    running.run("down", check=False)
    shutil.rmtree(home, ignore_errors=True)
