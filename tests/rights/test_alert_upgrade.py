"""Knowledge and alerts from before grounds were kept: nothing disappears, and all comes back without telling anybody again."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from services.notify import lists, store
from services.notify.facts import Told
from services.notify.household import HouseholdFacts
from services.notify.lists import Filter
from shared.contracts.consent import ConsentWithdrawn
from shared.contracts.event import LegalBasis
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.policies import Place
from shared.runtime.rights import Rights, reader_of
from tests.notify.heard import REGISTRY, fire_due, published, rows
from tests.notify.test_pages import Desk, desk
from tests.notify.town import TODAY, fold
from tests.rights.alert_town import CENTER, CHILDREN, COORDINATOR, ELDERLY, KURASHI, NOW, POVERTY, agrees, withdrawn_son

__all__ = ["desk"]

# ── 根拠を残す前の知識と気づき


async def forget_grounds(db: Database) -> None:
    """As it was written before grounds were kept."""
    async with db.transaction() as tx:
        await tx.execute(
            text(
                """
                update household set facts = (select jsonb_object_agg(k, case when jsonb_typeof(v) = 'array' and k in ('facts', 'cases', 'referrals',
                    'watches', 'members') then (select coalesce(jsonb_agg(one - 'basis' - 'member_ids'), '[]') from jsonb_array_elements(v) one)
                  else v end) from jsonb_each(facts - 'said') e(k, v))
                """
            )
        )
        await tx.execute(
            text(
                """
                update alert set bases = case body ->> 'lane' when 'internal' then '{INTERNAL_69_2_2}' when 'art106_6' then '{ART106_6}'
                  else '{unknown}' end::text[], body = jsonb_set(body - 'needed' - 'quiet' - 'reported', '{evidence}',
                  (select jsonb_agg(one - 'basis' - 'whose') from jsonb_array_elements(body -> 'evidence') one))
                """
            )
        )


async def doubted(db: Database) -> bool:
    async with db.read() as rd:
        return await store.lacks_grounds(rd)


async def evidence(db: Database) -> list[str]:
    """Which lines of open alerts the center reads."""
    async with db.read() as rd:
        rd.rights = Rights(reader_of(COORDINATOR), Place("notify"), today=TODAY)
        return [one.code or "" for known in await lists.inbox(rd, Filter()) for one in known.alert.evidence]


async def visible(db: Database, staff: Staff = COORDINATOR) -> list[str]:
    async with db.read() as rd:
        rd.rights = Rights(reader_of(staff), Place("notify"), today=TODAY)
        found = [await lists.inbox(rd, Filter(closed=closed)) for closed in (False, True)]
    return sorted(one.alert.rule_id for page in found for one in page)


async def test_of_old_rows_the_title_is_read_nothing_is_closed_and_all_comes_back_with_the_rebuilt_knowledge(desk: Desk) -> None:
    home, son, _ = withdrawn_son("cases-disability", LegalBasis.INTERNAL_69_2_2)
    home.fact(ELDERLY, None, "child_concern", "yes")
    for unit in (ELDERLY, POVERTY):
        home.case(unit)
    await desk.ears.hears(home)
    (closed,) = await rows(desk.db, "select id from alert where rule_id = 'R-503'")
    await desk.press(COORDINATOR, f"/inbox/alerts/{closed.id}/dismiss", revision=0, reason="not_now")
    right, said = await visible(desk.db), await published(desk.db)
    assert right == ["R-502", "R-503", "R-907"]
    before = {row.id: row.state for row in await rows(desk.db, "select id, state from alert")}

    await forget_grounds(desk.db)
    assert await visible(desk.db) == right
    assert await evidence(desk.db) == []
    assert await visible(desk.db, KURASHI) == []
    assert await doubted(desk.db)
    home.fact("cases-disability", son, "issue", "04")  # something is heard before anybody has rebuilt
    await desk.ears.hears(home)
    assert {row.id: row.state for row in await rows(desk.db, "select id, state from alert")} == before
    async with desk.db.transaction() as tx:
        known = fold(HouseholdFacts(home.id), [(event, Told(one.source, one.time, one.seq)) for event, one in desk.ears.envelopes])
        await store.keep_known(tx, [known])  # what `rebuild knowledge` does
        assert await store.waits_for_grounds(tx)
        tx.schedule("review_day", "all", tx.now)
    assert not await doubted(desk.db)
    await fire_due(desk.db)
    (due,) = await rows(desk.db, "select due_at > now() + interval '10 minutes' as tomorrow from timer where kind = 'review_day'")
    assert due.tomorrow, "once it is known again, one review a day is enough"
    assert await visible(desk.db) == right
    assert await evidence(desk.db)
    assert {row.id: row.state for row in await rows(desk.db, "select id, state from alert")} == before
    assert await published(desk.db) == said, "nobody is told anew"


async def test_heard_again_from_the_beginning_the_same_alerts_and_nothing_is_said(desk: Desk) -> None:
    home, son, _ = withdrawn_son(CHILDREN, LegalBasis.ABUSE_CHILD)
    agrees(home, son, CENTER)
    home.fact(POVERTY, son, "service_use", "none", legal_basis=LegalBasis.CONSENT)
    await desk.ears.hears(home)
    before, said = await rows(desk.db, "select * from alert order by id"), await published(desk.db)
    await desk.ears.receive(desk.ears.envelopes)
    async with desk.db.transaction() as tx:
        await tx.connection.exec_driver_sql("delete from household")
    await desk.ears.receive([(event, replace(envelope, time=NOW - timedelta(days=200))) for event, envelope in desk.ears.envelopes])
    await fire_due(desk.db, NOW + timedelta(minutes=1))
    assert await rows(desk.db, "select * from alert order by id") == before
    assert await published(desk.db) == said
    assert REGISTRY.projections["knowledge"].hears(ConsentWithdrawn.type_name())
