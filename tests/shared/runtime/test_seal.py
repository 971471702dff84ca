"""The audit's chain: whatever is changed afterwards, by whoever can, is found, with the block it is in."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from deploy.onebox.postgres import EmbeddedPostgres
from shared.runtime import audit, seal
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.seal import Anchor, Broken, Verdict

Databases = Callable[..., Awaitable[Database]]
CLERK = Staff("u1", "試験 受付", frozenset({"reception"}))


async def write(database: Database, *names: str) -> None:
    async with database.transaction() as tx:
        for name in names:
            await audit.record(tx, CLERK, "view", "case", name)


async def sealed(database: Database) -> seal.Seal | None:
    async with database.transaction() as tx:
        return await seal.seal(tx)


async def verdict(database: Database, *anchors: Anchor) -> Verdict:
    async with database.read() as rd:
        return await seal.verify(rd, anchors)


@pytest.fixture
async def database(databases: Databases) -> Database:
    """Three blocks: two rows, one row, one row."""
    made: Database = await databases("outreach")
    for names in (("一", "二"), ("三",), ("四",)):
        await write(made, *names)
        assert await sealed(made)
    return made


@pytest.fixture
async def tamper(database: Database, postgres: EmbeddedPostgres) -> Callable[[str], Awaitable[None]]:
    """As whoever has the whole server: triggers asleep, every row within reach."""

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(postgres.dsn(str(database.engine.url.database)))
        await connection.execute(f"set session_replication_role = replica; {statement}")
        await connection.close()

    return run


async def test_an_untouched_chain_holds_and_says_how_much_it_covers(database: Database) -> None:
    await write(database, "五")
    found = await verdict(database)
    assert (found.broken, found.blocks, found.rows, found.waiting) == (None, 3, 4, 1)
    assert await sealed(database)
    assert await sealed(database) is None
    assert (await verdict(database)).waiting == 0


TAMPERINGS = {
    "a changed row": ("update audit set actor = 'x' where object_id = '三'", Broken.ROWS_CHANGED, 2),
    "a changed time": ("update audit set at = at - interval '1 day' where object_id = '四'", Broken.ROWS_CHANGED, 3),
    "a household taken off a list": ("update audit set households = array[gen_random_uuid()] where object_id = '一'", Broken.ROWS_CHANGED, 1),
    "a deleted row": ("delete from audit where object_id = '二'", Broken.ROWS_MISSING, 1),
    "a row moved to another block": (
        "update audit set place = (select place from audit where object_id = '四') where object_id = '一'", Broken.ROWS_MISSING, 1,
    ),
    "an inserted row": (
        "insert into audit (at, actor, action, object_kind, object_id, place) select now(), 'x', 'view', 'case', 'x', place from audit"
        " where object_id = '三'", Broken.ROWS_ADDED, 2,
    ),
    "a row replaced by another": (
        "update audit set place = -1 where object_id = '三'; insert into audit (at, actor, action, object_kind, object_id, place)"
        " select now(), 'x', 'view', 'case', 'x', to_place - 1 from audit_seal where n = 2; delete from audit where place = -1",
        Broken.ROWS_CHANGED, 2,
    ),
    "a deleted block": ("delete from audit_seal where n = 2", Broken.SEAL_MISSING, 2),
    "a forged hash": ("update audit_seal set hash = sha256('x') where n = 2", Broken.ROWS_CHANGED, 2),
    "a block hung elsewhere": ("update audit_seal set prev_hash = sha256('x') where n = 3", Broken.CHAIN, 3),
    "the beginning cut off": (
        "delete from audit where place < (select to_place from audit_seal where n = 1); delete from audit_seal where n = 1", Broken.SEAL_MISSING, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_the_block_is_named_after(database: Database, tamper: Callable[[str], Awaitable[None]], name: str) -> None:
    statement, broken, block = TAMPERINGS[name]
    await tamper(statement)
    found = await verdict(database)
    assert (found.broken, found.block) == (broken, block)


async def test_a_cut_tail_and_a_chain_made_anew_are_told_by_the_anchor(database: Database, tamper: Callable[[str], Awaitable[None]]) -> None:
    async with database.read() as rd:
        anchor = await seal.head(rd)
    await tamper("delete from audit where place >= (select from_place from audit_seal where n = 3); delete from audit_seal where n = 3")
    assert (await verdict(database)).broken is None  # nothing in the database itself can tell
    assert ((await verdict(database, anchor)).broken, (await verdict(database, anchor)).block) == (Broken.TAIL_CUT, 3)
    await write(database, "別のこと")
    assert await sealed(database)
    assert (await verdict(database)).broken is None
    assert (await verdict(database, anchor)).broken is Broken.NOT_AS_ANCHORED


async def test_a_late_commit_is_sealed_and_nothing_after_it_is_lost(database: Database) -> None:
    """A transaction that began before others and commits after they were sealed."""
    async with database.engine.connect() as late, late.begin():
        await late.execute(text("insert into audit (at, actor, action, object_kind, object_id) values (now(), 'u2', 'view', 'case', '遅い')"))
        await write(database, "先に終わる")
        assert await sealed(database) is None  # it waits for the one that still runs
        assert (await verdict(database)).waiting == 1
    made = await sealed(database)
    assert made is not None
    assert made.rows == 2
    assert (await verdict(database)).rows == 6


async def test_a_rolled_back_row_leaves_no_hole(database: Database) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text("insert into audit (at, actor, action, object_kind, object_id) values (now(), 'u2', 'view', 'case', 'x')"))
        await connection.rollback()
    await write(database, "五")
    assert await sealed(database)
    assert (await verdict(database)).broken is None


async def test_a_long_backlog_is_sealed_in_blocks_that_hold(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "BLOCK", 3)
    monkeypatch.setattr(seal, "CHUNK", 2)
    for n in range(5):
        await write(database, *(f"{n}-{m}" for m in range(n + 1)))
    made = []
    while one := await sealed(database):
        made.append(one.rows)
    assert sum(made) == 15
    assert max(made) <= 5  # one transaction's rows stay together
    assert (await verdict(database)).rows == 19


async def test_only_one_seals_at_a_time(database: Database) -> None:
    await write(database, "五")
    async with database.transaction() as tx:
        assert await seal.seal(tx)
        assert await sealed(database) is None


async def test_after_a_logical_restore_places_go_on_where_they_were(
    database: Database, tamper: Callable[[str], Awaitable[None]], postgres: EmbeddedPostgres
) -> None:
    """A new cluster counts its transactions from the beginning: the rows that came from the old one are far ahead."""
    await tamper("update audit set place = place + 1000000000; update audit_seal set from_place = from_place + 1000000000 where n > 1;"
                 "update audit_seal set to_place = to_place + 1000000000")  # fmt: skip
    await write(database, "戻したあと")
    assert await sealed(database) is None
    from deploy.onebox.databases import KEEP_AUDIT, run_script

    await run_script(postgres.dsn(str(database.engine.url.database)), KEEP_AUDIT)
    await write(database, "直したあと")
    async with database.read() as rd:
        places = [row.place for row in await rd.rows(text("select place from audit order by id"))]
    assert places[-1] > max(places[:-1])
    made = await sealed(database)
    assert made is not None
    assert made.rows == 1


async def test_an_anchor_is_dropped_once_a_day_in_japan_and_never_written_over(database: Database, tmp_path: Path) -> None:
    late = datetime(2026, 11, 26, 15, 30, tzinfo=UTC)
    seal.drop_anchor(tmp_path, "outreach", Anchor(3, "ab"), late)
    seal.drop_anchor(tmp_path, "outreach", Anchor(4, "cd"), late + timedelta(hours=1))
    seal.drop_anchor(tmp_path, "outreach", Anchor(9, "ef"), late + timedelta(days=1))
    seal.drop_anchor(tmp_path, "intake", Anchor(0, "00"), late)
    assert seal.anchors_in(tmp_path, "outreach") == (Anchor(3, "ab"), Anchor(9, "ef"))
    assert (tmp_path / "2026-11-27" / "outreach").exists()
    assert seal.anchors_in(tmp_path, "intake") == ()
