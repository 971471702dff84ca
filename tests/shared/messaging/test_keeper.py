"""What somebody deletes on the broker is made again within seconds, and nothing is ever taken away or made smaller."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.layout import known_units, speakers
from deploy.onebox.process import finish, spawn, tail
from shared.messaging.keeper import Keeper, KeeperSettings
from shared.messaging.link import BrokerError
from shared.messaging.provision import Desired, ManifestError, accounts_conf, api_of, apply, desired
from shared.runtime.testing import eventually
from tests.conftest import start_nats
from tests.shared.messaging.town import ALPHA, BETA, UNITS, Town, unit

#: long enough that only an advisory can explain what is back before
SELDOM = 3600.0


@asynccontextmanager
async def kept(client: Client, wanted: Callable[[], Desired], every: float = SELDOM) -> AsyncIterator[Keeper]:
    keeper = Keeper(wanted, every)
    work = asyncio.create_task(keeper.keep(client))
    try:
        yield keeper
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def exists(client: Client, subject: str) -> bool:
    with suppress(BrokerError):
        return bool(await api_of(client)(subject))
    return False


async def test_a_deleted_stream_and_its_consumers_are_back_at_once(town: Town) -> None:
    await town.provision()
    client, operator = await town.client(), await town.client()
    async with kept(client, lambda: desired(UNITS)) as keeper:
        await eventually(lambda: keeper.looks, 20)  # it listens, and the first look is over
        assert keeper.made == []
        began = time.monotonic()
        await api_of(operator)("STREAM.DELETE.EVT_ALPHA")
        await eventually(lambda: exists(operator, "CONSUMER.INFO.EVT_ALPHA.gamma--alpha--p0"), 20)
        assert time.monotonic() - began < 10
        assert keeper.made[:1] == ["create stream EVT_ALPHA"]
        assert {"create consumer beta--alpha--p0", "create consumer gamma--alpha--p0"} <= set(keeper.made)


async def test_a_deleted_consumer_is_back_at_once(town: Town) -> None:
    await town.provision()
    client, operator = await town.client(), await town.client()
    async with kept(client, lambda: desired(UNITS)) as keeper:
        await eventually(lambda: keeper.looks, 20)  # it listens, and the first look is over
        await api_of(operator)("CONSUMER.DELETE.EVT_BETA.gamma--beta--p0")
        await eventually(lambda: exists(operator, "CONSUMER.INFO.EVT_BETA.gamma--beta--p0"), 20)
        assert keeper.made == ["create consumer gamma--beta--p0"]


async def test_a_setting_changed_by_hand_is_put_right(town: Town) -> None:
    await town.provision()
    client, operator = await town.client(), await town.client()
    async with kept(client, lambda: desired(UNITS)) as keeper:
        await eventually(lambda: keeper.looks, 20)  # it listens, and the first look is over
        config = (await api_of(operator)("STREAM.INFO.EVT_ALPHA"))["config"]
        await api_of(operator)("STREAM.UPDATE.EVT_ALPHA", {**config, "discard": "old"})

        async def right() -> bool:
            return bool((await api_of(operator)("STREAM.INFO.EVT_ALPHA"))["config"]["discard"] == "new")

        await eventually(right, 20)


async def test_without_any_report_the_regular_look_finds_it(town: Town) -> None:
    await town.provision()
    client, operator = await town.client(), await town.client()
    keeper = Keeper(lambda: desired(UNITS))
    await api_of(operator)("CONSUMER.DELETE.EVT_BETA.gamma--beta--p0")
    await keeper.look(client)
    assert keeper.made == ["create consumer gamma--beta--p0"]


async def test_a_limit_is_raised_and_never_lowered(town: Town) -> None:
    client = await town.client()
    await apply(client, desired(UNITS, max_bytes=1 << 24))
    assert "update stream EVT_ALPHA: max_bytes" in await apply(client, desired(UNITS, max_bytes=1 << 25))
    assert await apply(client, desired(UNITS, max_bytes=1 << 24)) == []
    assert (await api_of(client)("STREAM.INFO.EVT_ALPHA"))["config"]["max_bytes"] == 1 << 25


async def test_what_no_manifest_names_is_left_alone(town: Town) -> None:
    await town.provision()
    client = await town.client()
    await Keeper(lambda: desired([ALPHA])).look(client)
    assert await exists(client, "STREAM.INFO.EVT_BETA")
    assert await exists(client, "CONSUMER.INFO.EVT_ALPHA.beta--alpha--p0")


async def test_contradicting_manifests_are_refused_aloud_and_the_last_good_ones_stay(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    await town.provision()
    client, operator = await town.client(), await town.client()
    manifests = [list(UNITS)]
    keeper = Keeper(lambda: desired(manifests[-1]))
    await keeper.look(client)
    manifests.append([ALPHA, BETA, unit("beta", publishes=("alert",))])
    await api_of(operator)("CONSUMER.DELETE.EVT_BETA.gamma--beta--p0")
    with caplog.at_level(logging.ERROR, "tsunagari.keeper"):
        await keeper.look(client)
    assert "several units have the code beta" in caplog.text
    assert keeper.made == ["create consumer gamma--beta--p0"]


def test_two_units_of_one_name_contradict_each_other() -> None:
    with pytest.raises(ManifestError, match="several units have the stream EVT_CASES_X"):
        desired([unit("cases-x"), unit("CASES-X")])


async def test_one_stream_without_room_does_not_keep_the_others_away(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    client = await town.client()
    wanted = desired(UNITS)
    streams = [one if one.name != "EVT_ALPHA" else replace(one, config={**one.config, "max_bytes": 1 << 60}) for one in wanted.streams]
    huge = Desired(tuple(streams), ())
    with caplog.at_level(logging.ERROR, "tsunagari.keeper"):
        await Keeper(lambda: huge).look(client)
    assert "keeper_refused change='create stream EVT_ALPHA'" in caplog.text
    assert await exists(client, "STREAM.INFO.EVT_BETA")


# ── the program, with the real manifests and its own rights ───────
PASSWORDS = {name: f"{name}-pw" for name in [*(one.code for one in known_units()), "provisioner", "observer", "sys"]}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[EmbeddedNats]:
    server = start_nats(tmp_path / "guarded", accounts_conf(speakers(known_units()), PASSWORDS))
    yield server
    server.stop()


@pytest.fixture
def program(guarded: EmbeddedNats, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    url = guarded.url.replace("://", f"://provisioner:{PASSWORDS['provisioner']}@")
    log = tmp_path / "keeper.log"
    environment = {**os.environ, "NATS_URL": url, "STREAM_BYTES": str(1 << 24)}
    process = spawn([sys.executable, "-m", "shared.messaging.keeper"], log=log, env=environment)
    yield process, log
    finish(process, signal.SIGTERM, 10)


async def test_the_program_makes_everything_and_makes_it_again(guarded: EmbeddedNats, program: tuple[subprocess.Popen[bytes], Path]) -> None:
    operator = await nats.connect(guarded.url.replace("://", f"://provisioner:{PASSWORDS['provisioner']}@"), inbox_prefix=b"_INBOX_provisioner")
    process, log = program
    at = "CONSUMER.INFO.EVT_CASES_CHILDREN.notify--cases-children--p0"
    await eventually(lambda: exists(operator, at), 30)
    await asyncio.sleep(1)  # the first look is over
    await api_of(operator)("STREAM.DELETE.EVT_CASES_CHILDREN")
    await eventually(lambda: exists(operator, at), 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0, tail(log)
    assert PASSWORDS["provisioner"] not in log.read_text()
    await operator.close()


def test_the_manifests_are_read_anew_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"nats_url": "nats://x", "manifests": tmp_path}
    keeper = KeeperSettings(**settings)
    source = speakers(known_units())[0].root / "unit.toml"
    before = len(keeper.wanted().streams)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "unit.toml").write_text(source.read_text())
    assert len(keeper.wanted().streams) == before + 1
