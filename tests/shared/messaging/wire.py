"""Speaks for alpha on the wire, message by message: copies, holes, nonsense."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from nats.aio.client import Client

from shared.contracts.event import Event
from shared.messaging.envelope import encode, stamp, subject_of


@dataclass
class Wire:
    client: Client

    async def put(self, event: Event, seq: int, *, pos: int = 0, data: bytes | None = None, subject: str | None = None, **changes: str) -> None:
        """`changes`: headers with `_` for `-`; an empty value takes the header away. A copy has the same id, but the broker is not told.

        Facts come after the household's own events in the outbox unless `pos` says otherwise."""
        event_id = uuid5(UUID(int=0), f"{event.household_id}/{type(event).channel}/{seq}")
        headers = encode(event, id=event_id, source="alpha", now=datetime.now(UTC), correlation_id=event_id)
        complete = stamp(headers, seq=seq, pos=pos or seq * 10 + (1000 if type(event).channel == "fact" else 0), traceparent=None, tracestate=None)
        complete |= {name.replace("_", "-"): value for name, value in changes.items()} | {"Nats-Msg-Id": ""}
        await self.client.request(
            subject or subject_of("alpha", event), event.model_dump_json().encode() if data is None else data,
            headers={name: value for name, value in complete.items() if value}, timeout=2,
        )  # fmt: skip
