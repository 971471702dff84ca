"""One message as a consumer got it: from the stream, or from the rows that were held."""

from dataclasses import dataclass
from uuid import UUID

from nats.aio.msg import Msg

from shared.messaging import canary
from shared.messaging.canary import Canary
from shared.messaging.envelope import Envelope, EnvelopeError, check_subject, decode, household_of


@dataclass(frozen=True, slots=True)
class Delivery:
    """`content` is the envelope, a canary, or why there is neither. `held`: it comes from held_event, its stream position was passed before."""

    subject: str
    headers: dict[str, str]
    data: bytes
    stream_seq: int
    content: Envelope | EnvelopeError | Canary
    held: bool = False
    consumer_seq: int = 0
    pending: int = 0
    reply: str = ""

    @property
    def envelope(self) -> Envelope | None:
        return self.content if isinstance(self.content, Envelope) else None

    @property
    def canary(self) -> Canary | None:
        return self.content if isinstance(self.content, Canary) else None

    @property
    def id(self) -> str:
        """The event's id as the header has it, "" when there is none."""
        return self.headers.get("ce-id", "")

    @property
    def household(self) -> UUID | None:
        return self.envelope.subject if self.envelope else household_of(self.headers)


def received(message: Msg, source: str) -> Delivery:
    """Never raises for what a producer wrote: an unreadable message is a delivery with a `fault`."""
    stream_seq, consumer_seq, pending = ack_numbers(message.reply)
    headers = message.headers or {}
    subject = message.subject.replace("\0", "\ufffd")  # the broker takes such a subject, PostgreSQL would not: nothing could set it aside
    content = _read(source, subject, headers, message.data, stream_seq)
    return Delivery(subject, headers, message.data, stream_seq, content, False, consumer_seq, pending, message.reply)


def kept(source: str, subject: str, headers: dict[str, str], data: bytes, stream_seq: int) -> Delivery:
    """From held_event."""
    return Delivery(subject, headers, data, stream_seq, _read(source, subject, headers, data, stream_seq), True)


def _read(source: str, subject: str, headers: dict[str, str], data: bytes, stream_seq: int) -> Envelope | EnvelopeError | Canary:
    if canary.is_canary(subject, source):
        return canary.read(headers)
    try:
        envelope = decode(headers, data, stream_seq=stream_seq)
        check_subject(envelope, subject, source)
    except EnvelopeError as error:
        return error
    return envelope


def ack_numbers(reply: str) -> tuple[int, int, int]:
    """(stream sequence, consumer sequence, still pending) of a delivery's ack subject.

    Both formats: `$JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<time>.<pending>` and the one with domain and
    account hash after `$JS.ACK.` (announced as the default; a server may change over in the middle of a day)."""
    tokens = reply.split(".")
    start = 4 if len(tokens) == 9 else 6
    return int(tokens[start + 1]), int(tokens[start + 2]), int(tokens[start + 4])


def is_delivery(message: Msg) -> bool:
    return bool(message.reply) and message.reply.startswith("$JS.ACK.")
