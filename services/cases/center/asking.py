"""How a page of the center asks other units: by the worker's connection, or by one of its own where the worker is another process."""

import asyncio
from functools import partial

from fastapi import FastAPI

from shared.messaging import requests
from shared.messaging.link import Link


async def begin(app: FastAPI) -> None:
    app.state.asking = None
    if app.state.worker:
        app.state.ask = app.state.worker.context.request
        return
    link = Link(app.state.unit.code, app.state.settings)
    app.state.asking = (link, asyncio.create_task(link.keep()))
    app.state.ask = partial(_ask, link, app.state.unit.code)


async def _ask(link: Link, unit: str, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
    return await requests.ask(link, unit, subject, request, timeout)


async def end(app: FastAPI) -> None:
    if app.state.asking:
        link, keeping = app.state.asking
        keeping.cancel()
        await link.close()
