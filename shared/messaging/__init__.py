"""How what we say to each other travels: outbox, relay, consumers, timers, intents, requests (README.md)."""

from shared.messaging.envelope import Envelope, EnvelopeError
from shared.messaging.handlers import GiveUp, Handlers, Intent, OutcomeUnknown, Timer, WorkerContext
from shared.messaging.projection import Kept
from shared.messaging.requests import RequestFailed, RequestRefused
from shared.messaging.worker import Worker

__all__ = [
    "Envelope", "EnvelopeError", "GiveUp", "Handlers", "Intent", "Kept", "OutcomeUnknown", "RequestFailed", "RequestRefused", "Timer",
    "Worker", "WorkerContext",
]  # fmt: skip
