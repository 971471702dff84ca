"""総合相談窓口のワーカー: 知らせを送り、聞き、尋ねられたことに答える。"""

from services.intake.consent_handlers import hear_consents
from services.intake.erasure import with_retention
from services.intake.handlers import handlers
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    heard = handlers.copy()
    hear_consents(heard, settings.city_parameters)
    return Worker(Unit.load("services.intake"), settings, db, with_retention(heard, settings.city_parameters))
