"""Streams, consumers and permissions come from the manifests, and only from there."""

from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError, TimeoutError

from deploy.onebox.broker import EmbeddedNats
from shared.messaging.permissions import permissions_of
from shared.messaging.provision import ManifestError, accounts_conf, api_of, apply, desired, diff, sources_of
from shared.runtime.testing import eventually
from tests.conftest import start_nats
from tests.shared.messaging.test_requests import adding
from tests.shared.messaging.town import ALPHA, BETA, GAMMA, UNITS, Town, household, noting, registered, retracted, unit


def test_wildcards_are_resolved_over_the_units_and_never_mean_oneself() -> None:
    children, elderly = unit("cases-children", publishes=("case", "domain")), unit("cases-elderly", publishes=("case", "domain"))
    notify = unit("notify", publishes=("domain",), consumes=("*:domain", "cases-*:case"))
    found = sources_of(notify, [children, elderly, notify])
    assert {source.code: channels for source, channels in found.items()} == {
        "cases-children": ["case", "domain"],
        "cases-elderly": ["case", "domain"],
    }


def test_own_events_are_heard_only_when_named() -> None:
    named = unit("notify", publishes=("alert",), consumes=("notify:alert",))
    assert [source.code for source in sources_of(named, [named])] == ["notify"]


def test_hearing_what_nobody_says_is_a_mistake() -> None:
    with pytest.raises(ManifestError, match="alpha:alert"):
        desired([ALPHA, unit("delta", consumes=("alpha:alert",))])


async def test_applying_twice_changes_nothing_the_second_time(town: Town) -> None:
    first, second = await town.provision(), await town.provision()
    assert "create stream EVT_ALPHA" in first
    assert "create consumer gamma--beta--p0" in first
    assert second == []


async def test_a_changed_manifest_changes_the_consumer(town: Town) -> None:
    await town.provision()
    wider = unit("beta", publishes=BETA.publishes, consumes=("alpha:household", "alpha:fact", "alpha:domain"))
    client = await town.client()
    assert [change.what for change in await diff(client, desired([ALPHA, wider]))] == ["update consumer beta--alpha--p0: filter_subjects"]
    await apply(client, desired([ALPHA, wider]))
    config = (await api_of(client)("CONSUMER.INFO.EVT_ALPHA.beta--alpha--p0"))["config"]
    assert sorted(config["filter_subjects"]) == [f"evt.alpha.{channel}.>" for channel in ("canary", "domain", "fact", "household")]


async def test_a_drifted_stream_is_put_right_and_its_incarnation_kept(town: Town) -> None:
    await town.provision()
    client = await town.client()
    api = api_of(client)
    config = (await api("STREAM.INFO.EVT_ALPHA"))["config"]
    await api("STREAM.UPDATE.EVT_ALPHA", {**config, "discard": "old", "max_msg_size": 100, "metadata": {"incarnation": "4"}})
    assert await town.provision() == ["update stream EVT_ALPHA: discard, max_msg_size"]
    config = (await api("STREAM.INFO.EVT_ALPHA"))["config"]
    assert (config["discard"], config["max_msg_size"], config["metadata"]["incarnation"]) == ("new", 65536, "4")


PASSWORDS = {name: f"{name}-password" for name in ("alpha", "beta", "gamma", "provisioner", "observer", "sys")}


@pytest.fixture(scope="module")
async def guarded(servers_home: Path) -> AsyncIterator[EmbeddedNats]:
    """A broker with one user per unit."""
    server = start_nats(servers_home / "guarded", accounts_conf(UNITS, PASSWORDS))
    client = await connect(server, "provisioner")
    await apply(client, desired(UNITS))
    await client.close()
    yield server
    server.stop()


def url(server: EmbeddedNats, user: str) -> str:
    return f"nats://{user}:{PASSWORDS[user]}@127.0.0.1:{server.port}"


async def connect(server: EmbeddedNats, user: str, denied: list[str] | None = None) -> Client:
    async def note(error: Exception) -> None:
        if denied is not None:
            denied.append(str(error))

    return await nats.connect(url(server, user), inbox_prefix=f"_INBOX_{user}".encode(), error_cb=note)


