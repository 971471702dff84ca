"""Who may look and who may write: outreach workers write, coordinators of the center may read."""

from datetime import date
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.datastructures import FormData

from services.outreach.parameters import rules_on
from services.outreach.staff import StaffRef
from services.outreach.watch import Rules
from shared.runtime.auth import Staff
from shared.runtime.database import Read
from shared.runtime.policies import Gate, Level, Place, may_enter
from shared.runtime.rights import enters, reader_of

Reader = Annotated[Staff, enters(Gate.READ_WATCH)]
Writer = Annotated[Staff, enters(Gate.WRITE_WATCH)]


#: Who looks after a household here, in SQL: the team, while it watches over it or a referral waits.
CARE_TEAM = """(exists (select from watch w where w.household_id = s.household_id and w.ended_on is null)
  or exists (select from referral r where r.household_id = s.household_id and r.state in ('received', 'held')))"""


def may_write(staff: Staff) -> bool:
    """この職員に、書くための様式を見せるか。"""
    return may_enter(reader_of(staff), Place("outreach"), Gate.WRITE_WATCH)


def sees_whole(handle: Read, household_id: UUID) -> bool:
    """訪問のメモ、終えた理由、受付で話したことも見てよいか。センターが見るのは要約まで。"""
    return handle.rights is None or handle.rights.may(Level.FULL, household_id)


def writable(handle: Read, household_id: UUID) -> None:
    """見守りを読んだあとで。緊急閲覧は読むだけ。Raises NotAllowed."""
    if handle.rights:
        handle.rights.check(Level.WRITE, household_id)


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
