"""T-01 and T-02 of domain.md §10 as events: an 82-year-old mother and her 53-year-old son, heard by every unit, again, and late."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from shared.contracts.case import CaseOpened, CaseState
from shared.contracts.event import CaseId
from shared.contracts.household import LeavingReason, MemberRole
from shared.desk.wareki import JST
from shared.runtime.database import Database
from shared.runtime.testing import eventually
from tests.journeys.conftest import BASIS, COORDINATOR, Home, Town, fact, home, left

TODAY = (datetime.now(UTC) + timedelta(hours=9)).date()


def born(age: int) -> str:
    return f"{TODAY.year - age - 1}-06"


def mother_and_son() -> Home:
    return home((MemberRole.HEAD, born(82)), (MemberRole.CHILD, born(53)))


async def what_two_desks_record(town: Town, they: Home) -> None:
    """高齢: 母の介護認定と「同居の子が気になる」。くらし: 子は15年働いていない。"""
    await town.say("intake", *they.events)
    for desk, case_id, facts in (
        ("cases-elderly", 1, [fact(they, 0, "care_level", "care2", as_of=TODAY), fact(they, None, "child_concern", "yes", as_of=TODAY)]),
        ("cases-poverty", 2, [fact(they, 1, "employment", "not_seeking", since=f"{TODAY.year - 15}-04", as_of=TODAY)]),
    ):
        opened = CaseOpened(
            household_id=they.household,
            legal_basis=BASIS,
            case_id=CaseId(they.members[case_id - 1]),
            member_ids=(they.members[case_id - 1],),
            state=CaseState.ASSESSING,
            opened_on=TODAY,
        )
        await town.say(desk, opened, *facts)


async def test_t01_two_desks_each_with_half_the_picture_become_one_alert_at_the_center(town: Town) -> None:
    they = mother_and_son()
    await what_two_desks_record(town, they)
    alerts = await eventually(lambda: _has(town, they, {"R-502", "R-503", "R-907"}))
    assert {rule: alerts[rule] for rule in ("R-502", "R-503")} == {"R-502": "S3", "R-503": "S3"}
    rows = await town.rows("notify", "select to_unit from alert where household_id = :h", h=they.household)
    assert {row.to_unit for row in rows} == {"cases-center"}


async def test_t01_the_center_finds_a_conference_draft_in_lane_b(town: Town) -> None:
    they = mother_and_son()
    await what_two_desks_record(town, they)
    drafts = await eventually(lambda: town.rows("cases-center", "select lane from conference_draft where household_id = :h", h=they.household))
    assert [row.lane for row in drafts] == ["art106_6"]


async def test_t02_when_the_mother_dies_there_is_one_s1_alert_with_three_days_and_a_call_list(town: Town) -> None:
    they = mother_and_son()
    await what_two_desks_record(town, they)
    await eventually(lambda: _has(town, they, {"R-502", "R-503"}))
    await town.say("intake", left(they, 0, LeavingReason.DIED, TODAY))
    alerts = await eventually(lambda: _has(town, they, {"R-504"}))
    assert alerts["R-504"] == "S1"
    assert not {"R-914", "R-101"} & set(alerts), "the same death must not alert twice, and a 53-year-old alone is no R-101"
    row = (await town.rows("notify", "select id, due, raised_at from alert where household_id = :h and rule_id = 'R-504'", h=they.household))[0]
    assert row.due.astimezone(JST).date() - row.raised_at.astimezone(JST).date() == timedelta(days=3)
    calls = await town.ask("notify", "GET", f"/inbox/alerts/{row.id}/calls", COORDINATOR)
    assert calls.status_code == 200
    assert "高齢の窓口" in calls.text
    assert "くらしの窓口" in calls.text


async def test_the_inbox_shows_the_rule_in_words_and_the_desks(town: Town) -> None:
    they = mother_and_son()
    await what_two_desks_record(town, they)
    await eventually(lambda: _has(town, they, {"R-907"}))
    page = await town.ask("notify", "GET", "/inbox", COORDINATOR)
    assert page.status_code == 200
    assert "80代" in page.text
    assert "50代" in page.text
    assert "高齢の窓口" in page.text


async def test_a_unit_that_was_down_catches_up(town: Town) -> None:
    await town.stop("notify")
    they = mother_and_son()
    await what_two_desks_record(town, they)
    await eventually(town.quiet)
    await town.start("notify")
    alerts = await eventually(lambda: _has(town, they, {"R-502", "R-503", "R-907"}))
    assert len(alerts) == 3


async def test_hearing_everything_again_raises_nothing_anew(town: Town) -> None:
    they = mother_and_son()
    await what_two_desks_record(town, they)
    before = await eventually(lambda: _has(town, they, {"R-502", "R-503", "R-907"}))
    await town.stop("notify")
    await _forget_position(town)
    await town.start("notify")
    await eventually(lambda: _caught_up(town))
    assert await town.alerts(they.household) == before


async def _has(town: Town, they: Home, wanted: set[str]) -> dict[str, str]:
    alerts = await town.alerts(they.household)
    return alerts if wanted <= set(alerts) else {}


async def _forget_position(town: Town) -> None:
    """Everything is delivered again, as after a restore of the position from an older backup."""
    database = Database(town.settings["notify"].database_url.get_secret_value(), "notify")
    async with database.transaction() as tx:
        await tx.execute(text("update consumer_cursor set stream_seq = 0"))
    await database.close()


async def _caught_up(town: Town) -> bool:
    behind = await town.rows(
        "notify", "select 1 from consumer_cursor where stream_seq = 0 and source in ('intake', 'cases-elderly', 'cases-poverty')"
    )
    return not behind
