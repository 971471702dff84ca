"""The web process of this desk."""

from fastapi import FastAPI

from services.cases.casework.app import create_case_app
from services.cases.poverty import PROFILE
from services.cases.poverty.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_app(settings: Settings) -> FastAPI:
    return create_case_app(Unit.load("services.cases.poverty"), PROFILE, settings, create_worker)
