"""The web part of outreach."""

from fastapi import FastAPI

from services.outreach import pages
from services.outreach.worker import create_worker
from shared.runtime.settings import Settings
from shared.runtime.unit import Unit
from shared.runtime.web import create_web


def create_app(settings: Settings) -> FastAPI:
    return create_web(Unit.load("services.outreach"), settings, routers=[pages.router], create_worker=create_worker)
