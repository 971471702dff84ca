"""The web process of the center: casework, and the conferences that cross-domain alerts call for."""

from fastapi import FastAPI

from services.cases.casework.app import create_case_app
from services.cases.center import PROFILE
from services.cases.center.pages import router
from services.cases.center.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_app(settings: Settings) -> FastAPI:
    return create_case_app(Unit.load("services.cases.center"), PROFILE, settings, create_worker, routers=[router])
