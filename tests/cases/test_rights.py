"""だれが見て、だれが書けるか: 自分の分野の担当者が書き、センターは読む。ほかの分野と受付は開けない。"""

from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.domain import NavigationEntry
from shared.runtime.auth import Staff
from shared.runtime.testing import signed_cookies
from tests.cases.builders import HOUSEHOLD, made
from tests.cases.desk import MORI, NOGUCHI, RECEPTION, SATO, DeskUnderTest
from tests.cases.test_case_at_the_desk import announced

PAGES = ["/", "/referrals", "{case}", "{case}?tab=facts"]
WRITES = ["{case}/notes", "{case}/facts", "{case}/referrals", "{case}/state", "{case}/take", "{case}/close", "/referrals/{referral}/accept",
          "/referrals/{referral}/hold", "/referrals/{referral}/decline", "/referrals/{referral}/ask"]  # fmt: skip
MAY_READ = [(SATO, True), (NOGUCHI, True), (MORI, False), (RECEPTION, False)]
MAY_WRITE = [(SATO, True), (NOGUCHI, False), (MORI, False), (RECEPTION, False)]


@pytest.fixture
async def paths(elderly: DeskUnderTest) -> dict[str, str]:
    event = made()
    await elderly.hear(event)
    return {"case": await elderly.accepted(event.referral_id), "referral": str(event.referral_id)}


@pytest.mark.parametrize(("staff", "may"), MAY_READ, ids=lambda value: getattr(value, "sub", str(value)))
async def test_who_may_look(elderly: DeskUnderTest, paths: dict[str, str], staff: Staff, may: bool) -> None:
    for path in PAGES:
        answer = await elderly.get(path.format(**paths), staff)
        assert answer.status_code == (200 if may else 403), path
        assert may or "所属の管理者" in answer.text


@pytest.mark.parametrize(("staff", "may"), MAY_WRITE, ids=lambda value: getattr(value, "sub", str(value)))
async def test_who_may_write(elderly: DeskUnderTest, paths: dict[str, str], staff: Staff, may: bool) -> None:
    for path in WRITES:
        answer = await elderly.send(path.format(**paths), staff, version=1)
        assert (answer.status_code != 403) is may, path


async def test_a_reader_is_shown_no_form(elderly: DeskUnderTest, paths: dict[str, str]) -> None:
    for path in PAGES:
        assert f'action="{elderly.base}' not in (await elderly.get(path.format(**paths), NOGUCHI)).text


async def test_nobody_looks_without_signing_in(elderly: DeskUnderTest, paths: dict[str, str]) -> None:
    answer = await elderly.client.get(elderly.base + paths["case"])
    assert (answer.status_code, answer.headers["location"]) == (303, f"/auth/login?next={elderly.base}{paths['case']}")


async def test_another_site_cannot_write(elderly: DeskUnderTest, paths: dict[str, str]) -> None:
    foreign = signed_cookies(SATO, elderly.settings) | {"sec-fetch-site": "cross-site"}
    assert (await elderly.client.post(f"{elderly.base}{paths['case']}/take", data={"version": "1"}, headers=foreign)).status_code == 403


async def test_at_the_center_coordinators_write_and_caseworkers_do_not_look(desks: Any) -> None:
    center = await desks("cases-center")
    event = made(to="cases-center")
    await center.hear(event)
    case = await center.accepted(event.referral_id, NOGUCHI)
    note = {"note_id": uuid4(), "method": "phone", "shared": "高齢の窓口と話した。"}
    assert (await center.send(f"{case}/notes", NOGUCHI, **note)).status_code == 303
    assert (await center.get(case, SATO)).status_code == 403
    assert (await center.get("/meetings", SATO)).status_code == 403


async def test_every_route_of_a_desk_is_in_one_of_these_lists(elderly: DeskUnderTest) -> None:
    """A route that nobody thought about here would be open to everybody."""
    known = {path.split("?")[0].format(case="/cases/{case_id}", referral="{referral_id}") for path in PAGES + WRITES}
    known |= {"/cases/{case_id}/_part/fact", "/cases/{case_id}/facts/{fact_id}/retract", "/households/{household_id}"}
    known |= {"/approvals", "/approvals/{request_id}/approve", "/approvals/{request_id}/decline"}  # test_approval_at_the_desk
    known |= {"/cases/{case_id}/approvals/{request_id}/withdraw"}
    routes = {path.removeprefix(elderly.base) for path in elderly.app.openapi()["paths"] if path.startswith(elderly.base)}
    assert routes == known


@pytest.mark.parametrize("path", ["/cases/{case_id}/_part/fact", "/cases/{case_id}/facts/{fact_id}/retract"])
async def test_the_remaining_routes_are_closed_too(elderly: DeskUnderTest, paths: dict[str, str], path: str) -> None:
    url = path.format(case_id=paths["case"].removeprefix("/cases/"), fact_id=uuid4())
    refused = await elderly.get(url, MORI) if "_part" in path else await elderly.send(url, NOGUCHI)
    assert refused.status_code == 403


async def test_an_unknown_case_is_said_to_be_unknown(elderly: DeskUnderTest) -> None:
    answer = await elderly.get(f"/cases/{HOUSEHOLD}")
    assert answer.status_code == 404
    assert "見つかりません" in answer.text


async def test_the_navigation_shows_a_caseworker_the_own_desk_only(elderly: DeskUnderTest) -> None:
    """Otherwise `g c` would lead the people of three desks out of four to a page they may not open."""
    entry = NavigationEntry(label="くらし", href="/d/poverty/", roles=("caseworker",))
    await announced(elderly, "cases-poverty", "くらしの窓口", "/d/poverty", navigation=(entry,), welfare_domain="poverty")
    page = (await elderly.get("/")).text
    assert 'href="/d/elderly/"' in page
    assert 'href="/d/poverty/"' not in page
