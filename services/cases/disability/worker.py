"""The worker process of this desk."""

from services.cases.casework.worker import create_case_worker
from services.cases.disability import PROFILE
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    return create_case_worker(Unit.load("services.cases.disability"), PROFILE, settings, db)
