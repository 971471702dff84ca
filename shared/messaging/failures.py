"""What an exception means for the event that caused it. Only its kind and place are ever written down, never its text."""

import traceback
from enum import StrEnum

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.messaging.envelope import EnvelopeError
from shared.messaging.older import DatabaseOlderThanStream
from shared.runtime.problems import Refusal


class Failure(StrEnum):
    #: will pass by itself: the same work is tried again for as long as it takes
    TRANSIENT = "transient"
    #: will never pass: the event is set aside
    PERMANENT = "permanent"
    #: tried a few times, then permanent
    UNKNOWN = "unknown"


#: serialization failure, deadlock, lock not available, query cancelled by shutdown, too many connections
_PASSING = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25P03", "53", "08")


def classify(error: BaseException) -> Failure:
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return Failure.TRANSIENT if error.connection_invalidated or state.startswith(_PASSING) else Failure.UNKNOWN
    if isinstance(error, OSError | TimeoutError | PoolTimeout | DatabaseOlderThanStream):
        return Failure.TRANSIENT
    if isinstance(error, EnvelopeError | ValidationError | Refusal):
        return Failure.PERMANENT
    return Failure.UNKNOWN


def reason_of(error: BaseException) -> str:
    """ "KeyError at services/notify/handlers.py:31", a refusal's code, an envelope's code. No message: it could quote a person."""
    if isinstance(error, EnvelopeError):
        return str(error)
    name = f"{type(error).__name__}:{error.code}" if isinstance(error, Refusal) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/site-packages/" not in frame.filename]
    return f"{name} at {'/'.join(ours[-1].filename.split('/')[-3:])}:{ours[-1].lineno}" if ours else name
