"""A world to break: PostgreSQL with fsync, nats-server with `sync: always`, two workers per unit, two writers on the same households."""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import nats
from nats.aio.client import Client

from deploy.onebox.ports import free_port
from deploy.onebox.postgres import EmbeddedPostgres, PostgresFailed
from shared.messaging.provision import accounts_conf, apply, desired
from shared.runtime.migrate import upgrade
from tests.faults import business
from tests.faults.brokers import Brokers
from tests.faults.controls import Controls
from tests.faults.crew import Actor, Crew, Nursery
from tests.faults.disks import Disk
from tests.faults.expectation import Expectation
from tests.faults.network import Network
from tests.faults.town import BY_CODE, UNITS, answer_to

ADMIN = "examiner"


class NotQuiet(AssertionError):
    """The system did not come to rest; the text says what still waits."""


@dataclass
class World:
    """`expect` is what the faults put in on purpose, for the checker. `rate`: events a second of all writers together."""

    home: Path
    seed: int = 0
    rate: float = 60.0
    writers: int = 2
    nodes: int = 1
    #: broker nodes in network namespaces; megabytes of the disks for each broker node and for PostgreSQL (0: the machine's own)
    apart: bool = False
    nats_disk: int = 0
    postgres_disk: int = 0
    max_bytes: int = 1 << 28
    expect: Expectation = field(default_factory=Expectation)
    #: kills, freezes, partitions so far; and where processes died by themselves
    counts: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    _watching: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        for folder in ("logs", "status", "ledger", "lingering"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o755)
        self.controls = Controls(self.home)
        self.controls.wish()
        self.crew = Crew(self.home)
        self.nursery = Nursery(self.home / "logs" / "nursery.log")
        self.passwords = {name: secrets.token_hex(8) for name in (*(unit.code for unit in UNITS), "provisioner", "observer", "sys", ADMIN)}
        self.postgres = EmbeddedPostgres(self.home / "postgres", free_port(), secrets.token_hex(8))
        self.postgres.log = self.home / "logs" / "postgres.log"  # also when its disk is full, and searched like every log
        self.network = Network(self.nodes) if self.apart else None
        self.brokers = Brokers(self.home / "nats", self.nodes, self.accounts(), self.network)
        self.nats_disks = [Disk(store, self.nats_disk) for store in self.brokers.stores if self.nats_disk]
        self.disk_of_postgres = Disk(self.postgres.home, self.postgres_disk) if self.postgres_disk else None

    def accounts(self, passwords: dict[str, str] | None = None) -> str:
        """What provisioning writes, and one user more for the examiner, who may read everything."""
        text = accounts_conf(UNITS, passwords or self.passwords)
        examiner = f'users: [\n      {{ user: "{ADMIN}", password: "{self.passwords[ADMIN]}" }}\n'
        return text.replace("users: [\n", examiner, 1)

    def nats_url(self, user: str) -> str:
        return self.brokers.url(user, self.passwords[user])

    # ── life ─────────────────────────────────────────────────────
    async def begin(self) -> None:
        self.nursery.wake()
        if self.network:
            self.network.up()
        for disk in self._disks:
            disk.mount()
        self.postgres.start()
        await self.brokers.start()
        await self.provision()
        for unit in UNITS:
            await self._database(unit.code)
        for unit in UNITS:
            for number in (1, 2):
                self.hire("worker", unit.code, f"{unit.code}-{number}")
        for number in range(1, self.writers + 1):
            self.hire("writer", "alpha", f"writer-{number}", FAULTS_RATE=str(self.rate / self.writers))
        self._watching = asyncio.create_task(self.crew.watch())

    @property
    def _disks(self) -> list[Disk]:
        return [*self.nats_disks, *([self.disk_of_postgres] if self.disk_of_postgres else [])]

    def hire(self, role: str, unit: str, name: str, *, nursery: Nursery | None = None, **env: str) -> Actor:
        env = {"DATABASE_URL": self.database_url(unit), "NATS_URL": self.nats_url(unit), **env}
        return self.crew.add(Actor(role, unit, name, env, nursery or self.nursery))

    async def end(self) -> None:
        """Also after a failure in the middle of `begin`: nothing of ours goes on running."""
        if self._watching:
            self._watching.cancel()
        await self.crew.stop_all()
        self.nursery.close()
        self.brokers.stop()
        self.postgres.stop()
        for disk in self._disks:
            disk.unmount()
        if self.network:
            self.network.down()

    async def provision(self) -> None:
        """The server sets `max_bytes` aside for each stream, within three quarters of its disk."""
        async with self.admin() as client:
            await apply(client, desired(UNITS, replicas=self.nodes, max_bytes=(self.nats_disk << 20) // 5 or self.max_bytes))

    async def _database(self, unit: str) -> None:
        async with self.sql() as connection:
            await connection.execute(f"CREATE ROLE \"{unit}\" LOGIN PASSWORD '{self.passwords[unit]}'")
            await connection.execute(f'CREATE DATABASE "{unit}" OWNER "{unit}"')
        await self.migrate(unit)
        async with self.sql(unit) as connection:
            await connection.execute(f'SET ROLE "{unit}"')
            await connection.execute(business.TABLES)

    async def migrate(self, unit: str) -> None:
        await upgrade(self.database_url(unit), BY_CODE[unit])

    def database_url(self, unit: str) -> str:
        return self.postgres.url(unit, quote(unit), self.passwords[unit])

    # ── looking in ───────────────────────────────────────────────
    @asynccontextmanager
    async def sql(self, database: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
        """As the database's administrator. A server that is just starting is waited for."""
        connection = await patiently(lambda: asyncpg.connect(self.postgres.dsn(database), timeout=5))
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Client]:
        """The examiner's connection to the broker."""
        client = await patiently(lambda: nats.connect(self.nats_url(ADMIN).split(","), connect_timeout=3, allow_reconnect=False, error_cb=_silent))
        try:
            yield client
        finally:
            await client.close()

    async def rows(self, database: str, statement: str, *values: Any) -> list[Any]:
        """Reads. A server that dies under the question, because a backend of it was killed a moment ago, is asked again."""

        async def ask() -> list[Any]:
            async with self.sql(database) as connection:
                return list(await connection.fetch(statement, *values))

        return await patiently(ask)

    # ── rest ─────────────────────────────────────────────────────
    async def flows(self, patience: float = 90.0) -> float:
        """Seconds until something committed from now on has its effects at the end of the chain (alpha → beta → gamma)."""
        began = time.monotonic()
        now = (await self.rows("postgres", "select clock_timestamp() as now"))[0]["now"]
        while time.monotonic() - began < patience:
            first = await self.rows("alpha", _FIRST, now, self.controls.wishes.poison)
            if first and await self._arrived([first[0]["mark"], answer_to(first[0]["mark"])]):
                return time.monotonic() - began
            await asyncio.sleep(0.1)
        raise NotQuiet(f"nothing flows after {patience} s: {await self.unrest()}")

    async def _arrived(self, marks: list[Any]) -> bool:
        found = await self.rows("gamma", "select count(distinct mark) as n from effect where mark = any($1::uuid[])", marks)
        return bool(found[0]["n"] == len(marks))

    async def quiet(self, patience: float = 120.0) -> float:
        """Writers pause; seconds until nothing waits any more. Raises NotQuiet."""
        self.controls.wish(quiet=True)
        began, still = time.monotonic(), 0
        waits: dict[str, int] = {}
        while still < 3:
            if time.monotonic() - began > patience:
                raise NotQuiet(f"still waiting after {patience} s: {waits}")
            await asyncio.sleep(0.3)
            waits = await self.unrest()
            still = 0 if waits else still + 1
            if waits and not any("intents" not in name for name in waits):
                await self._let_claims_expire()
        return time.monotonic() - began

    async def _let_claims_expire(self) -> None:
        """An intent whose worker was killed is claimed for 150 s more; here that time passes at once. The other side knows our keys."""
        async with self.sql("beta") as connection:
            await connection.execute("update intent set claimed_until = claimed_until - interval '150 s', try_at = clock_timestamp()")

    async def unrest(self) -> dict[str, int]:
        """What waits, by unit: counted from the tables of business and backbone, for `quiet` alone; the checker counts for itself."""
        waits: dict[str, int] = {}
        for unit in UNITS:
            found = (await self.rows(unit.code, _WAITING))[0]
            waits |= {f"{unit.code} {name}": count for name, count in found.items() if count}
        said = {unit.code: (await self.rows(unit.code, "select count(*) as n from business"))[0]["n"] for unit in UNITS}
        for unit, sources in (("beta", ("alpha",)), ("gamma", ("alpha", "beta"))):
            effects = (await self.rows(unit, "select count(distinct mark) as n from effect"))[0]["n"]
            if (short := sum(said[source] for source in sources) - effects) > 0:
                waits[f"{unit} effects"] = short
        return waits | self._unready()

    def _unready(self) -> dict[str, int]:
        """What the workers would tell an operator. A status that nobody writes any more is a reason as well."""
        waits: dict[str, int] = {}
        for actor in self.crew.of("worker"):
            path = self.home / "status" / f"{actor.name}.json"
            if not path.exists() or time.time() - path.stat().st_mtime > 3:
                waits[f"{actor.name} says nothing"] = 1
                continue
            for reason in json.loads(path.read_text())["reasons"]:
                waits[f"{actor.name}: {reason}"] = 1
        return waits


_FIRST = "select mark from business where at > $1 and not household = any($2::text[]::uuid[]) order by at limit 1"
_WAITING = """
select (select count(*) from outbox where published_at is null) as pending, (select count(*) from held_event) as held,
       (select count(*) from timer) as timers, (select count(*) from intent where state = 'pending') as intents
"""


async def patiently(ask: Any, patience: float = 60.0) -> Any:
    deadline = time.monotonic() + patience
    while True:
        try:
            return await ask()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _silent(error: Exception) -> None:
    """nats-py's default prints a traceback for every kill."""


async def start_again(postgres: EmbeddedPostgres, tries: int = 100) -> None:
    """After a kill -9: the backends that are left over still hold the shared memory for a moment."""
    for left in range(tries, 0, -1):
        try:
            await asyncio.to_thread(postgres.start)
            return
        except PostgresFailed:
            if left == 1:
                raise
            await asyncio.sleep(0.1)
