"""Who may look and who may write: outreach workers write, coordinators of the center may read."""

from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from services.outreach.outcome import StaffRef
from services.outreach.parameters import rules_on
from services.outreach.watch import Rules
from shared.runtime.auth import Staff, requires

Reader = Annotated[Staff, requires("outreach", "coordinator")]
Writer = Annotated[Staff, requires("outreach")]


def may_write(staff: Staff) -> bool:
    """この職員に、書くための様式を見せるか。"""
    return "outreach" in staff.roles


def staff_ref(staff: Staff) -> StaffRef:
    return StaffRef(staff.sub, staff.name)


def city(request: Request) -> Path | None:
    folder: Path | None = request.app.state.settings.city_parameters
    return folder


def rules(request: Request, on: date) -> Rules:
    return rules_on(on, city(request))


async def _form(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_form)]
