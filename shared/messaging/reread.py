"""Reading streams once more from their beginning, beside the consumers that are at work: for rebuilds.

A consumer of its own per source, made with the provisioner's credential; the unit reads it with its own. Events of several
sources come in the order in which they were recorded, which is about the order in which they were heard.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.messaging.delivery import Delivery
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.names import consumer_name, rebuild_name, source_in, stream_of
from shared.messaging.pull import Puller

Api = Callable[..., Awaitable[dict[str, Any]]]
NANO = 1_000_000_000
#: the broker takes a forgotten consumer away after an hour
FORGOTTEN_AFTER = 3600 * NANO
#: events of one transaction, about
AT_ONCE = 4096
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass
class Reader:
    """One source. `read_to`: everything of interest up to this stream sequence was handed out."""

    unit: str
    source: str
    link: Link
    puller: Puller
    read_to: int = 0
    ready: deque[Delivery] = field(default_factory=deque)
    _head: int = 0
    _left: int = 0
    _taken: int = 0

    @property
    def live(self) -> str:
        return consumer_name(self.unit, self.source)

    async def look(self) -> None:
        """How much there is to read now. What comes later is for the next look."""
        stream, name = stream_of(self.source), rebuild_name(self.unit, self.source)
        self._head = int((await self.link.api(f"STREAM.INFO.{stream}"))["state"]["last_seq"])
        info = await self.link.api(f"CONSUMER.INFO.{stream}.{name}")
        self._left = int(info["num_pending"]) + int(info["delivered"]["consumer_seq"]) - self._taken

    async def fill(self) -> bool:
        """Makes something ready. False: nothing is left of what was there at the last look."""
        if not self._left > 0:
            self.read_to = max(self.read_to, self._head)
            return False
        deliveries = await self.puller.next()
        await self.puller.acknowledge(deliveries[-1])
        self.ready.extend(deliveries)
        self._taken = deliveries[-1].consumer_seq
        self._left -= len(deliveries)
        return True

    def recorded_at(self) -> datetime:
        envelope = self.ready[0].envelope
        return envelope.recorded_at if envelope else _BEGINNING


async def ahead(readers: Sequence[Reader]) -> AsyncGenerator[list[tuple[str, Delivery]]]:
    """(source, delivery) of all that is in the streams now, in batches; the next batch is fetched while one is in hand."""
    await asyncio.gather(*(reader.look() for reader in readers))
    batches = _batches(readers)
    fetching = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await fetching) is not None:
            fetching = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        fetching.cancel()


async def _batches(readers: Sequence[Reader]) -> AsyncIterator[list[tuple[str, Delivery]]]:
    batch: list[tuple[str, Delivery]] = []
    opened = list(readers)
    while opened := [reader for reader in opened if reader.ready or await reader.fill()]:
        _merge(opened, batch)
        if len(batch) >= AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _merge(readers: Sequence[Reader], batch: list[tuple[str, Delivery]]) -> None:
    """Moves what is certainly next, until one reader has nothing ready."""
    if len(readers) == 1:
        batch.extend((readers[0].source, delivery) for delivery in readers[0].ready)
        readers[0].ready.clear()
        return
    while all(reader.ready for reader in readers):
        first = min(readers, key=Reader.recorded_at)
        batch.append((first.source, first.ready.popleft()))


@asynccontextmanager
async def readers(unit: str, channels: set[str], link: Link, provisioner: Api) -> AsyncIterator[list[Reader]]:
    """One per source of which the unit hears any of the channels. Their consumers are taken away afterwards."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(_reader(unit, *one, link, provisioner)) for one in await _heard(unit, channels, link)]
        yield found


async def _heard(unit: str, channels: set[str], link: Link) -> list[tuple[str, list[str]]]:
    """(source, subjects): as the unit's own consumers have them, of these channels only."""
    found = []
    for stream in sorted((await link.api("STREAM.NAMES")).get("streams") or []):
        if not stream.startswith("EVT_"):
            continue
        for name in (await link.api(f"CONSUMER.NAMES.{stream}")).get("consumers") or []:
            if source := source_in(name, unit):
                config = (await link.api(f"CONSUMER.INFO.{stream}.{name}"))["config"]
                if subjects := [subject for subject in _subjects(config) if subject.split(".")[2] in channels]:
                    found.append((source, subjects))
    return found


def _subjects(config: Mapping[str, Any]) -> list[str]:
    return list(config.get("filter_subjects") or [config["filter_subject"]])


@asynccontextmanager
async def _reader(unit: str, source: str, subjects: list[str], link: Link, provisioner: Api) -> AsyncIterator[Reader]:
    stream, name = stream_of(source), rebuild_name(unit, source)
    config = {
        "name": name, "durable_name": name, "deliver_policy": "all", "ack_policy": "all", "ack_wait": 300 * NANO, "max_deliver": -1,
        "max_ack_pending": 8192, "filter_subjects": subjects, "replay_policy": "instant", "inactive_threshold": FORGOTTEN_AFTER,
        "mem_storage": True, "num_replicas": 1,
    }  # fmt: skip
    await _delete(provisioner, stream, name)
    await provisioner(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": "create"})
    try:
        async with Puller(link, stream, name, source) as puller:
            await puller.start(1)
            yield Reader(unit, source, link, puller)
    finally:
        await _delete(provisioner, stream, name)


async def _delete(provisioner: Api, stream: str, name: str) -> None:
    try:
        await provisioner(f"CONSUMER.DELETE.{stream}.{name}")
    except (BrokerError, *AWAY):
        pass  # there is none, or the broker forgets it by itself
