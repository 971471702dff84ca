"""Attacks on the broker with the rights that the real units really have (backbone.md §2.12): the server says no, and nothing changed.

The attacker is cases-elderly, a unit with a valid credential of its own; the victims are notify (who hears intake), intake and
cases-children. One test per attack. `PROBES` go the other way: the same calls on one's own things are let through.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from deploy.onebox.broker import EmbeddedNats
from shared.messaging.delivery import received
from shared.messaging.envelope import EnvelopeError, header_lines
from shared.messaging.names import audit_name, consumer_name, stream_of
from shared.messaging.provision import accounts_conf, api_of, apply, desired
from shared.runtime.testing import eventually
from shared.runtime.unit import all_units
from tests.conftest import start_nats

ATTACKER, VICTIM = "cases-elderly", "notify"
PASSWORDS = {name: f"{name}-password" for name in [*(unit.code for unit in all_units()), "provisioner", "observer", "sys"]}
#: notify's consumer of intake, which has something pending; the attacker's own of the same stream
THEIRS, OURS = consumer_name(VICTIM, "intake"), consumer_name(ATTACKER, "intake")
EVENT_ID = str(uuid4())


@dataclass(frozen=True)
class Attack:
    """A publication, or a subscription when `listens`. `denied` is what the server must name; the subject itself unless given."""

    name: str
    subject: str
    data: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    reply: str = ""
    listens: bool = False


def api(subject: str, **body: Any) -> tuple[str, bytes]:
    return f"$JS.API.{subject}", json.dumps(body).encode()


EIGHT = [
    Attack("speaking with another unit's voice", "evt.intake.household.registered.v1.0"),
    Attack("reading a foreign stream's state", "$JS.API.STREAM.INFO.EVT_NO_SUCH_UNIT"),
    Attack("reading a message past the consumer", *api("STREAM.MSG.GET.EVT_INTAKE", seq=1)),
    Attack("making a consumer", *api(f"CONSUMER.CREATE.EVT_INTAKE.{ATTACKER}--spy--p0", stream_name="EVT_INTAKE", config={"ack_policy": "none"})),
    Attack("purging", "$JS.API.STREAM.PURGE.EVT_INTAKE"),
    Attack("sniffing another's inbox", f"_INBOX_{VICTIM}.>", listens=True),
    Attack("forging an acknowledgement", f"$JS.ACK.EVT_INTAKE.{THEIRS}.1.1.1.1700000000000000000.0", b"+ACK"),
    Attack("moving a foreign position", *api(f"CONSUMER.RESET.EVT_INTAKE.{THEIRS}", seq=100)),
]
MORE = [
    # ── voice ──
    Attack("hiding an event behind its id", "evt.intake.fact.recorded.v1.0", headers={"Nats-Msg-Id": EVENT_ID}),
    Attack("a forged canary", "evt.intake.canary.sung.v1.0", headers={"Nats-TTL": "1h"}),
    Attack("a stream by its wildcard", "evt.cases-children.case.opened.v1.f"),
    Attack("somebody who does not exist", "evt.mayor.alert.raised.v1.0"),
    Attack("a forged advisory", "$JS.EVENT.ADVISORY.STREAM.DELETED.EVT_INTAKE"),
    Attack("a forged answer in a foreign inbox", f"_INBOX_{VICTIM}.abc"),
    Attack("a repair asked in another's name", f"svc.intake.repair.{VICTIM}"),
    Attack("a disclosure asked in another's name", "svc.intake.disclose.cases-children"),
    Attack("a question that nobody granted", f"svc.notify.anything.{ATTACKER}"),
    Attack("who saw whom, in its own name", f"svc.intake.seen.{ATTACKER}"),
    Attack("who saw whom, in the center's name", "svc.intake.seen.cases-center"),
    Attack("who reads unusually, in its own name", f"svc.intake.unusual.{ATTACKER}"),
    # ── ears ──
    Attack("sniffing the shared inbox", "_INBOX.>", listens=True),
    Attack("sniffing every inbox", "*.>", listens=True),
    Attack("sniffing events", "evt.>", listens=True),
    Attack("sniffing the broker's talk", "$JS.>", listens=True),
    Attack("sniffing advisories", "$JS.EVENT.ADVISORY.>", listens=True),
    Attack("answering in intake's place", "svc.intake.disclose.*", listens=True),
    Attack("answering repairs in intake's place", "svc.intake.repair.*", listens=True),
    Attack("hearing what the center asks of others", "svc.*.seen.cases-center", listens=True),
    Attack("answering about reading in intake's place", "svc.intake.seen.*", listens=True),
    Attack("watching the system", "$SYS.>", listens=True),
    # ── streams ──
    Attack("a stream over everybody's subjects", *api("STREAM.CREATE.SPY", name="SPY", subjects=["evt.>"])),
    Attack("a changed stream", *api("STREAM.UPDATE.EVT_INTAKE", name="EVT_INTAKE", subjects=["evt.intake.>"], max_msgs=1)),
    Attack("a changed stream of one's own", *api(f"STREAM.UPDATE.{stream_of(ATTACKER)}", name=stream_of(ATTACKER), subjects=["evt.>"])),
    Attack("a deleted stream", "$JS.API.STREAM.DELETE.EVT_INTAKE"),
    Attack("a deleted message", *api("STREAM.MSG.DELETE.EVT_INTAKE", seq=1)),
    Attack("a deleted message of one's own", *api(f"STREAM.MSG.DELETE.{stream_of(ATTACKER)}", seq=1)),
    Attack("purging one's own", f"$JS.API.STREAM.PURGE.{stream_of(ATTACKER)}"),
    Attack("a direct read", *api("DIRECT.GET.EVT_INTAKE", seq=1)),
    Attack("a direct read by subject", "$JS.API.DIRECT.GET.EVT_INTAKE.evt.intake.household.registered.v1.0"),
    Attack("a copy of a stream", *api("STREAM.SNAPSHOT.EVT_INTAKE", deliver_subject=f"_INBOX_{ATTACKER}.x")),
    Attack("a stream put back", "$JS.API.STREAM.RESTORE.EVT_INTAKE"),
    Attack("a leader sent away", "$JS.API.STREAM.LEADER.STEPDOWN.EVT_INTAKE"),
    Attack("a peer removed", *api("STREAM.PEER.REMOVE.EVT_INTAKE", peer="n1")),
    Attack("the list of streams with their settings", "$JS.API.STREAM.LIST"),
    Attack("the account", "$JS.API.INFO"),
    # ── consumers ──
    Attack("a nameless consumer", *api("CONSUMER.CREATE.EVT_INTAKE", stream_name="EVT_INTAKE", config={"ack_policy": "none"})),
    Attack("a consumer of the old kind", *api("CONSUMER.DURABLE.CREATE.EVT_INTAKE.spy", stream_name="EVT_INTAKE", config={"durable_name": "spy"})),
    Attack("a consumer with a filter", *api("CONSUMER.CREATE.EVT_INTAKE.spy.evt.intake.>", stream_name="EVT_INTAKE", config={"name": "spy"})),
    Attack(
        "one's own consumer widened", *api(f"CONSUMER.CREATE.EVT_INTAKE.{OURS}", stream_name="EVT_INTAKE", config={"name": OURS}, action="update")
    ),
    Attack("a foreign consumer deleted", f"$JS.API.CONSUMER.DELETE.EVT_INTAKE.{THEIRS}"),
    Attack("one's own consumer deleted", f"$JS.API.CONSUMER.DELETE.EVT_INTAKE.{OURS}"),
    Attack("a foreign consumer paused", *api(f"CONSUMER.PAUSE.EVT_INTAKE.{THEIRS}", pause_until="2030-01-01T00:00:00Z")),
    Attack("a foreign consumer unpinned", *api(f"CONSUMER.UNPIN.EVT_INTAKE.{THEIRS}", group="x")),
    Attack("a foreign consumer's state", f"$JS.API.CONSUMER.INFO.EVT_INTAKE.{THEIRS}"),
    Attack("a foreign consumer's messages", f"$JS.API.CONSUMER.MSG.NEXT.EVT_INTAKE.{THEIRS}", b"1", reply=f"_INBOX_{ATTACKER}.x"),
    Attack("all consumers' messages", "$JS.API.CONSUMER.MSG.NEXT.EVT_INTAKE.*", b"1", reply=f"_INBOX_{ATTACKER}.x"),
    Attack("an acknowledgement in the new format", f"$JS.ACK._.hash.EVT_INTAKE.{THEIRS}.1.1.1.1700000000000000000.0", b"+ACK"),
    Attack("a refusal for good", f"$JS.ACK.EVT_INTAKE.{THEIRS}.1.1.1.1700000000000000000.0", b"+TERM"),
    # ── the audit ──
    Attack("a foreign audit's messages", f"$JS.API.CONSUMER.MSG.NEXT.EVT_INTAKE.{audit_name('intake')}", b"1", reply=f"_INBOX_{ATTACKER}.x"),
    Attack("a foreign audit moved", *api(f"CONSUMER.RESET.EVT_INTAKE.{audit_name('intake')}", seq=100)),
    Attack("a foreign audit acknowledged", f"$JS.ACK.EVT_INTAKE.{audit_name('intake')}.1.1.1.1700000000000000000.0", b"+ACK"),
]


@pytest.fixture(scope="module")
async def broker(servers_home: Path) -> AsyncIterator[EmbeddedNats]:
    """The real units' broker, with one event of intake that nobody has read."""
    server = start_nats(servers_home / "attacked", accounts_conf(all_units(), PASSWORDS))
    async with signed_in(server, "provisioner") as (client, _):
        await apply(client, desired(all_units(), max_bytes=1 << 24))
    async with signed_in(server, "intake") as (client, _):
        await client.jetstream().publish("evt.intake.household.registered.v1.0", b"{}", headers={"Nats-Msg-Id": str(uuid4())})
    yield server
    server.stop()


