"""All units at once, each with people's secrets planted in it: what the matrix and the fuzzing look for."""

import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import ASGITransport, AsyncClient

from shared.runtime.settings import Profile, Settings
from shared.runtime.unit import TREE, Unit, all_units
from tests.cases.builders import HOUSEHOLD, MOTHER, made
from tests.cases.conftest import desks, elderly  # noqa: F401 — fixtures
from tests.cases.desk import DeskUnderTest, handlers_of
from tests.conftest import TICKET_KEY, Templates
from tests.intake.conftest import Desk, announce
from tests.intake.papers import pdf
from tests.intake.test_consent_at_the_desk import paper
from tests.outreach.conftest import OutreachDesk
from tests.rights.town import CANARIES, Place, person

UNITS = (*all_units(), Unit.read(TREE / "deploy/console/unit.toml"))


@pytest.fixture
async def center(desks: Any) -> DeskUnderTest:  # noqa: F811
    desk: DeskUnderTest = await desks("cases-center")
    await desk.hear_family()
    return desk


@pytest.fixture(scope="session")
async def places(templates: Templates) -> AsyncIterator[dict[str, Place]]:
    found, names = {}, []
    async with AsyncExitStack() as stack:
        for unit in UNITS:
            name, url = await templates.clone(unit)
            names.append(name)
            settings = Settings(profile=Profile.TEST, database_url=url, ticket_keys=TICKET_KEY, public_url="http://testserver", roles="web")
            app = importlib.import_module(f"{unit.package}.app").create_app(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            found[unit.code] = Place(unit, app, settings, app.state.db)
        await _plant_intake(found["intake"])
        await _plant_outreach(found["outreach"])
        for code in found:
            if code.startswith("cases-"):
                await _plant_case(found[code])
        yield found
    for name in names:
        await templates.drop(name)


@pytest.fixture(params=UNITS, ids=lambda unit: unit.code)
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    return places[request.param.code]


async def _plant_intake(place: Place) -> None:
    desk = Desk(place.app, place.settings, place.db)
    consultation = await desk.take(name=CANARIES[0], kana=CANARIES[1], phone=CANARIES[2], text=CANARIES[3])
    (row,) = await desk.rows("select household_id, subject_id from consultation where id = :id", id=consultation)
    place.real |= {"consultation_id": consultation, "household_id": row.household_id, "member_id": row.subject_id, "consent_id": uuid4()}
    await announce(place.db, "cases-elderly", "高齢の窓口")
    consents = f"/intake/households/{row.household_id}/consents"
    signed = paper(row.subject_id, consent_id=str(place.real["consent_id"]))
    assert (await desk.post(consents, signed)).status_code == 303
    sent = {"scan": ("a.pdf", pdf(CANARIES[3]), "application/pdf")}
    assert (await desk.ask("POST", f"{consents}/{signed['consent_id']}/scans", files=sent)).status_code == 303
    (scan,) = await desk.rows("select id from consent_scan")
    place.real["scan_id"] = scan.id
    assert (
        await desk.post(f"{consents}/{signed['consent_id']}/scans/removals", {"scan_id": str(scan.id), "reason": "unreadable"})
    ).status_code == 303
    (removal,) = await desk.rows("select id from consent_scan_removal")
    place.real["removal_id"] = removal.id


async def _plant_case(place: Place) -> None:
    async with AsyncClient(transport=ASGITransport(place.app), base_url="http://testserver", headers={"accept": "text/html"}) as client:
        desk = DeskUnderTest(place.unit.code, place.app, place.db, place.settings, handlers_of(place.unit.code, place.settings), client)
        event = made(to=place.unit.code)
        await desk.hear_family()
        await desk.hear(event)
        await desk.told_who(event.referral_id)
        place.real |= {"household_id": HOUSEHOLD, "member_id": MOTHER, "referral_id": event.referral_id}
        case = await desk.accepted(event.referral_id, person("coordinator" if place.unit.code == "cases-center" else "caseworker", place.unit))
        place.real["case_id"] = UUID(case.removeprefix("/cases/"))


async def _plant_outreach(place: Place) -> None:
    async with AsyncClient(transport=ASGITransport(place.app), base_url="http://testserver", headers={"accept": "text/html"}) as client:
        desk = OutreachDesk(place.app, place.settings, client)
        place.real["plan_id"] = UUID((await desk.watched()).removeprefix("/watch/"))
