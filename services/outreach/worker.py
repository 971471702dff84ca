"""The worker part: what this unit hears, and the questions it asks of intake."""

from services.outreach.handlers import outreach_handlers
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    return Worker(Unit.load("services.outreach"), settings, db, outreach_handlers())
