"""What an operator types, against real servers: sees what is wrong, tries before doing, and leaves an audit row behind."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.messaging import Worker
from shared.runtime.testing import eventually
from tests.shared.messaging import operators_handlers
from tests.shared.messaging.box import OperatorsBox, forget, operators_box
from tests.shared.messaging.town import Town, household, registered, retracted
from tests.shared.messaging.wire import Wire

HANDLERS = "tests.shared.messaging.operators_handlers"
ME = ("--operator", "s-0041")


@pytest.fixture
async def box(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OperatorsBox]:
    yield await operators_box(town, tmp_path, monkeypatch, HANDLERS)
    operators_handlers.BROKEN.clear()
    forget(tmp_path)


async def start(box: OperatorsBox) -> tuple[Worker, Worker]:
    """Both units' workers; the consumer is on its feet."""
    alpha = await box.town.worker(box.alpha, operators_handlers.handlers())
    beta = await box.town.worker(box.beta, operators_handlers.handlers())
    await eventually(lambda: beta.consumers and all(one.state == "consuming" for one in beta.consumers.values()))
    return alpha, beta


async def poisoned(box: OperatorsBox, home: UUID) -> Worker:
    """Three events of `home`, the first of which fails."""
    _, beta = await start(box)
    operators_handlers.BROKEN.add(home)
    await box.town.say(box.alpha, registered(home), registered(home), retracted(home))  # type: ignore[arg-type]
    await eventually(lambda: box.town.rows(box.beta, "select 1 from dead_event"), 15)
    await eventually(lambda: box.town.rows(box.beta, "select 1 from held_event where channel = 'fact'"), 15)
    return beta


async def dead_id(box: OperatorsBox) -> str:
    return str((await box.town.rows(box.beta, "select max(id) as id from dead_event"))[0].id)


async def test_when_all_is_well_status_says_so_in_one_table(box: OperatorsBox) -> None:
    await start(box)
    await box.town.say(box.alpha, registered(household()))
    await box.town.until_effects(box.beta, 1)
    seen = await box.run("status", "--json")
    assert (seen.code, [one["unit"] for one in seen.json["units"]]) == (0, ["alpha", "beta"]), seen.json
    beta = seen.json["units"][1]
    assert (beta["database"], beta["broker"], beta["relay_led"], beta["attention"]) == (True, True, True, [])
    assert [(one["name"], one["position"], one["lag"]) for one in beta["consumers"]] == [("beta--alpha--p0", 1, 0)]
    shown = await box.run("status")
    assert "異常なし / all well" in shown.out


async def test_a_unit_that_is_down_is_seen_with_what_waits_for_it(box: OperatorsBox) -> None:
    _, beta = await start(box)
    await beta.stop()
    await box.town.say(box.alpha, *(registered(household()) for _ in range(5)))
    await box.town.until_published(box.alpha)
    seen = await box.run("status", "--json")
    assert seen.code == 1
    assert {"relay_not_led", "consumer_not_led"} <= set(seen.json["units"][1]["attention"])
    lag = await box.run("lag", "--unit", "beta", "--json")
    assert [(one["source"], one["lag"]) for one in lag.json["consumers"]] == [("alpha", 5)]


async def test_servers_that_are_away_are_part_of_the_answer(box: OperatorsBox) -> None:
    content = json.loads((box.home / "box.json").read_text())
    content["brokers"]["beta"] = "nats://127.0.0.1:9"
    content["databases"]["alpha"] = "postgresql+asyncpg://nobody:x@127.0.0.1:9/none"
    (box.home / "box.json").write_text(json.dumps(content))
    seen = await box.run("status", "--json")
    assert seen.code == 1
    assert ["database_away" in one["attention"] for one in seen.json["units"]] == [True, False]
    assert ["broker_away" in one["attention"] for one in seen.json["units"]] == [False, True]


async def test_a_poisoned_household_is_listed_shown_and_after_the_repair_released_in_order(box: OperatorsBox) -> None:
    home = household()
    await poisoned(box, home)
    listed = await box.run("held", "list", "--json")
    assert listed.code == 1
    assert [(one["unit"], one["source"], one["household"], one["held"], one["dead"]) for one in listed.json["households"]] == [
        ("beta", "alpha", str(home), 2, 1)
    ]
    operators_handlers.BROKEN.clear()
    done = await box.run("held", "release", str(home), "--unit", "beta", "--reason", "handler_repaired", *ME, "--json")
    assert (done.code, done.json["released"]) == (0, [{"source": "alpha", "household": str(home)}])
    await box.town.until_effects(box.beta, 3)
    assert await box.town.effects(box.beta, home) == [("household", 1), ("household", 2), ("fact", 1)]
    assert await box.audited(box.beta) == [("operator:s-0041", "release", "household_events", "handler_repaired")]
    assert (await box.run("held", "list")).code == 0


