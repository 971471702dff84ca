"""Pulling from one consumer: own MSG.NEXT requests, so that a single event comes through at once and a backlog in batches.

Redelivery, acknowledgement and order of the broker are not trusted: the delivery numbers after a reset must be 1, 2, 3 …
A hole means that another puller (a frozen predecessor that woke up) took a message: `Stolen`, and the consumer resets again.
"""

import asyncio
import json
from collections import deque
from types import TracebackType
from typing import Self

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from shared.messaging.delivery import Delivery, is_delivery, received
from shared.messaging.link import AWAY, Link
from shared.messaging.waiting import woken

BATCH = 256
#: How long a request waits at the broker: also how long a frozen predecessor's request may still swallow messages,
#: because a reset does not clear other people's waiting requests.
EXPIRES = 10.0
HEARTBEAT = 3.0
#: what is pending at the start comes at once, or it goes to somebody else
AT_ONCE = 1.0
NANO = 1_000_000_000


class Interrupted(Exception):
    """Nothing more will come from this puller: the connection, the consumer or the lease went away, or we stop."""


class Stolen(Interrupted):
    """Messages of this consumer went to somebody else."""


class Puller:
    def __init__(self, link: Link, stream: str, consumer: str, source: str) -> None:
        self._link = link
        self._client = link.client
        self._stream, self._consumer, self._source = stream, consumer, source
        self._inbox = self._client.new_inbox()
        self._ready: deque[Msg] = deque()
        self._event = asyncio.Event()
        self._credit = 0
        self._got = 0
        self._taken = 0
        self._expecting = False
        self._broken: Interrupted | None = None
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Self:
        self._link.listeners.add(self._connection_changed)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._link.listeners.discard(self._connection_changed)
        if self._subscription is not None:
            try:
                await self._subscription.unsubscribe()
            except AWAY:
                pass  # the connection is gone, and the subscription with it

    async def start(self, sequence: int) -> int:
        """Deliveries begin at this stream sequence with delivery number 1; gives how many there are now.

        A consumer that does not exist is a timeout."""
        self._subscription = await self._client.subscribe(self._inbox, cb=self._on_message)
        info = await self._link.api(f"CONSUMER.RESET.{self._stream}.{self._consumer}", {"seq": sequence}, timeout=3)
        pending = int(info.get("num_pending", 0))
        self._expecting = pending > 0
        return pending

    def interrupt(self, reason: str) -> None:
        self._broken = self._broken or Interrupted(reason)
        self._event.set()

    async def next(self) -> list[Delivery]:
        """The next deliveries in order, at least one. Raises Interrupted; what came before a theft is still given."""
        while True:
            if self._broken and type(self._broken) is Interrupted:
                raise self._broken
            if self._ready:
                return self._take()
            if self._broken:
                raise self._broken
            await self._ask()
            self._event.clear()
            at_once = self._expecting and not self._got
            if not await woken(self._event, AT_ONCE if at_once else 2 * HEARTBEAT + 1):
                raise Stolen("nothing came of what is pending") if at_once else Interrupted("no heartbeat")

    async def acknowledge(self, delivery: Delivery) -> None:
        """All up to this one. For monitoring and flow only: the position is in our own database."""
        await self._client.publish(delivery.reply, b"+ACK")
        if self._credit < BATCH // 2:
            await self._ask()

    async def _ask(self) -> None:
        if self._credit >= BATCH // 2:
            return
        self._credit += BATCH
        asked = {"batch": BATCH, "expires": int(EXPIRES * NANO), "idle_heartbeat": int(HEARTBEAT * NANO)}
        await self._client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}", json.dumps(asked).encode(), reply=self._inbox)

    def _take(self) -> list[Delivery]:
        deliveries: list[Delivery] = []
        while self._ready and len(deliveries) < BATCH:
            delivery = received(self._ready.popleft(), self._source)
            if delivery.consumer_seq != self._taken + 1:
                self._broken = Stolen(f"delivery {delivery.consumer_seq} after {self._taken}")
                self._ready.clear()
                break
            self._taken += 1
            deliveries.append(delivery)
        if not deliveries and self._broken:
            raise self._broken
        return deliveries

    async def _on_message(self, message: Msg) -> None:
        if is_delivery(message):
            self._credit -= 1
            self._got += 1
            self._ready.append(message)
        else:
            self._on_status(message)
        self._event.set()

    def _on_status(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status == "100":
            self._check_heartbeat(headers.get("Nats-Last-Consumer"))
        elif status in ("404", "408"):
            self._credit -= int(headers.get("Nats-Pending-Messages", self._credit))
        else:  # 409: consumer deleted, leader changed, server shuts down; 503: no JetStream
            self._broken = self._broken or Interrupted(f"status {status}")

    def _check_heartbeat(self, last_delivered: str | None) -> None:
        """The only sign of a theft when everything that comes goes to the thief."""
        if last_delivered and int(last_delivered) > self._got and not self._broken:
            self._broken = Stolen(f"{last_delivered} delivered, {self._got} received")

    def _connection_changed(self) -> None:
        self.interrupt("connection changed")
