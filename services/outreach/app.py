"""The web part: the watch list, check-ins, referrals to this desk."""

from fastapi import APIRouter, FastAPI

from services.outreach import pages, referral_routes, routes
from services.outreach.access import CARE_TEAM
from services.outreach.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from shared.runtime.web import create_web


def create_app(settings: Settings) -> FastAPI:
    unit = Unit.load("services.outreach")
    base = APIRouter(prefix=unit.base)
    for router in (pages.router, routes.router, referral_routes.router):
        base.include_router(router)
    return create_web(unit, settings, routers=[base], create_worker=create_worker, care_team=CARE_TEAM)
