"""`tsunagari audit …` as an auditor's operator types it, against real databases: who saw whom, does the chain hold, its heads on paper."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.runtime import audit, seal
from shared.runtime.auth import Staff
from tests.conftest import Templates
from tests.shared.messaging.box import OperatorsBox, Ran, forget, operators_box
from tests.shared.messaging.test_commands import HANDLERS
from tests.shared.messaging.town import Town

WORKER = Staff("e1", "試験 高齢", frozenset({"caseworker"}))


@pytest.fixture
async def box(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OperatorsBox]:
    yield await operators_box(town, tmp_path, monkeypatch, HANDLERS)
    forget(tmp_path)


async def look(box: OperatorsBox, household: UUID, times: int = 1) -> None:
    """The household is opened at alpha and shown in a list at beta, and both seal."""
    for unit, given in ((box.alpha, {"household_id": household}), (box.beta, {"households": [household, uuid4()]})):
        db = await box.town.db(unit)
        for _ in range(times):
            async with db.transaction() as tx:
                await audit.record(tx, WORKER, "view" if unit is box.alpha else "list", "case", "c", returned=["name"], purpose="casework", **given)  # type: ignore[arg-type]
            async with db.transaction() as tx:
                await seal.seal(tx)


async def ran(box: OperatorsBox, *words: str) -> Ran:
    return await box.run(*words, under="audit")


async def test_who_saw_finds_views_and_lists_of_every_unit_and_records_the_asking(box: OperatorsBox) -> None:
    household = uuid4()
    await look(box, household)
    found = await ran(box, "who-saw", str(household), "--why", "breach", "--operator", "s-0041", "--json")
    assert found.code == 0
    assert {(one["unit"], one["action"], one["shown"], one["actor"]) for one in found.json["seen"]} == {
        ("alpha", "view", 1, "e1"),
        ("beta", "list", 2, "e1"),
    }
    assert ("operator:s-0041", "ask_audit", "household", "breach") in await box.audited(box.alpha)
    shown = (await ran(box, "who-saw", str(household), "--why", "audit")).out.replace("\n", "")
    assert "ケースを一覧で見た（ほか 1 世帯）" in shown
    assert "氏名" in shown


async def test_a_question_without_a_reason_is_not_asked(box: OperatorsBox) -> None:
    assert (await ran(box, "who-saw", str(uuid4()))).code == 2
    assert await box.audited(box.alpha) == []


async def test_a_chain_that_holds_is_said_to_hold_and_a_changed_row_is_found_with_its_block(box: OperatorsBox, templates: Templates) -> None:
    await look(box, uuid4(), times=2)
    assert (await ran(box, "verify", "--json")).json["ok"]
    name = (await box.town.db(box.beta)).engine.url.database
    connection = await asyncpg.connect(templates.postgres.dsn(str(name)))
    await connection.execute("set session_replication_role = replica; update audit set actor = 'x' where place = (select max(place) from audit)")
    await connection.close()
    found = await ran(box, "verify", "--json")
    assert found.code == 1
    assert [(one["unit"], one["broken"], one["block"]) for one in found.json["units"]] == [("alpha", None, None), ("beta", "rows_changed", 2)]
    assert "行が書きかえられている" in (await ran(box, "verify", "--unit", "beta")).out


async def test_the_heads_are_printed_and_an_anchor_tells_a_chain_that_was_cut(box: OperatorsBox, templates: Templates) -> None:
    await look(box, uuid4(), times=2)
    heads = await ran(box, "anchor", "--json")
    assert [(one["unit"], one["n"]) for one in heads.json["units"]] == [("alpha", 2), ("beta", 2)]
    for one in heads.json["units"]:
        (box.home / "anchors" / "2026-11-26").mkdir(parents=True, exist_ok=True)
        (box.home / "anchors" / "2026-11-26" / one["unit"]).write_text(f"{one['n']} {one['hash']}\n")
    name = (await box.town.db(box.alpha)).engine.url.database
    connection = await asyncpg.connect(templates.postgres.dsn(str(name)))
    await connection.execute(
        "set session_replication_role = replica; delete from audit where place >= (select from_place from audit_seal where n = 2);"
        "delete from audit_seal where n = 2"
    )
    await connection.close()
    found = await ran(box, "verify", "--json")
    assert [(one["unit"], one["broken"], one["anchors"]) for one in found.json["units"]] == [("alpha", "tail_cut", 1), ("beta", None, 1)]
    (box.home / "anchors" / "2026-11-26" / "alpha").write_text("名前\n", encoding="utf-8")
    refused = await ran(box, "verify")
    assert refused.refused is not None
    assert refused.code == 2