async def test_a_dry_run_tells_what_would_happen_and_changes_nothing(box: OperatorsBox) -> None:
    home = household()
    await poisoned(box, home)
    still = await box.run("held", "release", str(home), "--unit", "beta", "--dry-run", "--json")
    assert (still.code, [(one["seq"], one["applied"]) for one in still.json["rehearsal"]]) == (1, [(1, False)])
    assert still.json["rehearsal"][0]["reason"].startswith("KeyError at ")
    assert "a name" not in still.out
    operators_handlers.BROKEN.clear()
    tried = await box.run("dead", "retry", await dead_id(box), "--unit", "beta", "--dry-run", "--json")
    assert [(one["channel"], one["seq"], one["applied"], one["events"]) for one in tried.json["rehearsal"]] == [
        ("household", 1, True, 1), ("household", 2, True, 1), ("fact", 1, True, 0),
    ]  # fmt: skip
    assert await box.town.effects(box.beta, home) == []
    assert len(await box.town.rows(box.beta, "select 1 from dead_event where state = 'parked'")) == 1
    assert await box.town.rows(box.beta, "select 1 from outbox") == []
    assert await box.audited(box.beta) == []


async def test_what_is_skipped_is_skipped_for_a_reason_and_the_rest_goes_on(box: OperatorsBox) -> None:
    home = household()
    await poisoned(box, home)
    operators_handlers.BROKEN.clear()
    number = await dead_id(box)
    refused = await box.run("dead", "skip", number, "--unit", "beta")
    assert (refused.code, refused.refused is not None and "duplicate_elsewhere" in refused.refused.en) == (2, True)
    assert (await box.run("dead", "skip", number, "--unit", "beta", "--reason", "bad_input", *ME)).code == 0
    await box.town.until_effects(box.beta, 2)
    assert await box.town.effects(box.beta, home) == [("household", 2), ("fact", 1)]
    assert [(row[1], row[3]) for row in await box.audited(box.beta)] == [("skip", "bad_input")]
    again = await box.run("dead", "skip", number, "--unit", "beta", "--reason", "bad_input")
    assert again.code == 2


async def test_metadata_is_shown_to_operators_and_the_payload_only_with_an_audit_row(box: OperatorsBox) -> None:
    home = household()
    await poisoned(box, home)
    number = await dead_id(box)
    seen = (await box.run("dead", "show", number, "--unit", "beta", "--json")).json["events"][0]
    assert (seen["seq"], seen["headers"]["ce-source"], "payload" in seen, "ce-traceparent" in seen["headers"]) == (1, "/alpha", False, False)
    assert await box.audited(box.beta) == []
    full = (await box.run("dead", "show", number, "--unit", "beta", "--payload", *ME, "--json")).json["events"][0]
    assert full["payload"]["household_id"] == str(home)
    held = await box.run("held", "show", str(home), "--unit", "beta", "--payload", *ME, "--json")
    assert [(one["channel"], one["seq"], "payload" in one) for one in held.json["events"]] == [("household", 2, True), ("fact", 1, True)]
    assert [row[:3] for row in await box.audited(box.beta)] == [
        ("operator:s-0041", "view", "dead_event"), ("operator:s-0041", "view", "held_event"),
    ]  # fmt: skip


async def test_a_message_of_nobody_known_can_be_listed_shown_and_skipped(box: OperatorsBox) -> None:
    await start(box)
    home = household()
    wire = Wire(await box.town.client())
    await wire.put(registered(home), 1, data=b"\xff\xfe", ce_subject="")
    await eventually(lambda: box.town.rows(box.beta, "select 1 from dead_event"), 15)
    listed = (await box.run("dead", "list", "--json")).json["events"]
    assert [(one["unit"], one["household"], one["seq"]) for one in listed] == [("beta", None, None)]
    number = await dead_id(box)
    shown = await box.run("dead", "show", number, "--unit", "beta", "--payload", *ME, "--json")
    assert shown.json["events"][0]["payload"] == {"hex": "fffe", "bytes": 2}
    assert (await box.run("dead", "skip", number, "--unit", "beta", "--reason", "bad_input", *ME)).code == 0
    assert (await box.run("dead", "list")).code == 0
    assert [row[1] for row in await box.audited(box.beta)] == ["view", "skip"]


