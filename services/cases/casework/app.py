"""The web process of a case desk: the common pages under the desk's own path, and those a desk brings along."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from services.cases.casework import access
from services.cases.casework.profile import Profile
from services.cases.casework.routes import router as case_router
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from shared.runtime.web import CreateWorker, Hook, create_web


def create_case_app(
    unit: Unit,
    profile: Profile,
    settings: Settings,
    create_worker: CreateWorker,
    *,
    routers: Sequence[APIRouter] = (),
    on_start: Sequence[Hook] = (),
    on_stop: Sequence[Hook] = (),
) -> FastAPI:
    """`routers` come first, so that a desk may put a page of its own in the place of a common one."""
    base = APIRouter(prefix=unit.base)
    for router in (*routers, case_router):
        base.include_router(router)
    app = create_web(
        unit, settings, routers=[base], create_worker=create_worker, care_team=access.care_team(unit.code), on_start=on_start, on_stop=on_stop
    )
    app.state.profile = profile
    return app
