"""The worker part: what this unit hears, and its clocks."""

from services.notify.handlers import handlers
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    return Worker(Unit.load("services.notify"), settings, db, handlers(settings.city_parameters))
