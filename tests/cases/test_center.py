"""福祉相談センター: アラートから会議の案が一つできる。語りは届かず、どの窓口かだけ (T-01)。"""

from typing import Any

import pytest

from shared.contracts.alert import AlertDismissed, DismissReason
from shared.contracts.case import CaseOpened, CaseState
from shared.contracts.event import CaseId, Lane, LegalBasis
from shared.contracts.household import Area
from tests.cases.builders import HOUSEHOLD, TODAY
from tests.cases.desk import NOGUCHI, DeskUnderTest
from tests.cases.test_conference import an_alert


@pytest.fixture
async def center(desks: Any) -> DeskUnderTest:
    desk: DeskUnderTest = await desks("cases-center")
    await desk.hear_family()
    return desk


async def drafts(center: DeskUnderTest) -> list[tuple[str, str, str]]:
    return [(row.forum, row.lane, row.state) for row in await center.rows("select forum, lane, state from conference_draft")]


async def test_two_alerts_of_one_household_make_one_draft_on_lane_b(center: DeskUnderTest) -> None:
    await center.hear(an_alert("R-502"), "notify", times=2)
    await center.hear(an_alert("R-503"), "notify", times=2)
    assert await drafts(center) == [("confidential_conference", "art106_6", "draft")]
    page = (await center.get("/meetings", NOGUCHI)).text
    assert "支援会議の案" in page
    assert "（8050）" in page
    assert "同居の子の様子" in page


async def test_the_center_describes_each_of_its_doors_once(center: DeskUnderTest) -> None:
    """The board stands in the place of casework's: two descriptions of one door were a warning, and a warning is an error here."""
    assert "get" in center.app.openapi()["paths"]["/center/"]


async def test_a_draft_names_the_area_as_every_desk_does(center: DeskUnderTest) -> None:
    await center.hear(an_alert("R-502"), "notify")
    area = (await center.rows("select area from household"))[0].area
    assert Area(area).label in (await center.get("/meetings", NOGUCHI)).text


async def test_the_draft_shows_forum_reason_and_desks(center: DeskUnderTest) -> None:
    opened = CaseOpened(
        household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, case_id=CaseId(HOUSEHOLD), state=CaseState.RECEIVED, opened_on=TODAY
    )
    await center.hear(opened, "cases-elderly")
    await center.hear(an_alert(), "notify")
    (row,) = await center.rows("select conference_id from conference_draft")
    page = (await center.get(f"/meetings/{row.conference_id}", NOGUCHI)).text
    assert "社会福祉法106条の6" in page
    assert "cases-elderly" in page
    assert "82歳ごろ" in page
    assert "会議を招集する" in page


async def test_with_consent_the_consented_conference_is_drafted(center: DeskUnderTest) -> None:
    await center.hear(an_alert(lane=Lane.CONSENT), "notify")
    assert await drafts(center) == [("consented_conference", "consent", "draft")]
    assert "重層的支援会議の案" in (await center.get("/", NOGUCHI)).text


async def test_a_dismissed_alert_takes_the_draft_back_and_a_new_one_starts_afresh(center: DeskUnderTest) -> None:
    alert = an_alert()
    await center.hear(alert, "notify")
    dismissed = AlertDismissed(
        household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, alert_id=alert.alert_id, reason=DismissReason.NOT_TRUE, at=alert.raised_at
    )
    await center.hear(dismissed, "notify", times=2)
    assert [state for *_, state in await drafts(center)] == ["dropped"]
    await center.hear(an_alert("R-503"), "notify")
    assert sorted(state for *_, state in await drafts(center)) == ["draft", "dropped"]


async def test_an_alert_that_calls_for_no_conference_leaves_no_draft(center: DeskUnderTest) -> None:
    await center.hear(an_alert("R-101"), "notify")
    assert await drafts(center) == []
    assert "会議の案はありません" in (await center.get("/meetings", NOGUCHI)).text


async def test_drafting_says_nothing(center: DeskUnderTest) -> None:
    await center.hear(an_alert(), "notify")
    assert await center.said() == []
