"""A desk answers the alerts that are sent to it; the center need not know them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.notify import lists
from shared.contracts.access import BreakGlassOpened, BreakGlassReason
from shared.contracts.event import LegalBasis
from shared.contracts.protection import ProtectionDeclared
from shared.runtime import rights
from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from tests.notify.heard import published, rows
from tests.notify.test_pages import ITO, SATO, SUZUKI, Desk, desk, listening
from tests.notify.town import TODAY
from tests.rights.alert_town import CHILDREN, KODOMO, withdrawn_son

__all__ = ["desk"]
TITLE = "子が仕事や外出から離れています"


async def report(desk: Desk) -> tuple[Any, UUID]:
    """A report of abuse to the children's desk: an alert of which the center must not know."""
    home = withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)[0]
    home.case(CHILDREN)
    await desk.ears.hears(home)
    (alert,) = await rows(desk.db, "select id, to_unit from alert where household_id = :h", h=home.id)
    assert alert.to_unit == CHILDREN
    return home, alert.id


async def revision(desk: Desk) -> int:
    return int((await rows(desk.db, "select body ->> 'revision' as n from alert"))[0].n)


async def test_the_desk_it_was_sent_to_reads_takes_and_finishes_it(desk: Desk) -> None:
    home, alert = await report(desk)
    listed = (await desk.get(KODOMO, "/inbox")).text
    assert (TITLE in listed, "あなたの窓口あての気づき" in listed, "受け持つ" in listed) == (True, True, True)
    assert f"/inbox/alerts/{alert}" in (await desk.get(KODOMO, "/")).text
    opened = (await desk.get(KODOMO, f"/inbox/alerts/{alert}")).text
    assert ("/intake/_part/" in opened, f"世帯番号 {home.id}" in opened) == (False, True), "names are not for this page"
    async with desk.db.transaction() as tx:
        query = "insert into announced_unit values ('cases-children', 'こどもの窓口', '/d/children', 'children', true, '[]', '1', now())"
        await tx.execute(text(query))
    assert f'href="/d/children/households/{home.id}"' in (await desk.get(KODOMO, f"/inbox/alerts/{alert}")).text
    assert "受け持ち 児島 こども" in (await desk.press(KODOMO, f"/inbox/alerts/{alert}/take", revision=await revision(desk))).text
    assert (await desk.press(KODOMO, f"/inbox/alerts/{alert}/done", revision=await revision(desk), place="detail")).status_code == 200
    assert [row.state for row in await rows(desk.db, "select state from alert")] == ["done"]
    assert await published(desk.db) == [], "nobody is told of a report, nor of the answer"


async def test_to_everybody_else_it_is_not_there(desk: Desk) -> None:
    _, alert = await report(desk)
    for staff in (SUZUKI, SATO):
        assert str(alert) not in (await desk.get(staff, "/inbox")).text + (await desk.get(staff, "/")).text
        for path in ("", "/calls"):
            assert (await desk.get(staff, f"/inbox/alerts/{alert}{path}")).status_code == 404
        for action in ("acknowledge", "take", "dismiss", "done"):
            assert (await desk.press(staff, f"/inbox/alerts/{alert}/{action}", revision=0, reason="not_now")).status_code == 404
    assert (await desk.press(ITO, f"/inbox/alerts/{alert}/take", revision=0)).status_code == 403
    assert [row.state for row in await rows(desk.db, "select state from alert")] == ["raised"]


async def test_an_alert_to_the_center_is_not_in_the_inbox_of_a_desk(desk: Desk) -> None:
    """Even where the desk sees it beside its case."""
    home, alert = await desk.raised()
    page = (await desk.get(SUZUKI, "/inbox")).text
    assert (str(alert) in page, "未対応の気づきはありません" in page, "最後の知らせ" in page) == (False, True, False)
    assert (await desk.press(SUZUKI, f"/inbox/alerts/{alert}/dismiss", revision=0, reason="not_now")).status_code == 404
    slot = await desk.get(SUZUKI, f"/_part/household/{home.id}/alerts", **{"hx-request": "true"})
    assert (TITLE in slot.text, "/inbox/alerts/" in slot.text) == (True, False)


@pytest.mark.parametrize("staff", [KODOMO, SUZUKI], ids=["children", "elderly"])
async def test_the_open_page_hears_of_its_own_alerts_alone(desk: Desk, staff: Staff) -> None:
    async with listening(desk, staff=staff) as stream:
        _, alert = await report(desk)
        other = withdrawn_son("cases-elderly", LegalBasis.ABUSE_ELDER)[0]
        await desk.ears.hears(other)
        (elders,) = await rows(desk.db, "select id from alert where household_id = :h", h=other.id)
        own, theirs = (alert, elders.id) if staff is KODOMO else (elders.id, alert)
        await eventually(lambda: str(own) in stream.body.decode(), timeout=5)
        async with desk.db.transaction() as tx:
            await lists.number_changes(tx)
        await desk.raised()  # nothing of the center either
        assert str(theirs) not in stream.body.decode()
        assert (await rows(desk.db, "select count(*) as n from alert"))[0].n == 3


async def test_what_only_a_broken_glass_shows_is_not_answered(desk: Desk) -> None:
    home, alert = await report(desk)
    opened = BreakGlassOpened(
        household_id=home.id, legal_basis=LegalBasis.INTERNAL_69_2_2, access_id=uuid4(), staff=SATO.sub, reason=BreakGlassReason.ABUSE,
        until=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    async with desk.db.transaction() as tx:
        await rights.keep(tx, opened)
    assert TITLE in (await desk.get(SATO, f"/inbox/alerts/{alert}")).text
    for action in ("acknowledge", "take", "dismiss", "done"):
        answer = await desk.press(SATO, f"/inbox/alerts/{alert}/{action}", revision=0, reason="not_now")
        assert (answer.status_code, "緊急閲覧で開いた気づきは、見るだけ" in answer.text) == (403, True), action
    assert [row.state for row in await rows(desk.db, "select state from alert")] == ["raised"]


async def test_a_protected_household_opened_by_glass_is_not_answered_either(desk: Desk) -> None:
    """The desk's own alert: what is hidden is its household."""
    home, alert = await report(desk)
    about: dict[str, Any] = {"household_id": home.id, "legal_basis": LegalBasis.INTERNAL_69_2_2}
    glass = {"access_id": uuid4(), "staff": KODOMO.sub, "reason": BreakGlassReason.ABUSE, "until": datetime(2100, 1, 1, tzinfo=UTC)}
    async with desk.db.transaction() as tx:
        await rights.keep(tx, ProtectionDeclared(**about, protection_id=uuid4(), member_id=uuid4(), kind="shien_sochi", since=TODAY))
    assert (await desk.press(KODOMO, f"/inbox/alerts/{alert}/take", revision=0)).status_code == 404
    async with desk.db.transaction() as tx:
        await rights.keep(tx, BreakGlassOpened(**about, **glass))
    assert TITLE in (await desk.get(KODOMO, f"/inbox/alerts/{alert}")).text
    assert (await desk.press(KODOMO, f"/inbox/alerts/{alert}/take", revision=await revision(desk))).status_code == 403
