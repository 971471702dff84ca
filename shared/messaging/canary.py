"""The canary: once a minute a message without a household goes from each source to each of its consumers, so that silence means something.

It goes straight into the stream, has no outbox row and no sequence, and the broker forgets it after an hour: the record stays as
short as what really happened. How long it took is what an operator wants to know before anybody at a desk notices.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from shared.messaging.envelope import EnvelopeError
from shared.messaging.publish import Message

CHANNEL = "canary"
EVERY = 60.0
LIVES = "3600s"


@dataclass(frozen=True, slots=True)
class Canary:
    sung_at: datetime


def subject_of(unit: str) -> str:
    return f"evt.{unit}.{CHANNEL}.sung.v1.0"


def message(unit: str) -> Message:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid4()),
        "ce-source": f"/{unit}",
        "ce-type": f"jp.tsunagari.{CHANNEL}.sung.v1",
        "ce-time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "Nats-TTL": LIVES,
    }
    return Message(subject_of(unit), b"{}", headers)


def is_canary(subject: str, source: str) -> bool:
    return subject == subject_of(source)


def read(headers: Mapping[str, str]) -> Canary | EnvelopeError:
    """Never raises: a canary that cannot be read is set aside like any other message."""
    try:
        sung_at = datetime.fromisoformat(headers["ce-time"])
        return Canary(sung_at.astimezone(UTC)) if sung_at.tzinfo else EnvelopeError("bad_header", "ce-time")
    except (KeyError, ValueError, OverflowError):
        return EnvelopeError("bad_header", "ce-time")
