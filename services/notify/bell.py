"""呼び鈴: この process の中で「受信箱が変わった」と知らせる。Ringing without need is harmless; whoever listens looks into the database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_listening: set[asyncio.Event] = set()


def ring() -> None:
    for event in _listening:
        event.set()


@contextmanager
def listening() -> Iterator[asyncio.Event]:
    """An event that is set by every ring while the block runs; the listener clears it."""
    event = asyncio.Event()
    _listening.add(event)
    try:
        yield event
    finally:
        _listening.discard(event)
