"""What is heard twice happens once; what is not ours is left alone."""

from sqlalchemy import text

from services.outreach.handlers import outreach_handlers
from services.outreach.tables import metadata
from shared.contracts.household import LeavingReason, MemberCorrected, MemberLeft, MemberRole
from shared.runtime.unit import Unit
from tests.outreach.builders import HOUSEHOLD, MOTHER, TODAY, made
from tests.outreach.conftest import OutreachDesk


def test_everything_on_the_channels_it_hears_is_handled_or_ignored() -> None:
    channels = {subscription.channel for subscription in Unit.load("services.outreach").consumes}
    beside = {channel.split(".")[2] for channel in outreach_handlers().missing(channels)}
    assert beside <= {"domain", "protection", "access", "session", "retention", "conference"}  # heard by every worker itself


async def test_tables_and_migrations_say_the_same(desk: OutreachDesk) -> None:
    async with desk.db.read() as rd:
        rows = await rd.rows(text("select table_name, column_name from information_schema.columns where table_schema = 'public'"))
    here: dict[str, set[str]] = {}
    for row in rows:
        here.setdefault(row.table_name, set()).add(row.column_name)
    for table in metadata.tables.values():
        assert here[table.name] == {column.name for column in table.columns}, table.name


async def test_a_household_and_a_referral_heard_three_times_are_there_once_and_asked_about_once(desk: OutreachDesk) -> None:
    event = made()
    await desk.hear_family(times=3)
    await desk.hear(event, times=3)
    assert len(await desk.rows("select 1 from member")) == 2
    assert len(await desk.rows("select 1 from referral")) == 1
    (intent,) = await desk.rows("select kind, key, payload::text as payload from intent")
    assert (intent.kind, intent.key) == ("disclosure", str(event.referral_id))
    assert "CONSENT" in intent.payload


async def test_a_referral_to_another_desk_is_not_ours(desk: OutreachDesk) -> None:
    await desk.hear(made(to="cases-elderly"))
    assert await desk.rows("select 1 from referral") == await desk.rows("select 1 from intent") == []


async def test_an_answered_referral_heard_again_stays_answered(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    await desk.send(f"/referrals/{event.referral_id}/decline", version=1, reason="not_ours")
    await desk.hear(event, times=2)
    assert [row.state for row in await desk.rows("select state from referral")] == ["declined"]


async def test_when_a_known_member_is_corrected_the_name_is_asked_again(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    await desk.told_who(event.referral_id)
    corrected = MemberCorrected(household_id=HOUSEHOLD, legal_basis="CONSENT", member_id=MOTHER, role=MemberRole.HEAD, birth_month="1943-05")
    await desk.hear(corrected)
    assert len(await desk.rows("select 1 from intent")) == 2
    await desk.hear(corrected.model_copy(update={"birth_month": "1943-06"}))
    assert len(await desk.rows("select 1 from intent")) == 3, "the answer under way may be older than what was corrected now"


async def test_a_watched_person_who_left_is_marked_and_the_watch_waits_for_a_person_to_end_it(desk: OutreachDesk) -> None:
    path = await desk.watched()
    gone = MemberLeft(household_id=HOUSEHOLD, legal_basis="CONSENT", member_id=MOTHER, reason=LeavingReason.FACILITY, effective_on=TODAY)
    await desk.hear(gone, times=2)
    assert "世帯を離れた（施設入所）" in (await desk.get("/watch")).text
    assert "世帯を離れた（施設入所）" in (await desk.get(path)).text
    assert await desk.said() == ["referral.accepted.v1", "watch.planned.v1"]