@asynccontextmanager
async def signed_in(server: EmbeddedNats, user: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """(client, what the server denied it)."""
    denied: list[str] = []

    async def note(error: Exception) -> None:
        denied.append(str(error).lower())

    url = server.url.replace("://", f"://{user}:{PASSWORDS[user]}@")
    client = await nats.connect(url, inbox_prefix=f"_INBOX_{user}".encode(), error_cb=note, allow_reconnect=False)
    try:
        yield client, denied
    finally:
        await client.close()


async def everything(server: EmbeddedNats) -> dict[str, Any]:
    """Settings and positions of all streams and consumers, but for what our own looking changes."""
    found: dict[str, Any] = {}
    async with signed_in(server, "provisioner") as (client, _):
        call = api_of(client)
        for stream in (await call("STREAM.LIST"))["streams"]:
            if (name := stream["config"]["name"]) == "ADVISORY":
                continue
            found[name] = (stream["config"], stream["created"], {key: stream["state"][key] for key in ("messages", "first_seq", "last_seq")})
            for info in (await call(f"CONSUMER.LIST.{name}"))["consumers"]:
                kept = ("config", "delivered", "ack_floor", "num_ack_pending", "num_pending")
                found[f"{name}/{info['name']}"] = {key: info.get(key) for key in kept}
    return found


async def attack(client: Client, one: Attack) -> None:
    if one.listens:
        await client.subscribe(one.subject)
    else:
        await client.publish(one.subject, one.data, reply=one.reply, headers=one.headers or None)
    await client.flush()


@pytest.mark.parametrize("one", [*EIGHT, *MORE], ids=lambda one: one.name)
async def test_a_unit_s_credential_does_not_help_with(broker: EmbeddedNats, one: Attack) -> None:
    before = await everything(broker)
    async with signed_in(broker, ATTACKER) as (client, denied):
        await attack(client, one)
        what = "subscription to" if one.listens else "publish to"
        await eventually(lambda: denied, 5)
        assert f'permissions violation for {what} "{one.subject.lower()}"' in denied[0]
    assert await everything(broker) == before


@pytest.mark.parametrize("url", ["nats://127.0.0.1", "nats://notify:guessed@127.0.0.1", "nats://mayor:x@127.0.0.1"])
async def test_an_outsider_does_not_even_get_in(broker: EmbeddedNats, url: str) -> None:
    async def quiet(_: Exception) -> None:
        return

    with pytest.raises(NatsError, match=r"(?i)authorization violation"):
        await nats.connect(f"{url}:{broker.port}", allow_reconnect=False, error_cb=quiet, connect_timeout=2)


# ── the same calls on what is one's own ───────────────────────────
PROBES = [
    Attack("its own voice", f"evt.{ATTACKER}.case.opened.v1.0"),
    Attack("its own canary", f"evt.{ATTACKER}.canary.sung.v1.0", headers={"Nats-TTL": "1h"}),
    Attack("its own stream's state", f"$JS.API.STREAM.INFO.{stream_of(ATTACKER)}"),
    Attack("its own message", *api(f"STREAM.MSG.GET.{stream_of(ATTACKER)}", seq=1)),
    Attack("its consumer's state", f"$JS.API.CONSUMER.INFO.EVT_INTAKE.{OURS}"),
    Attack("its position", *api(f"CONSUMER.RESET.EVT_INTAKE.{OURS}", seq=1)),
    Attack("its audit", *api(f"CONSUMER.RESET.{stream_of(ATTACKER)}.{audit_name(ATTACKER)}", seq=1)),
    Attack("names of streams", "$JS.API.STREAM.NAMES"),
    Attack("names of consumers", "$JS.API.CONSUMER.NAMES.EVT_INTAKE"),
    Attack("a repair in its own name", f"svc.intake.repair.{ATTACKER}"),
    Attack("a disclosure in its own name", f"svc.intake.disclose.{ATTACKER}"),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
async def test_a_unit_has(broker: EmbeddedNats, probe: Attack) -> None:
    async with signed_in(broker, ATTACKER) as (client, denied):
        try:
            await client.request(probe.subject, probe.data, headers=probe.headers or None, timeout=2)
        except NoRespondersError:  # nobody serves `svc.` here; the question itself was let through
            assert probe.subject.startswith("svc.")
        assert denied == []


@pytest.mark.parametrize("name", ["seen", "unusual"])
async def test_the_center_asks_a_domain_that_joined_later_without_a_new_credential(broker: EmbeddedNats, name: str) -> None:
    """The grant is a wildcard over units: a fifth domain needs no reload of the broker and no restart of the center to be asked."""
    async with signed_in(broker, "cases-center") as (client, denied):
        with pytest.raises(NoRespondersError):
            await client.request(f"svc.cases-housing.{name}.cases-center", b"{}", timeout=2)
        assert denied == []
        await client.publish(f"svc.cases-housing.{name}.notify", b"{}")
        await client.publish("svc.cases-housing.disclose.cases-center", b"{}")
        await client.flush()
        await eventually(lambda: len(denied) == 2, 5)


async def test_a_unit_has_its_messages_again_after_a_reset(broker: EmbeddedNats) -> None:
    for _ in range(2):
        async with signed_in(broker, ATTACKER) as (client, _):
            await api_of(client)(f"CONSUMER.RESET.EVT_INTAKE.{OURS}", {"seq": 1})
        messages = await pulled(broker, ATTACKER, "EVT_INTAKE", OURS)
        assert [message.subject for message in messages] == ["evt.intake.household.registered.v1.0"]


@pytest.mark.parametrize("ack", ["$JS.ACK.EVT_INTAKE.{0}.1.1.1.1700000000000000000.0", "$JS.ACK._.hash.EVT_INTAKE.{0}.1.1.1.1700000000000000000.0"])
async def test_a_unit_acknowledges_its_own_in_both_formats(broker: EmbeddedNats, ack: str) -> None:
    async with signed_in(broker, ATTACKER) as (client, denied):
        await client.publish(ack.format(OURS), b"+ACK")
        await client.flush()
        await asyncio.sleep(0.2)
        assert denied == []


# ── what permissions cannot stop ──────────────────────────────────
#: The server publishes its own answers wherever the asker's reply subject points, without asking for the asker's right to publish there.
DIVERTED = [
    Attack("an answer of the API", f"$JS.API.STREAM.INFO.{stream_of(ATTACKER)}", b""),
    Attack("a message of one's own", *api(f"STREAM.MSG.GET.{stream_of(ATTACKER)}", seq=1)),
    Attack("an acknowledgement of a publication", f"evt.{ATTACKER}.case.opened.v1.0"),
    Attack("a delivery of one's own audit", f"$JS.API.CONSUMER.MSG.NEXT.{stream_of(ATTACKER)}.{audit_name(ATTACKER)}", b"1"),
    Attack("a delivery of a foreign event", f"$JS.API.CONSUMER.MSG.NEXT.EVT_INTAKE.{OURS}", b"1"),
]


@pytest.mark.parametrize("one", DIVERTED, ids=lambda one: one.name)
async def test_what_the_server_can_be_made_to_store_in_a_foreign_stream_is_no_event(broker: EmbeddedNats, one: Attack) -> None:
    """A forged event with all its headers waits in the attacker's own stream; whatever arrives in notify's stream, no consumer takes it for one."""
    household = str(uuid4())
    subject = f"evt.{VICTIM}.alert.raised.v1.{household[-1]}"
    forged = {
        "ce-specversion": "1.0", "ce-id": str(uuid4()), "ce-source": f"/{VICTIM}", "ce-type": "jp.tsunagari.alert.raised.v1",
        "ce-subject": household, "ce-time": "2026-01-01T00:00:00Z", "ce-channel": "alert", "ce-subjectseq": "1", "ce-outboxpos": "999999",
        "ce-datacontenttype": "application/json",
    }  # fmt: skip
    async with signed_in(broker, ATTACKER) as (client, denied):
        await client.jetstream().publish(f"evt.{ATTACKER}.case.opened.v1.0", b"{}", headers=forged)
        await client.publish(one.subject, one.data, reply=subject)
        await client.flush()
        await asyncio.sleep(0.3)
        assert denied == []
    for hearer in ("cases-center", VICTIM):
        name = consumer_name(hearer, VICTIM) if hearer != VICTIM else audit_name(VICTIM)
        for message in await pulled(broker, hearer, stream_of(VICTIM), name):
            assert isinstance(received(message, VICTIM).content, EnvelopeError)
            assert received(message, VICTIM).household is None


async def pulled(server: EmbeddedNats, user: str, stream: str, consumer: str) -> list[Any]:
    async with signed_in(server, user) as (client, _):
        client._parse_header_lines = header_lines  # type: ignore[method-assign]
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", b'{"batch": 50, "no_wait": true}', reply=inbox)
        found = []
        while (message := await subscription.next_msg(2)).reply:
            found.append(message)
        return found
