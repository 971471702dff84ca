"""Who may look and who may write at this desk: its own caseworkers write, coordinators of the center may read."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.datastructures import FormData

from services.cases.casework.decision import Caseworker
from services.cases.casework.parameters import rules_on
from services.cases.casework.profile import Profile, Rules
from shared.runtime.auth import Signed, Staff
from shared.runtime.database import Rd
from shared.runtime.policies import Gate, Level, may_enter
from shared.runtime.rights import Rights, enters, place_of, reader_of, refusal, rights_in
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


def _case_reader(request: Request, staff: Signed, rd: Rd) -> Staff:
    """Whoever reads at this desk, or has a break-glass open; for which household is judged when the case is loaded (`pages.looked_at`)."""
    rights = rights_in(request)
    if rights.enters(Gate.READ_CASES) or rights.glasses:
        return staff
    raise refusal(rights.place, Gate.READ_CASES)


def may_open(rights: Rights, household_id: UUID) -> None:
    """Whoever came in by a break-glass opens its household's case and no other: a seat in a conference about another one opens the meeting only."""
    rights.check(Level.SUMMARY, household_id)
    if not rights.enters(Gate.READ_CASES) and all(glass.household_id != household_id for glass in rights.glasses):
        raise refusal(rights.place, Gate.READ_CASES)


CaseReader = Annotated[Staff, Depends(_case_reader)]
Reader = Annotated[Staff, enters(Gate.READ_CASES)]
Writer = Annotated[Staff, enters(Gate.WRITE_CASES)]


def care_team(unit: str) -> str:
    """Who looks after a household here, in SQL: the caseworker of its case; while a referral waits, everybody at the desk it waits at."""
    return f"""(
      exists (select from case_file c where c.household_id = s.household_id and c.caseworker = :me)
      or exists (select from referral r where r.household_id = s.household_id and r.to_unit = '{unit}' and r.state in ('received', 'held')))"""  # noqa: S608


def may_write(staff: Staff, desk: Desk) -> bool:
    """この職員に、書くための様式を見せるか。"""
    return may_enter(reader_of(staff), place_of(desk.unit), Gate.WRITE_CASES)


def caseworker(staff: Staff) -> Caseworker:
    return Caseworker(staff.sub, staff.name)


async def _form(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_form)]
