"""What the broker lost is noticed and published again; what the database forgot stops it from writing."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from deploy.onebox.broker import EmbeddedNats
from shared.contracts.event import HouseholdId
from shared.messaging import canary, own_stream, repair, worker
from shared.messaging.adopt import adopt
from shared.messaging.audit import audit_stream
from shared.messaging.older import DatabaseOlderThanStream
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, BETA, Town, household, registered
from tests.shared.messaging.wire import Wire

CONSUMER = "beta--alpha--p0"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_stream, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(own_stream, "HOPELESS", 0.3)
    monkeypatch.setattr(repair, "PATIENCE", 0.3)
    monkeypatch.setattr(repair, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.2)


@pytest.fixture
def store(own_nats: EmbeddedNats, tmp_path: Path) -> "Store":
    return Store(own_nats, tmp_path / "kept")


class Store:
    """The broker's own files: kept and put back, as a restored disk or a lost page cache would."""

    def __init__(self, nats: EmbeddedNats, kept: Path) -> None:
        self.nats, self.kept = nats, kept
        self.folder = nats.home / "jetstream"

    def keep(self) -> None:
        self.nats.stop()
        shutil.copytree(self.folder, self.kept)
        self.nats.start()

    def put_back(self) -> None:
        self.nats.stop()
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder)
        self.nats.start()


async def say(town: Town, *homes: HouseholdId, times: int = 1) -> None:
    for _ in range(times):
        await town.say(ALPHA, *(registered(home) for home in homes))


async def seqs(town: Town, home: HouseholdId) -> list[int]:
    return [seq for _, seq in await town.effects(BETA, home)]


async def test_what_the_broker_lost_of_its_end_is_published_again(town: Town, store: Store) -> None:
    """Also to a consumer that had not read it yet, and although others have been stored in its place since."""
    await town.provision()
    alpha, beta = await town.worker(ALPHA), await town.worker(BETA)
    early, late = household(), household()
    await say(town, early, times=3)
    await town.until_effects(BETA, 3)
    store.keep()
    await say(town, early, late, times=2)
    await town.until_effects(BETA, 7)
    await beta.stop()
    await say(town, late, times=2)
    await town.until_published(ALPHA)
    store.put_back()
    await say(town, early, late, times=3)
    await eventually(lambda: alpha.relay.own.lost == 6, 20)
    await town.until_published(ALPHA, 20)
    again = await town.worker(BETA)
    await town.until_effects(BETA, 15, 20)
    assert (await seqs(town, early), await seqs(town, late)) == ([*range(1, 9)], [*range(1, 8)])
    assert again.consumers[CONSUMER].rewrites == 0, "published again in their order, they stand where they stood"


async def test_a_stream_that_tells_another_story_now_is_read_from_its_beginning(town: Town, store: Store) -> None:
    """It lost its end and others stand in that place: nothing but the event at our position can tell."""
    await town.provision()
    h1, h2 = household(), household()
    for seq, home in ((1, h1), (2, h1), (1, h2)):
        await Wire(await town.client()).put(registered(home), seq)
        if seq == 1 and home == h1:
            store.keep()
    beta = await town.worker(BETA)
    await town.until_effects(BETA, 3)
    await beta.stop()
    store.put_back()
    wire = Wire(await town.client())
    for seq, home in ((1, h2), (2, h2), (2, h1), (3, h1)):
        await wire.put(registered(home), seq)
    again = await town.worker(BETA)
    await town.until_effects(BETA, 5)
    assert (await seqs(town, h1), await seqs(town, h2)) == ([1, 2, 3], [1, 2])
    assert again.consumers[CONSUMER].rewrites == 1


