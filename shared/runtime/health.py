"""/livez: the loop answers. /readyz: the database answers and the worker makes progress. /metrics: the same in figures.

No sign-in, no personal data: unit, consumer and source names, counts and seconds. The gateway shows none of it to the outside.
`reasons` make a process not ready; `look` is for a person and leaves it in service.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from shared.runtime.figures import Figures, Probe
from shared.runtime.limits import Limits
from shared.runtime.metrics import CONTENT_TYPE, exposition
from shared.runtime.pressure import Pressure
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
MESSAGING = "shared/messaging/migrations"


def prepare(app: FastAPI, unit: Unit, settings: Settings) -> None:
    """What the health routes look at. `watchdog` is set by the process that owns its loop (serve.py)."""
    speaks = MESSAGING in unit.migrations
    app.state.watchdog = None
    app.state.pressure = Pressure(settings) if speaks else None
    app.state.probe = Probe(speaks)
    app.include_router(health_routes())


def watched(lifespan: Lifespan) -> Lifespan:
    """The lifespan with its watches: the loop is judged from before its start to after its end, the outbox while it serves."""

    @asynccontextmanager
    async def watching(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if app.state.watchdog:
                stack.enter_context(app.state.watchdog.watching())
            await stack.enter_async_context(lifespan(app))
            stack.push_async_callback(app.state.probe.close)
            if app.state.pressure:
                await stack.enter_async_context(app.state.pressure.watching(app.state.db))
            yield

    return watching


def health_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/livez", methods=["GET", "HEAD"])
    async def livez(request: Request) -> dict[str, Any]:
        watchdog = request.app.state.watchdog
        return {"status": "ok", "beat_seconds": round(watchdog.age, 1) if watchdog else None}

    @router.get("/readyz")
    async def readyz(request: Request) -> JSONResponse:
        report = await _report(request.app)
        return JSONResponse(report, 200 if report["ready"] else 503)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        state = request.app.state
        figures = await state.probe.look(state.db)
        measured = state.pressure.measured if state.pressure else None
        return Response(exposition(state.unit.code, state.worker, figures, measured, state.watchdog), media_type=CONTENT_TYPE)

    return router


async def _report(app: FastAPI) -> dict[str, Any]:
    figures: Figures | None = await app.state.probe.look(app.state.db)
    worker = app.state.worker
    status: dict[str, Any] = worker.status() if worker else {"ready": True, "reasons": []}
    limits = Limits.now(app.state.settings.city_parameters)
    reasons: list[str] = list(status["reasons"])
    if figures is None:
        reasons.append("the database does not answer")
    if worker and not_provisioned(worker, limits):
        reasons.append("no consumer of this unit is on the broker: run provision")
    return {
        "unit": app.state.unit.code,
        "ready": not reasons,
        "reasons": reasons,
        "look": look(figures, status, app.state.pressure, limits),
        "database": figures is not None,
        "messaging": status,
    }


def not_provisioned(worker: Any, limits: Limits) -> bool:
    """It should hear others and, long after its start, the broker has nothing for it to hear them by."""
    return bool(worker.unit.consumes) and not worker.consumers and time.monotonic() - worker.started_at > limits.unprovisioned_seconds


def look(figures: Figures | None, status: dict[str, Any], pressure: Pressure | None, limits: Limits) -> list[str]:
    """What a person should look into although the process does its work."""
    found: dict[str, bool] = {}
    if figures:
        found["events are blocked in the outbox"] = bool(figures.blocked)
        found["events of an unknown type are held"] = bool(figures.unknown_types)
        found["events could not be handled"] = bool(figures.dead)
        found["effects wait for a person"] = bool(figures.intents_waiting)
        found["clock differs from the database's"] = abs(figures.clock_difference) > limits.clock_difference_seconds
    if pressure:
        found |= {f"saving waits: {reason}": True for reason in pressure.measured.reasons(limits)}
    found["the broker lost events; they were published again"] = status.get("relay", {}).get("lost", 0) + status.get("audit", {}).get("holes", 0) > 0
    found["the stream has events that this database never published"] = status.get("audit", {}).get("foreign", 0) > 0
    found["the broker denied something"] = status.get("nats", {}).get("denied", 0) > 0
    return [reason for reason, holds in found.items() if holds]
