"""The console's web process: takes spans, shows flows. It hears and says no events (issue 2), so it needs no broker."""

from fastapi import FastAPI

from deploy.console import housekeeping
from deploy.console.routes import router
from shared.runtime.announce import Navigation
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from shared.runtime.web import create_web


class OwnNavigation(Navigation):
    """Only its own entries: the console is not announced to the desks, and nobody announces to it."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.entries = unit.navigation

    async def refresh(self, database: Database) -> None:
        return


def create_app(settings: Settings) -> FastAPI:
    unit = Unit.load("deploy.console")
    app = create_web(unit, settings, routers=[router], on_start=[housekeeping.begin], on_stop=[housekeeping.end], speaks=False)
    app.state.navigation = OwnNavigation(unit)
    return app
