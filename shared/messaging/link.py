"""The unit's one connection to NATS, made and kept by FastStream's broker; JetStream itself is spoken here, raw.

Why raw: FastStream's publish has no acknowledgement without a stream name and its pull loop waits for a full batch
(limits.md §1); nats-py has neither atomic batches nor consumer reset. Everything else of the broker's life stays FastStream's.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from faststream.nats import NatsBroker
from faststream.nats.security import NatsNKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from shared.messaging.envelope import header_lines
from shared.messaging.names import inbox_of
from shared.messaging.waiting import unless
from shared.runtime.settings import Settings

log = logging.getLogger("tsunagari.messaging")

#: what a call raises while the broker is away or does not answer
AWAY = (NatsError, OSError, TimeoutError, asyncio.TimeoutError)


class Disconnected(ConnectionError):
    """There is no connection to NATS now."""


class BrokerError(Exception):
    """JetStream answered with an error. `code` is its err_code, e.g. 10077."""

    def __init__(self, code: int, description: str) -> None:
        self.code = code
        super().__init__(f"{code}: {description}")


def answer(message: Msg) -> dict[str, Any]:
    """The JSON answer of JetStream. Raises BrokerError."""
    try:
        body: dict[str, Any] = json.loads(message.data)
    except ValueError:
        raise BrokerError(0, "unreadable answer") from None
    if error := body.get("error"):
        raise BrokerError(int(error.get("err_code", 0)), str(error.get("description", "")))
    return body


def _with_readable_subject(build: Callable[..., Msg | None]) -> Callable[..., Msg | None]:
    """nats-py breaks its connection over a subject that is not UTF-8, and again after each reconnect: one such message would stop everything."""

    def built(sid: int, subject: bytes, *rest: Any) -> Msg | None:
        return build(sid, subject.decode("utf-8", "replace").encode(), *rest)

    return built


class Link:
    """`up` is set while connected. `generation` changes with every new connection: what was asked of the old one is gone."""

    #: a connection that stays down this long is thrown away: nats-py stops trying after some answers of the server
    PATIENCE = 20.0

    def __init__(self, unit: str, settings: Settings) -> None:
        self._unit = unit
        self._servers = settings.nats_servers
        self._seed = settings.nats_nkey_seed.get_secret_value() or None
        self._name = f"{unit}/{settings.instance}"
        self._broker: NatsBroker | None = None
        self._client: Client | None = None
        self._closed = asyncio.Event()
        #: called without arguments whenever the connection comes or goes
        self.listeners: set[Callable[[], None]] = set()
        #: awaited with every new client, before anything else uses it
        self.on_client: list[Callable[[Client], Awaitable[None]]] = []
        self.up = asyncio.Event()
        self._gone = asyncio.Event()
        self.generation = 0
        self.denied = 0
        self.last_error: str | None = None

    @property
    def client(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise Disconnected("NATS is away")
        return self._client

    @property
    def inbox_prefix(self) -> str:
        return inbox_of(self._unit)

    async def request(self, subject: str, data: bytes = b"", *, timeout: float = 5.0, headers: Mapping[str, str] | None = None) -> Msg:
        """Raises Disconnected at once when the connection goes: nats-py would wait for the answer until its timeout."""
        waiting = self.client.request(subject, data, timeout=timeout, headers=dict(headers) if headers else None)
        reply = await unless(self._gone, waiting)
        if reply is None:
            raise Disconnected("NATS went away")
        return reply

    async def send(self, commands: bytes) -> None:
        """Whole commands of the NATS protocol, written at once and before what is sent next. Raises Disconnected."""
        await self.client._send_command(commands)

    async def api(self, subject: str, body: Mapping[str, Any] | None = None, *, timeout: float = 5.0) -> dict[str, Any]:
        """One call of the JetStream API. Raises BrokerError, or one of AWAY; a missing permission is a timeout."""
        return answer(await self.request(f"$JS.API.{subject}", json.dumps(body).encode() if body else b"", timeout=timeout))

    async def state(self, stream: str) -> tuple[str, int]:
        """(when the stream was made, last sequence). Another time of making is another stream."""
        info = await self.api(f"STREAM.INFO.{stream}")
        return str(info["created"]), int(info["state"]["last_seq"])

    async def identity(self, stream: str) -> tuple[str, int]:
        """(incarnation, last sequence). The incarnation changes when the stream is made again or declared repaired."""
        info = await self.api(f"STREAM.INFO.{stream}")
        number = (info["config"].get("metadata") or {}).get("incarnation", "1")
        return f"{number}@{info['created']}", int(info["state"]["last_seq"])

    async def keep(self) -> None:
        """Connects and stays connected for ever; run as a task. A broker that is away at start is waited for."""
        while True:
            # FastStream raises for good on some answers (wrong password); they are waited out like an absent broker.
            async for attempt in AsyncRetrying(wait=wait_exponential_jitter(multiplier=0.1, max=5), retry=retry_if_exception_type(Exception)):
                with attempt:
                    await self._connect()
            await self._until_lost()
            await self.close()

    async def _connect(self) -> None:
        self._closed.clear()
        self._broker = NatsBroker(
            self._servers,
            name=self._name,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type]
            connect_timeout=3,
            ping_interval=20,
            inbox_prefix=self.inbox_prefix,
            security=NatsNKey.from_seed(self._seed) if self._seed else None,
            pending_size=0,  # a publish while disconnected must fail, not be sent some day
            graceful_timeout=20,
            logger=None,
            error_cb=self._on_error,
            disconnected_cb=self._on_down,
            reconnected_cb=self._on_up,
            closed_cb=self._on_closed,
        )
        try:
            client = await self._broker.connect()
        except BaseException as error:
            self.last_error = type(error).__name__
            self._broker = None
            raise
        client._parse_header_lines = header_lines  # type: ignore[method-assign]  # nats-py drops doubled headers silently; test_envelope watches this
        client._build_message = _with_readable_subject(client._build_message)  # type: ignore[method-assign]  # test_bad_input watches this
        self._client = client
        for prepare in self.on_client:
            await prepare(client)
        await self._on_up()

    async def _until_lost(self) -> None:
        """Returns when the connection was closed for good or stayed down too long."""
        down_for = 0.0
        while not self._closed.is_set() and down_for < self.PATIENCE:
            down_for = 0.0 if self.up.is_set() else down_for + 1.0
            try:
                await asyncio.wait_for(self._closed.wait(), 1.0)
            except TimeoutError:
                continue

    async def close(self) -> None:
        broker, client, self._broker, self._client = self._broker, self._client, None, None
        self.up.clear()
        if broker is None:
            return
        try:
            async with asyncio.timeout(5):
                if client is not None and client.is_connected:
                    await broker.stop()
                elif client is not None:
                    await client.close()
        except AWAY as error:
            log.info("nats_closed_roughly error=%s", type(error).__name__)

    async def _on_up(self) -> None:
        self.generation += 1
        self.last_error = None
        self._gone = asyncio.Event()
        self.up.set()
        self._tell()
        log.info("nats_connected unit=%s", self._unit)

    async def _on_down(self) -> None:
        self.up.clear()
        self._gone.set()
        self._tell()

    def _tell(self) -> None:
        for listener in list(self.listeners):
            listener()

    async def _on_closed(self) -> None:
        await self._on_down()
        self._closed.set()

    async def _on_error(self, error: Exception) -> None:
        """A permission that is missing shows up here and nowhere else (the call itself just times out)."""
        self.last_error = type(error).__name__
        if "permissions violation" in str(error).lower():
            self.denied += 1
            log.warning("nats_denied unit=%s %s", self._unit, error)
