"""総合相談窓口のワーカー: 知らせを送り、聞き、尋ねられたことに答える。"""

from services.intake.erasure import with_retention
from services.intake.handlers import handlers
from shared.messaging import Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit


def create_worker(settings: Settings, db: Database) -> Worker:
    return Worker(Unit.load("services.intake"), settings, db, with_retention(handlers, settings.city_parameters))
