"""The worker of the center: the common handlers, and the alerts of notify."""

from services.cases.casework.worker import create_case_worker
from services.cases.center import PROFILE, erasure
from services.cases.center.handlers import hear_alerts
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    return create_case_worker(Unit.load("services.cases.center"), PROFILE, settings, db, listens=[hear_alerts, erasure.register])
