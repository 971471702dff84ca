"""The worker part of outreach."""

from services.outreach.handlers import handlers
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    return Worker(Unit.load("services.outreach"), settings, db, handlers)
