"""Putting messages into a stream: an atomic batch (ADR-50) when it can be, one by one when it cannot.

One batch is in flight at a time, so order is kept through every outcome. With `sync_interval: always` a batch of 50
costs 4 fsyncs where single publishes cost 50.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError

from shared.messaging.link import BrokerError, Link, answer

DUPLICATE_IN_BATCH = 10201
#: batches not enabled, batch abandoned (10 s idle, change of leader), batch incomplete
NO_BATCH = frozenset({10174, 10175, 10176})
#: stream at max_bytes, storage or resources of the server exhausted
FULL = frozenset({10077, 10047, 10023})
#: the broker can never take this message
UNACCEPTABLE = frozenset({10054})
_SUBJECT = re.compile(r"[!-~]+")


class Unacceptable(Exception):
    """This message will never be taken: too large, or a subject the client refuses."""


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    data: bytes
    headers: dict[str, str]


async def publish_batch(link: Link, messages: Sequence[Message], *, timeout: float = 5.0) -> list[int]:
    """All or none. Gives their stream sequences. Raises BrokerError, Unacceptable, or one of AWAY (then the outcome is unknown)."""
    if len(messages) == 1:
        return [(await publish_one(link, messages[0], timeout=timeout)).seq]
    batch = uuid4().hex
    await link.send(b"".join(_command(message, batch, number) for number, message in enumerate(messages[:-1], 1)))
    last_headers = {**messages[-1].headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(messages)), "Nats-Batch-Commit": "1"}
    with _refusing():
        stored = answer(await link.request(messages[-1].subject, messages[-1].data, headers=last_headers, timeout=timeout))
    if stored.get("count") != len(messages):
        raise BrokerError(10176, "batch stored with another count")
    last = int(stored["seq"])
    return list(range(last - len(messages) + 1, last + 1))


@dataclass(frozen=True, slots=True)
class Stored:
    """`duplicate`: the broker had the message already; `seq` is where."""

    seq: int
    duplicate: bool


async def publish_one(link: Link, message: Message, *, timeout: float = 5.0) -> Stored:
    """One message with an answer. Raises like `publish_batch`."""
    try:
        with _refusing():
            stored = answer(await link.request(message.subject, message.data, headers=message.headers, timeout=timeout))
    except BrokerError as error:
        if error.code in UNACCEPTABLE:
            raise Unacceptable(str(error)) from error
        raise
    return Stored(int(stored["seq"]), bool(stored.get("duplicate")))


def _command(message: Message, batch: str, number: int) -> bytes:
    """One HPUB of the NATS protocol: nats-py takes 30 µs of processor a message for it, with a flush each. Raises Unacceptable."""
    named = [f"{name}: {value}\r\n" for name, value in message.headers.items()]
    head = f"NATS/1.0\r\n{''.join(named)}Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n\r\n"
    if head.count("\n") != len(named) + 4 or head.count("\r") != len(named) + 4 or not _SUBJECT.fullmatch(message.subject):
        raise Unacceptable("BadHeaderError or BadSubjectError")
    raw = head.encode()
    return f"HPUB {message.subject} {len(raw)} {len(raw) + len(message.data)}\r\n".encode() + raw + message.data + b"\r\n"


class _refusing:
    """nats-py's own refusals, told apart from its connection errors."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, MaxPayloadError | BadSubjectError | BadHeaderError):
            raise Unacceptable(type(error).__name__) from error
