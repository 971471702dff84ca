"""/livez: the loop answers. /readyz: the database answers and the worker makes progress. No sign-in, no personal data."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError


def health_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz(request: Request) -> JSONResponse:
        report: dict[str, object] = {"unit": request.app.state.unit.code}
        try:
            async with request.app.state.db.read() as rd:
                await rd.scalar(text("select 1"))
            report["database"] = True
        except (SQLAlchemyError, OSError, TimeoutError):
            report["database"] = False
        worker = request.app.state.worker
        status = worker.status() if worker else {"ready": True}
        report["messaging"] = status
        ready = bool(report["database"]) and bool(status["ready"])
        return JSONResponse(report | {"ready": ready}, 200 if ready else 503)

    return router
