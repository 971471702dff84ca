"""The console's process: takes spans, shows flows. It says nothing, and hears which sessions are over and which receipts are missing."""

from typing import Any

from fastapi import FastAPI

from deploy.console import housekeeping, withdrawals
from deploy.console.routes import router
from shared.messaging import Handlers, Worker
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


def create_worker(settings: Settings, db: Database) -> Worker:
    return Worker(Unit.load("deploy.console"), settings, db, withdrawals.hear(Handlers()))


def create_app(settings: Settings) -> FastAPI:
    unit = Unit.load("deploy.console")
    hooks: dict[str, Any] = {"on_start": [housekeeping.begin], "on_stop": [housekeeping.end]}
    app = create_web(unit, settings, routers=[router], create_worker=create_worker, speaks=False, **hooks)
    app.state.navigation = OwnNavigation(unit)
    return app
