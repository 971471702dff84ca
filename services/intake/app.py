"""総合相談窓口の画面。サインインの入口もこの窓口が持つ。"""

from fastapi import APIRouter, FastAPI

from services.intake import (
    accounts,
    routes_accounts,
    routes_consent,
    routes_glass,
    routes_household,
    routes_new,
    routes_protection,
    routes_register,
    routes_retention,
    routes_scan,
    routes_scan_removal,
)
from services.intake.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.sweeps import begin_sweeps
from shared.runtime.unit import Unit
from shared.runtime.web import create_web


def create_app(settings: Settings) -> FastAPI:
    unit = Unit.load("services.intake")
    base = APIRouter(prefix=unit.base)
    trade = (routes_new, routes_household, routes_consent, routes_scan, routes_scan_removal, routes_register, routes_protection, routes_glass)
    for router in (one.router for one in (*trade, routes_retention)):
        base.include_router(router)
    routers = [base, routes_accounts.router]
    return create_web(unit, settings, routers=routers, create_worker=create_worker, on_start=[begin_sweeps], mounts_sign_in=accounts.seen)