async def test_a_stream_that_was_deleted_under_load_is_filled_again(town: Town) -> None:
    await town.provision()
    alpha, _ = await town.worker(ALPHA), await town.worker(BETA)
    homes = [household() for _ in range(5)]
    await say(town, *homes, times=4)
    await town.until_effects(BETA, 20)
    await (await town.client()).jetstream().delete_stream("EVT_ALPHA")
    await say(town, *homes, times=4)
    await town.provision()
    await say(town, *homes, times=2)
    await town.until_effects(BETA, 50, 30)
    await town.until_published(ALPHA)
    for home in homes:
        assert await seqs(town, home) == [*range(1, 11)]
    assert alpha.relay.own.lost == 20
    info = await (await town.client()).jetstream().stream_info("EVT_ALPHA")
    assert info.state.messages >= 50, "the whole history is there again for whoever comes later"


async def test_a_hole_in_the_middle_is_found_by_the_audit_and_closed(town: Town) -> None:
    await town.provision()
    alpha = await town.worker(ALPHA)
    home = household()
    await say(town, home, times=6)
    await town.until_published(ALPHA)
    await (await town.client()).jetstream().delete_msg("EVT_ALPHA", 3)
    await rested(town)
    report = await audit_stream(alpha.db, alpha.link, ALPHA)
    assert (report.messages, report.holes, report.foreign) == (5, 1, 0)
    await town.worker(BETA)
    await town.until_effects(BETA, 6)
    assert await seqs(town, home) == [1, 2, 3, 4, 5, 6]
    assert (await audit_stream(alpha.db, alpha.link, ALPHA)).holes == 0


async def test_a_gap_that_does_not_close_is_asked_for_at_its_source(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    home = household()
    await say(town, home, times=6)
    await town.until_published(ALPHA)
    for missing in (2, 3):
        await (await town.client()).jetstream().delete_msg("EVT_ALPHA", missing)
    await rested(town)
    beta = await town.worker(BETA)
    await town.until_effects(BETA, 6, 15)
    assert await seqs(town, home) == [1, 2, 3, 4, 5, 6]
    await eventually(lambda: beta.gaps.count == 0)
    assert (beta.gaps.asked, beta.gaps.unknown) == (1, 0)


async def test_a_gap_that_its_source_knows_nothing_of_stays_visible(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.provision()
    alpha, beta = await town.worker(ALPHA), await town.worker(BETA)
    home = household()
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.execute(text("insert into outbox_sequence values ('household', :home, 3)"), {"home": home})
    await say(town, home)
    await eventually(lambda: beta.gaps.unknown == 3, 15)
    assert (beta.gaps.count, alpha.relay.own.lost) == (1, 0)
    monkeypatch.setattr(worker, "GAP_AFTER", 0.0)
    assert "events are missing and their source does not send them again" in beta.status()["reasons"]


async def test_what_is_asked_for_again_and_again_is_published_once_in_a_while(town: Town) -> None:
    await town.provision()
    alpha, beta = await town.worker(ALPHA), await town.worker(BETA)
    home = household()
    await say(town, home, times=2)
    await town.until_effects(BETA, 2)
    question = f'[{{"channel": "household", "household": "{home}", "first": 1, "last": 5}}]'.encode()
    await rested(town)
    answers = [await beta.context.request("alpha.repair", question) for _ in range(2)]
    assert answers == [b'{"published_again": 2, "unknown": 3}', b'{"published_again": 0, "unknown": 3}']
    await eventually(lambda: beta.consumers[CONSUMER].counts.duplicates >= 2)
    assert alpha.relay.published == 4


async def test_a_database_older_than_its_stream_writes_nothing_until_it_took_over_what_it_forgot(town: Town) -> None:
    await town.provision()
    alpha, _ = await town.worker(ALPHA), await town.worker(BETA)
    old, new = household(), household()
    await say(town, old, times=2)
    await town.until_effects(BETA, 2)
    await backup(town)
    await say(town, old, new, times=2)
    await town.until_effects(BETA, 6)
    await alpha.stop()
    await restore(town)
    await say(town, old)  # before anybody could look: the same numbers a second time
    restored = await town.worker(ALPHA)
    await eventually(lambda: restored.relay.own.older)
    with pytest.raises(DatabaseOlderThanStream):
        await say(town, old)
    assert not restored.status()["ready"]
    report = await adopt(restored.db, restored.link, ALPHA)
    assert (report.adopted, report.renumbered, set(report.households)) == (4, 1, {old, new})
    await say(town, old, new)
    await town.until_effects(BETA, 9, 15)
    assert (await seqs(town, old), await seqs(town, new)) == ([1, 2, 3, 4, 5, 6], [1, 2, 3])
    rows = await town.rows(ALPHA, "select seq from outbox where household = :home order by pos", home=old)
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]


async def test_an_event_published_before_a_crash_is_not_taken_for_a_strangers(town: Town) -> None:
    await town.provision()
    first = await town.worker(ALPHA)
    home = household()
    await say(town, home, times=3)
    await town.until_published(ALPHA)
    await first.stop()
    async with (await town.db(ALPHA)).transaction() as tx:  # as if it had died between the broker's answer and the mark
        await tx.execute(text("update outbox set published_at = null, stream_seq = null where pos > 1"))
        await tx.execute(text("update outbox_stream set last_seq = 1, last_pos = 1"))
    second = await town.worker(ALPHA)
    await town.until_published(ALPHA)
    assert (second.relay.own.older, second.relay.own.lost, second.relay.published) == (False, 0, 2)


async def test_the_canary_arrives_leaves_no_trace_in_the_record_and_its_loss_costs_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "EVERY", 0.2)
    monkeypatch.setattr(canary, "LIVES", "1s")
    await town.provision()
    await town.worker(ALPHA)
    home = household()
    await say(town, home)
    beta = await town.worker(BETA)
    await eventually(lambda: CONSUMER in beta.consumers and beta.consumers[CONSUMER].counts.canaries > 3)
    row = (await town.rows(BETA, "select extract(epoch from canary_seen - canary_sent)::float8 as seconds from consumer_cursor"))[0]
    assert 0 <= row.seconds < 1
    assert 0 <= beta.consumers[CONSUMER].status()["canary_seconds"] < 1
    assert await town.rows(ALPHA, "select 1 from outbox where channel = 'canary'") == []
    await beta.stop()
    monkeypatch.setattr(canary, "EVERY", 3600.0)
    client = await town.client()

    async def forgotten() -> bool:
        return (await client.jetstream().stream_info("EVT_ALPHA")).state.messages == 1

    await eventually(forgotten)
    again = await town.worker(BETA)
    await say(town, home)
    await town.until_effects(BETA, 2)
    assert again.consumers[CONSUMER].rewrites == 0, "the anchor is the last real event"


