"""The worker of a case desk: the common handlers, and those a desk brings along."""

from collections.abc import Callable, Sequence

from services.cases.casework.handlers import case_handlers
from services.cases.casework.profile import Profile
from shared.messaging import Handlers, Worker
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit

#: adds a desk's own handlers
Listens = Callable[[Handlers, Settings], None]


def create_case_worker(unit: Unit, profile: Profile, settings: Settings, db: Database, *, listens: Sequence[Listens] = ()) -> Worker:
    handlers = case_handlers(profile)
    for add in listens:
        add(handlers, settings)
    return Worker(unit, settings, db, handlers)
