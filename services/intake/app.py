"""総合相談窓口の画面。サインインの入口もこの窓口が持つ。"""

from fastapi import APIRouter, FastAPI

from services.intake import routes_household, routes_new, routes_register, routes_retention
from services.intake.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.sweeps import begin_sweeps
from shared.runtime.unit import Unit
from shared.runtime.web import create_web


def create_app(settings: Settings) -> FastAPI:
    unit = Unit.load("services.intake")
    base = APIRouter(prefix=unit.base)
    for router in (routes_new.router, routes_household.router, routes_register.router, routes_retention.router):
        base.include_router(router)
    return create_web(unit, settings, routers=[base], create_worker=create_worker, on_start=[begin_sweeps], mounts_sign_in=True)
