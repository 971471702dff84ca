"""`tsunagari retention …` over the whole town: the dry run names nobody, a hold reaches every unit, a restored backup is erased again."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from shared.messaging.commands.__main__ import app
from shared.messaging.commands.say import Refused
from shared.runtime.testing import eventually
from shared.runtime.unit import all_units
from tests.journeys.conftest import Town
from tests.journeys.test_erasure import MANAGER, WORDS, a_story, change, ends, erase, tables, words

ME = ("--operator", "s-0041")


@pytest.fixture
def box(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    content = {
        "url": "http://testserver",
        "units": {unit.code: {"package": unit.package} for unit in all_units()},
        "databases": {code: given.database_url.get_secret_value() for code, given in town.settings.items()},
        "brokers": {code: given.nats_url.get_secret_value() for code, given in town.settings.items()},
    }
    (tmp_path / "box.json").write_text(json.dumps(content))
    monkeypatch.setenv("TSUNAGARI_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return town


async def run(*given: str) -> Result:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["retention", *given])


async def said(*given: str) -> Any:
    done = await run(*given, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.output)


def of(plan: Any, unit: str, record_class: str) -> dict[str, Any]:
    (one,) = [one for one in plan["units"] if one["unit"] == unit]
    found = [found for found in one["classes"] if found["class"] == record_class]
    return found[0] if found else {"ids": [], "waiting": []}


async def test_the_dry_run_tells_every_unit_by_numbers_and_why_it_waits(box: Town) -> None:
    home = await a_story(box)
    early = await said("plan")
    assert str(home) not in of(early, "intake", "consultation")["ids"]
    later = await said("plan", "--on", "2060-04-01")
    (waiting,) = [one for one in of(later, "intake", "consultation")["waiting"] if one["household"] == str(home)]
    assert set(waiting["why"]) == {"case_open", "watch_open"}
    await ends(box, home, 7)
    done = await run("plan")
    assert done.exit_code == 0
    due = await said("plan")
    assert str(home) in of(due, "intake", "consultation")["ids"]
    for unit, record_class in (("cases-elderly", "case"), ("cases-poverty", "case"), ("outreach", "watch")):
        assert [one["why"] for one in of(due, unit, record_class)["waiting"] if one["household"] == str(home)] == [["awaits_erasure"]]
    assert not any(word in done.output + json.dumps([early, later, due], ensure_ascii=False) for word in WORDS)
    only = await said("plan", "--unit", "outreach")
    assert [one["unit"] for one in only["units"]] == ["outreach"]
    await erase(box, home)


async def test_a_hold_is_heard_by_every_unit_and_stops_the_erasure(box: Town) -> None:
    home = await a_story(box)
    await ends(box, home, 7)
    hold = (await said("hold", "--household", str(home), "dispute", *ME))["hold"]
    others = [code for code in box.apps if code != "intake"]
    standing = "select 1 from legal_hold where hold_id = :hold and lifted_on is null"
    for code in others:
        await eventually(lambda code=code: box.rows(code, standing, hold=UUID(hold)))  # type: ignore[misc]
    due = await said("plan")
    assert [one["why"] for one in of(due, "intake", "consultation")["waiting"] if one["household"] == str(home)] == [["legal_hold"]]
    refused = await box.ask(
        "intake", "POST", f"/intake/retention/households/{home}/erase", MANAGER, data={"reason": "request", "sure": "1", "seen": ""}
    )
    assert refused.status_code == 409
    await said("lift", hold, "settled", *ME)
    assert isinstance((await run("lift", hold, "settled", *ME)).exception, Refused)
    for code in others:
        await eventually(lambda code=code: no_hold(box, code, hold))  # type: ignore[misc]
    audited = await box.rows(
        "intake", "select actor, action, purpose from audit where object_kind = 'legal_hold' and household_id = :h order by id", h=home
    )
    assert [tuple(row) for row in audited] == [("operator:s-0041", "hold", "dispute"), ("operator:s-0041", "lift", "settled")]
    await erase(box, home)


async def no_hold(town: Town, code: str, hold: str) -> bool:
    return not await town.rows(code, "select 1 from legal_hold where hold_id = :hold and lifted_on is null", hold=UUID(hold))


async def restored(town: Town, code: str, home: UUID) -> None:
    """As a backup of the day before the erasure would have it."""
    await change(town, code, "delete from erased_household where household_id = :h", h=home)
    if code == "intake":
        await change(town, code, "insert into household (id, area, town, registered_at) values (:h, 'TOI', '目印町八番', now())", h=home)
        await change(
            town, code, "insert into member (id, household_id, role, name, kana, joined_on) values (:m, :h, 'head', '目印山 カナリア子', '', now())",
            h=home, m=uuid4(),
        )  # fmt: skip
    else:
        await change(
            town, code,
            "insert into identity (household_id, member_id, role, name, kana, disclosed_at) values (:h, :m, 'head', '目印山 カナリア子', '', now())",
            h=home, m=uuid4(),
        )  # fmt: skip


async def test_what_a_restored_backup_brought_back_is_erased_again_and_nothing_is_said_twice(box: Town, tmp_path: Path) -> None:
    home = await a_story(box)
    await ends(box, home, 7)
    await erase(box, home)
    kept = tmp_path / "erased.json"
    kept.write_text(json.dumps(await said("list")))
    assert str(home) in kept.read_text()
    receipts = await box.rows("cases-elderly", "select count(*) as n from outbox where channel = 'receipt'")
    for code in ("intake", "cases-elderly"):
        await restored(box, code, home)
    assert await words(box) != {}
    assert isinstance((await run("replay", *ME)).exception, Refused), "not without a reason"
    done = await said("replay", "--reason", "backup_restored", *ME)
    again = {one["unit"]: (one["erased_again"], one["removed"]) for one in done["units"]}
    assert again["intake"] == (1, 2)
    assert again["cases-elderly"] == (1, 1)
    assert again["notify"] == (0, 0)
    assert await words(box) == {}
    assert await tables(box, home) == {}
    assert await box.rows("cases-elderly", "select count(*) as n from outbox where channel = 'receipt'") == receipts
    audited = await box.rows("cases-elderly", "select actor, action, purpose from audit where household_id = :h and action = 'erase'", h=home)
    assert [tuple(row) for row in audited] == [("operator:s-0041", "erase", "backup_restored")]


async def test_a_list_that_was_kept_apart_is_enough_when_every_unit_was_restored(box: Town, tmp_path: Path) -> None:
    home = await a_story(box)
    await ends(box, home, 7)
    await erase(box, home)
    kept = tmp_path / "erased.json"
    kept.write_text(json.dumps(await said("list")))
    for code in box.apps:
        await change(box, code, "delete from erased_household where household_id = :h", h=home)
    await restored(box, "cases-elderly", home)
    done = await said("replay", "--from", str(kept), "--reason", "backup_restored", *ME)
    assert {one["erased_again"] for one in done["units"]} == {1}
    assert await words(box) == {}
    broken = tmp_path / "broken.json"
    broken.write_text('{"erased": [{"household": "佐藤"}]}')
    assert isinstance((await run("replay", "--from", str(broken), "--reason", "drill", *ME)).exception, Refused)