async def test_old_pieces_of_the_outbox_are_kept_and_new_ones_are_made_in_time(town: Town) -> None:
    await town.provision()
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.execute(text("select setval('outbox_pos', 2999999)"))
    worker = await town.worker(ALPHA)
    await eventually(lambda: worker.relay.own.is_known)
    home = household()
    await say(town, home, times=3)
    await town.until_published(ALPHA)
    rows = await town.rows(ALPHA, "select tableoid::regclass::text as piece, seq from outbox order by pos")
    assert [(row.piece, row.seq) for row in rows] == [("outbox_p3", 1), ("outbox_p3", 2), ("outbox_p3", 3)]


async def rested(town: Town) -> None:
    """As if what was published had been published a minute ago."""
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.execute(text("update outbox set published_at = published_at - interval '1 minute'"))


TABLES = ("outbox", "outbox_sequence", "outbox_stream")


async def backup(town: Town) -> None:
    async with (await town.db(ALPHA)).transaction() as tx:
        for table in TABLES:
            await tx.execute(text(f"create table kept_{table} as table {table}"))


async def restore(town: Town) -> None:
    """The database as it was, its counters included."""
    async with (await town.db(ALPHA)).transaction() as tx:
        for table in TABLES:
            await tx.execute(text(f"delete from {table}"))
            await tx.execute(text(f"insert into {table} select * from kept_{table}"))
        await tx.execute(text("select setval('outbox_pos', (select max(pos) from outbox))"))