OWN = [
    "$JS.API.STREAM.INFO.EVT_ALPHA",
    "$JS.API.STREAM.NAMES",
    "$JS.API.CONSUMER.NAMES.EVT_ALPHA",
    "$JS.API.CONSUMER.INFO.EVT_ALPHA.beta--alpha--p0",
    "$JS.API.CONSUMER.RESET.EVT_ALPHA.beta--alpha--p0",
    "evt.beta.fact.recorded.v1.0",
]
NOT_OURS = [
    "evt.alpha.fact.recorded.v1.0",  # somebody else's voice
    "$JS.API.STREAM.INFO.EVT_GAMMA",
    "$JS.API.STREAM.MSG.GET.EVT_ALPHA",
    "$JS.API.STREAM.PURGE.EVT_BETA",
    "$JS.API.STREAM.UPDATE.EVT_BETA",
    "$JS.API.STREAM.DELETE.EVT_BETA",
    "$JS.API.CONSUMER.CREATE.EVT_ALPHA",
    "$JS.API.CONSUMER.CREATE.EVT_ALPHA.beta--alpha--p0",
    "$JS.API.CONSUMER.INFO.EVT_ALPHA.gamma--alpha--p0",
    "$JS.API.CONSUMER.MSG.NEXT.EVT_ALPHA.gamma--alpha--p0",
    "$JS.API.CONSUMER.RESET.EVT_ALPHA.gamma--alpha--p0",
    "$JS.API.CONSUMER.DELETE.EVT_ALPHA.beta--alpha--p0",
    "$JS.ACK.EVT_ALPHA.gamma--alpha--p0.1.1.1.1.0",  # forging an acknowledgement
    "$JS.ACK._.hash.EVT_ALPHA.gamma--alpha--p0.1.1.1.1.0.x",
    "svc.alpha.anything",
    "svc.alpha.add.gamma",  # asking in another's name
    "_INBOX_alpha.x",
    "_INBOX_gamma.x",
]


@pytest.mark.parametrize("subject", OWN)
async def test_a_unit_s_own_path_is_open(guarded: EmbeddedNats, subject: str) -> None:
    denied: list[str] = []
    client = await connect(guarded, "beta", denied)
    await client.request(subject, b"", timeout=2)
    assert denied == []
    await client.close()


async def test_everything_else_is_denied(guarded: EmbeddedNats) -> None:
    denied: list[str] = []
    client = await connect(guarded, "beta", denied)
    for subject in NOT_OURS:
        await client.publish(subject, b"{}")
    await client.flush()
    await eventually(lambda: len(denied) >= len(NOT_OURS))
    assert [subject for subject in NOT_OURS if not any(f'"{subject.lower()}"' in text for text in denied)] == []
    await client.close()


@pytest.mark.parametrize("subject", ["_INBOX_alpha.>", "_INBOX.>", "evt.>", "svc.alpha.add.*", "$JS.EVENT.ADVISORY.>", ">"])
async def test_nobody_listens_where_he_should_not(guarded: EmbeddedNats, subject: str) -> None:
    denied: list[str] = []
    client = await connect(guarded, "beta", denied)
    await client.subscribe(subject)
    await eventually(lambda: denied)
    assert "permissions violation for subscription" in denied[0]
    await client.close()


async def test_both_formats_of_acknowledgement_are_granted() -> None:
    granted = permissions_of(BETA, [ALPHA]).publish
    assert "$JS.ACK.EVT_ALPHA.beta--alpha--p0.>" in granted
    assert "$JS.ACK.*.*.EVT_ALPHA.beta--alpha--p0.>" in granted


async def test_the_observer_sees_counts_and_never_a_message(guarded: EmbeddedNats) -> None:
    denied: list[str] = []
    client = await connect(guarded, "observer", denied)
    assert (await api_of(client)("CONSUMER.INFO.EVT_ALPHA.beta--alpha--p0"))["num_pending"] == 0
    with pytest.raises((TimeoutError, NoRespondersError)):
        await client.request("$JS.API.STREAM.MSG.GET.EVT_ALPHA", b'{"seq":1}', timeout=0.3)
    assert len(denied) == 1
    await client.close()


async def test_workers_do_all_their_work_with_their_own_permissions(town: Town, guarded: EmbeddedNats) -> None:
    handlers = adding()
    handlers.events = noting().events
    workers = [
        await town.worker(ALPHA, url=url(guarded, "alpha")),
        await town.worker(BETA, handlers, url=url(guarded, "beta")),
        await town.worker(GAMMA, url=url(guarded, "gamma")),
    ]
    home = household()
    await town.say(ALPHA, *(registered(home) for _ in range(5)))
    await town.say(BETA, retracted(home), retracted(home))
    await town.until_effects(GAMMA, 7)
    await town.until_effects(BETA, 5)
    assert await workers[0].context.request("beta.add", b"20 22") == b"42"
    await eventually(lambda: all(worker.status()["ready"] for worker in workers))
    assert [worker.link.denied for worker in workers] == [0, 0, 0]
