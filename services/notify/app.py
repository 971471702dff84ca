"""The web part: home, the inbox, its live stream, the slot for other pages."""

from fastapi import FastAPI

from services.notify import live, pages
from services.notify.review import begin_reviews
from services.notify.stream import start_numbers, stop_numbers
from services.notify.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.sweeps import begin_sweeps
from shared.runtime.unit import Unit
from shared.runtime.web import create_web


def create_app(settings: Settings) -> FastAPI:
    unit = Unit.load("services.notify")
    routers = [live.router, pages.router]
    starts = [start_numbers, begin_reviews, begin_sweeps]
    return create_web(unit, settings, routers=routers, create_worker=create_worker, on_start=starts, on_stop=[stop_numbers])
