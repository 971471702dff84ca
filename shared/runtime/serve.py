"""`python -m services.intake`: one process that runs the unit's web part, its worker part, or both (ROLES)."""

import importlib
import signal
import sys

import uvicorn
from pydantic import ValidationError

from shared.runtime import telemetry
from shared.runtime.limits import Limits
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from shared.runtime.watchdog import Watchdog


def run(package: str) -> None:
    """Reads the settings, starts the unit, returns after a graceful stop (SIGTERM, at most 25 s)."""
    unit = Unit.load(package)
    try:
        settings = Settings()
    except ValidationError as error:
        missing = ", ".join(str(item["loc"][0] if item["loc"] else item["msg"]).upper() for item in error.errors())
        sys.exit(f"{unit.code}: settings are missing or wrong: {missing}. See deploy/units/{unit.code}.env")
    telemetry.configure_logging(unit.code)
    telemetry.start(unit, settings)
    app = importlib.import_module(f"{package}.app").create_app(settings)
    app.state.watchdog = Watchdog(Limits.now(settings.city_parameters).loop_silent_seconds)
    # uvicorn raises the signal again after its graceful stop: a plain exit then runs atexit, and the last spans are sent.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=settings.listen_host,
        port=settings.listen_port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=20,
        proxy_headers=True,
        server_header=False,
    )
