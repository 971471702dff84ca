"""Who may look and who may write at this desk: its own caseworkers write, coordinators of the center may read."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from services.cases.casework.decision import Caseworker
from services.cases.casework.parameters import rules_on
from services.cases.casework.profile import Profile, Rules
from shared.runtime.auth import Signed, Staff, requires
from shared.runtime.unit import Unit


@dataclass(frozen=True)
class Desk:
    """This desk: what it is, and its rules of a day."""

    unit: Unit
    profile: Profile
    city: Path | None

    def rules(self, on: date) -> Rules:
        return rules_on(self.profile, on, self.city)


def _desk(request: Request) -> Desk:
    state = request.app.state
    return Desk(state.unit, state.profile, state.settings.city_parameters)


At = Annotated[Desk, Depends(_desk)]


def _must(staff: Staff, desk: Desk, *roles: str) -> Staff:
    checked: Staff = requires(*roles, domain=desk.profile.welfare_domain).dependency(staff)
    return checked


def _reader(staff: Signed, desk: At) -> Staff:
    return _must(staff, desk, desk.profile.writers, "coordinator")


def _writer(staff: Signed, desk: At) -> Staff:
    return _must(staff, desk, desk.profile.writers)


Reader = Annotated[Staff, Depends(_reader)]
Writer = Annotated[Staff, Depends(_writer)]


def may_write(staff: Staff, desk: Desk) -> bool:
    """この職員に、書くための様式を見せるか。"""
    domain = desk.profile.welfare_domain
    return desk.profile.writers in staff.roles and (domain is None or domain in staff.domains)


def caseworker(staff: Staff) -> Caseworker:
    return Caseworker(staff.sub, staff.name)


async def _form(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_form)]
