"""The web process of the center: casework, the conferences that cross-domain alerts call for, and who saw whom."""

from fastapi import FastAPI

from services.cases.casework.app import create_case_app
from services.cases.center import PROFILE, asking
from services.cases.center.meeting_pages import router as meeting_router
from services.cases.center.pages import router
from services.cases.center.seen_pages import router as seen_router
from services.cases.center.unusual_pages import router as unusual_router
from services.cases.center.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.sweeps import begin_sweeps
from shared.runtime.unit import Unit


def create_app(settings: Settings) -> FastAPI:
    return create_case_app(
        Unit.load("services.cases.center"), PROFILE, settings, create_worker, routers=[router, meeting_router, seen_router, unusual_router],
        on_start=[asking.begin, begin_sweeps], on_stop=[asking.end],
    )  # fmt: skip
