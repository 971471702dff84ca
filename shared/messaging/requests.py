"""Questions between units that need an answer now (`svc.<unit>.<name>.<asker>`), such as a disclosure under a legal basis.

The asker stands in the subject, where the broker's permissions prove it; nobody can ask in another unit's name.
Not for facts: what somebody may rely on is an event. The caller's trace goes along; a refusal comes back as its code.
"""

import asyncio
import logging

from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.trace import SpanKind

from shared.messaging.failures import reason_of
from shared.messaging.handlers import Handlers, OnRequest, WorkerContext
from shared.messaging.link import AWAY, Link
from shared.messaging.names import inbox_of
from shared.runtime import telemetry
from shared.runtime.problems import Refusal

log = logging.getLogger("tsunagari.messaging")

ERROR = "Tsunagari-Error"
REFUSED = "refused:"
FAILED = "failed"
AT_ONCE = 16


class RequestRefused(Exception):
    """The other unit said no; `code` is its refusal's code. Asking again gives the same answer."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class RequestFailed(Exception):
    """The other unit could not answer (its bug, not our question). Asking later may work."""


async def ask(link: Link, asker: str, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
    """`subject` is "intake.disclose" or "svc.intake.disclose". Raises RequestRefused, RequestFailed, or one of link.AWAY."""
    subject = f"svc.{subject.removeprefix('svc.')}.{asker}"
    with telemetry.tracer().start_as_current_span(f"ask {subject}", kind=SpanKind.CLIENT, attributes=_attributes(subject, "send")):
        traceparent, _ = telemetry.context_headers()
        reply = await link.request(subject, request, timeout=timeout, headers={"traceparent": traceparent} if traceparent else None)
    error = (reply.headers or {}).get(ERROR)
    if error is None:
        return reply.data
    if error.startswith(REFUSED):
        raise RequestRefused(error.removeprefix(REFUSED))
    raise RequestFailed(subject)


class Responders:
    """Subscribes with every new connection, as a queue group: one worker of the unit answers."""

    def __init__(self, unit: str, handlers: Handlers, context: WorkerContext) -> None:
        self._unit, self._handlers, self._context = unit, handlers.responders, context
        self._places = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self.answered = 0

    async def subscribe(self, client: Client) -> None:
        for name, handler in self._handlers.items():
            await client.subscribe(f"svc.{self._unit}.{name}.*", queue=self._unit, cb=self._receiver(client, handler))

    def _receiver(self, client: Client, handler: OnRequest):  # type: ignore[no-untyped-def]
        async def receive(message: Msg) -> None:
            await self._places.acquire()
            task = asyncio.create_task(self._answer(client, handler, message))
            self._running.add(task)
            task.add_done_callback(self._finished)

        return receive

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._places.release()

    async def finish(self) -> None:
        """Waits for the answers being written."""
        if self._running:
            await asyncio.wait(self._running, timeout=10)

    async def _answer(self, client: Client, handler: OnRequest, message: Msg) -> None:
        if not _goes_home(message):
            log.warning("answer_refused subject=%s the reply is not in the asker's inbox", message.subject)
            return
        cause = telemetry.extract((message.headers or {}).get("traceparent"))
        attributes = _attributes(message.subject, "process")
        with telemetry.tracer().start_as_current_span(
            f"answer {message.subject}", context=cause, kind=SpanKind.CONSUMER, attributes=attributes, record_exception=False
        ):
            data, headers = await self._reply(handler, message)
        try:
            await client.publish(message.reply, data, headers=headers)
            self.answered += 1
        except AWAY:
            pass  # the asker is gone or asks again

    async def _reply(self, handler: OnRequest, message: Msg) -> tuple[bytes, dict[str, str] | None]:
        try:
            return await handler(message.data, self._context, message.subject.rsplit(".", 1)[1]), None
        except Refusal as refusal:
            return b"", {ERROR: REFUSED + refusal.code}
        except Exception as error:
            log.error("request_failed subject=%s reason=%s", message.subject, reason_of(error))
            return b"", {ERROR: FAILED}


def _goes_home(message: Msg) -> bool:
    """The broker lets us answer wherever the asker points, and he could point into a stream, where a disclosure would stay for ever."""
    asker = message.subject.rsplit(".", 1)[1]
    return message.reply.startswith(f"{inbox_of(asker)}.")


def _attributes(subject: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": subject,
    }