async def test_a_household_that_waits_for_an_earlier_event_is_not_released_by_a_person(box: OperatorsBox) -> None:
    await start(box)
    home = household()
    await Wire(await box.town.client()).put(registered(home), 2)
    await eventually(lambda: box.town.rows(box.beta, "select 1 from held_event"))
    refused = await box.run("held", "release", str(home), "--unit", "beta", "--reason", "source_repaired")
    assert refused.code == 2
    assert refused.refused is not None
    assert "republish" in refused.refused.en


async def test_asking_wrongly_says_what_to_do(box: OperatorsBox, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = await box.run("lag", "--unit", "gamma")
    assert (unknown.code, unknown.refused is not None and "alpha, beta" in unknown.refused.en) == (2, True)
    nothing = await box.run("dead", "show", "99", "--unit", "beta")
    assert nothing.code == 2
    assert (await box.run("dead", "skip", "1", "--unit", "beta", "--reason", "because the child")).code == 2
    named = await box.run("dead", "skip", "1", "--unit", "beta", "--reason", "drill", "--operator", "見本 はな")
    assert (named.code, named.refused is not None) == (2, True)
    monkeypatch.setenv("TSUNAGARI_HOME", str(box.home / "nowhere"))
    assert (await box.run("status")).code == 2


async def test_a_rewind_is_noticed_by_a_worker_that_has_nothing_to_do_and_repeats_no_effect(box: OperatorsBox) -> None:
    _, beta = await start(box)
    homes = [household() for _ in range(3)]
    await box.town.say(box.alpha, *(registered(home) for home in homes))
    await box.town.until_effects(box.beta, 3)
    consumer = beta.consumers["beta--alpha--p0"]
    done = await box.run("rewind", "beta--alpha--p0", "--to", "0", "--reason", "stream_lost", *ME, "--json")
    assert (done.code, done.json["from"] >= 3, done.json["to"]) == (0, True, 0)
    await eventually(lambda: consumer.counts.duplicates >= 3, 15)
    await box.town.say(box.alpha, registered(homes[0]))
    await box.town.until_effects(box.beta, 4)
    assert [row[1:] for row in await box.audited(box.beta)] == [("rewind", "consumer", "stream_lost")]
    for words in (("beta--gamma--p0", "--to", "0"), ("beta--alpha--p0", "--to", "99999")):
        assert (await box.run("rewind", *words, "--reason", "drill")).code == 2


async def test_a_rewind_during_a_batch_is_not_forgotten_by_it(box: OperatorsBox) -> None:
    """The batch in hand commits first; what comes after it belongs to an epoch that is gone."""
    _, beta = await start(box)
    homes = [household() for _ in range(40)]
    for _ in range(5):
        await box.town.say(box.alpha, *(registered(home) for home in homes))
    assert (await box.run("rewind", "beta--alpha--p0", "--to", "0", "--reason", "drill", *ME)).code == 0
    await box.town.until_effects(box.beta, 200, timeout=30)
    await eventually(lambda: beta.consumers["beta--alpha--p0"].position >= 200, 15)
    assert [await box.town.effects(box.beta, home) for home in homes] == [[("household", seq) for seq in range(1, 6)]] * 40


async def test_what_is_published_again_goes_out_again_and_changes_nothing(box: OperatorsBox) -> None:
    _, beta = await start(box)
    await box.town.say(box.alpha, *(registered(household()) for _ in range(4)))
    await box.town.until_effects(box.beta, 4)
    done = await box.run("republish", "--from-pos", "2", "--to-pos", "3", "--unit", "alpha", "--reason", "stream_lost", *ME, "--json")
    assert (done.code, done.json["rows"]) == (0, 2)
    await eventually(lambda: beta.consumers["beta--alpha--p0"].counts.duplicates >= 2, 15)
    assert len(await box.town.effects(box.beta)) == 4
    assert [row[1] for row in await box.audited(box.alpha)] == ["republish"]
    assert (await box.run("republish", "--from-pos", "99", "--unit", "alpha", "--reason", "drill")).code == 2


async def test_an_audit_finds_what_the_broker_lost_and_it_comes_again(box: OperatorsBox, monkeypatch: pytest.MonkeyPatch) -> None:
    await start(box)
    await box.town.say(box.alpha, *(registered(household()) for _ in range(4)))
    await box.town.until_effects(box.beta, 4)
    client = await box.town.client()
    lost = (await box.town.rows(box.alpha, "select stream_seq from outbox where pos = 2"))[0].stream_seq
    await client.jetstream().delete_msg("EVT_ALPHA", lost)
    async with (await box.town.db(box.alpha)).transaction() as tx:  # a row that was published just now is not yet missed
        await tx.execute(text("update outbox set published_at = published_at - interval '1 minute'"))
    done = await box.run("audit", "--unit", "alpha", *ME, "--json")
    assert (done.code, [(one["unit"], one["holes"], one["foreign"]) for one in done.json["audits"]]) == (1, [("alpha", 1, 0)])
    await box.town.until_published(box.alpha)
    assert (await box.run("audit", "--unit", "alpha", *ME)).code == 0
    assert len(await box.town.effects(box.beta)) == 4


async def test_a_drill_measures_every_way_and_touches_no_household(box: OperatorsBox) -> None:
    _, beta = await start(box)
    done = await box.run("drill", *ME, "--json")
    assert (done.code, [(one["source"], one["unit"]) for one in done.json["heard"]]) == (0, [("alpha", "beta")])
    assert 0 <= done.json["heard"][0]["seconds"] < 15
    assert await box.town.effects(box.beta) == []
    assert await box.town.rows(box.alpha, "select 1 from outbox") == []
    await beta.stop()
    silent = await box.run("drill", "--within", "1", *ME, "--json")
    assert (silent.code, silent.json["heard"][0]["seconds"]) == (1, None)


async def test_provisioning_shows_the_difference_and_makes_it_so(box: OperatorsBox) -> None:
    assert (await box.run("provision", "--diff")).code == 0
    await (await box.town.client()).jetstream().delete_consumer("EVT_ALPHA", "beta--alpha--p0")
    seen = await box.run("provision", "--diff", "--json")
    assert (seen.code, seen.json["changes"]) == (1, ["create consumer beta--alpha--p0"])
    assert (await box.run("provision", "--apply", *ME)).code == 0
    assert (await box.run("provision", "--diff")).code == 0
    assert [row[1:3] for row in await box.audited(box.beta)] == [("provision", "stream")]
    assert (await box.run("provision")).code == 2


async def test_a_projection_is_listed_checked_and_rebuilt(box: OperatorsBox) -> None:
    listed = await box.run("rebuild", "--unit", "beta", "--json")
    assert [one["projection"] for one in listed.json["projections"]] == ["strangers", "announced_units", "rights"]
    same = await box.run("rebuild", "announced_units", "--unit", "beta", "--check", "--json")
    assert (same.code, same.json["equal"], same.json["swapped"]) == (0, True, False)
    await box.town.rows(box.beta, "select 1")
    async with (await box.town.db(box.beta)).transaction() as tx:
        await tx.execute(text(_STRANGER))
    assert (await box.run("rebuild", "announced_units", "--unit", "beta", "--check")).code == 1
    assert (await box.run("rebuild", "announced_units", "--unit", "beta")).code == 2
    done = await box.run("rebuild", "announced_units", "--unit", "beta", "--reason", "projection_doubted", *ME, "--json")
    table = done.json["tables"][0]
    assert (done.code, table["before"]["rows"], table["after"]["rows"], table["removed"]) == (0, 1, 0, 1)
    assert [row[1:] for row in await box.audited(box.beta)] == [("rebuild", "projection", "projection_doubted")]
    assert (await box.run("rebuild", "nothing", "--unit", "beta", "--check")).code == 2


async def test_what_this_version_doubts_is_rebuilt_in_every_unit_and_nothing_else(box: OperatorsBox) -> None:
    again = ("rebuild", "--doubted", "--reason", "projection_doubted", *ME, "--json")
    assert (await box.run(*again)).json["rebuilt"] == []
    async with (await box.town.db(box.beta)).transaction() as tx:
        await tx.execute(text(_STRANGER))
    done = await box.run(*again)
    assert [(one["unit"], one["projection"]) for one in done.json["rebuilt"]] == [("beta", "strangers")]
    assert await box.town.rows(box.beta, "select 1 from announced_unit") == []
    assert [row[1:] for row in await box.audited(box.beta)] == [("rebuild", "projection", "projection_doubted")]
    assert (await box.run("rebuild", "--doubted")).code == 2, "nobody does it without saying who and why"


_STRANGER = """
insert into announced_unit (unit, title, base, accepts_referrals, navigation, version, announced_at) values ('x', 'x', '/x', false, '[]', '1', now())
"""
