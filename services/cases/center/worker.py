"""The worker of the center: the common handlers, and the alerts of notify."""

from services.cases.casework.worker import create_case_worker
from services.cases.center import PROFILE, erasure
from services.cases.center.handlers import hear_alerts
from services.cases.center.standing import hear_consents
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit

LISTENS = (hear_alerts, hear_consents, erasure.register)


def create_worker(settings: Settings, db: Database) -> Worker:
    return create_case_worker(Unit.load("services.cases.center"), PROFILE, settings, db, listens=LISTENS)
