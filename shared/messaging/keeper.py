"""Keeps streams and consumers as the manifests say, without a person: `python -m shared.messaging.keeper`.

Looks every 15 seconds, and at once when the broker reports that a stream or a consumer was deleted or a stream changed. It creates and
puts right; it never deletes and never makes a limit smaller. Manifests that cannot be read or contradict each other are refused as a
whole: the last good ones stay in force, and the log says so every time. Several keepers may run; they all want the same.

Environment: NATS_URL and perhaps NATS_NKEY_SEED (the provisioner's), NATS_REPLICAS (1), STREAM_BYTES (512 MiB), MANIFESTS (the folder
under which the unit.toml files are, default services/).
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from shared.messaging.link import AWAY, BrokerError
from shared.messaging.permissions import PROVISIONER
from shared.messaging.provision import Change, Desired, api_of, desired, diff
from shared.messaging.waiting import ended, woken
from shared.runtime.telemetry import configure_logging
from shared.runtime.unit import TREE, Unit

log = logging.getLogger("tsunagari.keeper")

EVERY = 15.0
#: a pause between looks, so that a hundred deletions are one look
GATHER = 0.2


class KeeperSettings(BaseSettings):
    nats_url: SecretStr
    nats_nkey_seed: SecretStr = SecretStr("")
    nats_replicas: int = 1
    stream_bytes: int = 1 << 29
    manifests: Path = TREE / "services"

    def wanted(self) -> Desired:
        """What the manifests say now. Raises ValueError, KeyError or OSError when they cannot be read or contradict each other."""
        units = [Unit.read(path) for path in sorted(self.manifests.glob("**/unit.toml"))]
        return desired(units, replicas=self.nats_replicas, max_bytes=self.stream_bytes)


class Keeper:
    def __init__(self, wanted: Callable[[], Desired], every: float = EVERY) -> None:
        self._read, self._every = wanted, every
        self._wanted = Desired((), ())
        self._wake = asyncio.Event()
        self.made: list[str] = []
        self.looks = 0

    async def keep(self, client: Client) -> None:
        """Until the connection is closed for good (a changed password) or we are cancelled; one that is only lost is waited for."""
        for subject in PROVISIONER.subscribe[1:]:
            await client.subscribe(subject, cb=self._reported)
        while not client.is_closed:
            self._wake.clear()
            try:
                await self.look(client)
            except (BrokerError, *AWAY) as error:
                log.warning("keeper_cannot_look error=%s", error if isinstance(error, BrokerError) else type(error).__name__)
            await woken(self._wake, self._every)
            await asyncio.sleep(GATHER)

    async def _reported(self, _: Msg) -> None:
        self._wake.set()

    async def look(self, client: Client) -> None:
        """One comparison, and whatever it asks for. Raises BrokerError or one of AWAY."""
        try:
            self._wanted = self._read()
        except (ValueError, KeyError, OSError) as error:
            log.error("manifests_refused the last good ones stay in force: %s: %s", type(error).__name__, error)
        for change in await diff(client, self._wanted):
            await self._make(client, change)
        self.looks += 1

    async def _make(self, client: Client, change: Change) -> None:
        """One that is refused (no room, for instance) does not keep the others from being made."""
        try:
            await api_of(client)(change.subject, change.body)
        except BrokerError as error:
            log.error("keeper_refused change=%r reason=%s", change.what, error)
        else:
            self.made.append(change.what)
            log.warning("keeper_made change=%r", change.what)


async def connected(settings: KeeperSettings) -> Client:
    """Waits for a broker that is away; raises on a wrong password."""
    servers = settings.nats_url.get_secret_value().split(",")
    inbox = PROVISIONER.subscribe[0].removesuffix(".>").encode()
    seed = settings.nats_nkey_seed.get_secret_value() or None
    return await nats.connect(
        servers, name="keeper", inbox_prefix=inbox, nkeys_seed_str=seed, max_reconnect_attempts=-1, reconnect_time_wait=0.5, error_cb=_note
    )


async def _note(error: Exception) -> None:
    log.warning("keeper_nats error=%s", type(error).__name__)


async def _main(settings: KeeperSettings) -> None:
    work = asyncio.ensure_future(Keeper(settings.wanted).keep(await connected(settings)))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.is_set():
        work.result()  # what went wrong, if anything did
        sys.exit("keeper: the broker closed the connection for good")  # whoever supervises starts us again
    await ended({work})
    log.info("keeper_stops")


if __name__ == "__main__":
    configure_logging("keeper")
    asyncio.run(_main(KeeperSettings()))
