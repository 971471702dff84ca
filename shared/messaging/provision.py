"""Streams, consumers and permissions, made from the units' manifests. Services never create or change any of them.

`desired(units)` says what must be; `diff` compares; `apply` makes it so and may be run as often as one likes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from nats.aio.client import Client

from shared.messaging.canary import CHANNEL
from shared.messaging.link import BrokerError, answer
from shared.messaging.names import audit_name, consumer_name
from shared.messaging.permissions import UserPermissions, accounts_text, permissions_of
from shared.runtime.unit import Unit

NANO = 1_000_000_000
ADVISORY = "ADVISORY"
_ADVISORIES = ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>", "$JS.EVENT.ADVISORY.STREAM.>"]
#: raised by provisioning, never made smaller: what is stored might not fit any more
GROWING = ("max_bytes", "num_replicas")
STREAM_NOT_FOUND, CONSUMER_NOT_FOUND = 10059, 10014


class ManifestError(ValueError):
    """Two manifests do not fit each other."""


@dataclass(frozen=True)
class StreamWanted:
    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class ConsumerWanted:
    stream: str
    name: str
    unit: str
    source: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Desired:
    streams: tuple[StreamWanted, ...]
    consumers: tuple[ConsumerWanted, ...]
    users: tuple[UserPermissions, ...] = field(default=())


def sources_of(unit: Unit, units: Sequence[Unit]) -> dict[Unit, list[str]]:
    """Which units this one hears, and on which of their channels. Its own events only when named without a wildcard.

    Raises ManifestError for a source named outright that does not publish the channel."""
    heard: dict[str, list[str]] = {}
    for other in units:
        for subscription in unit.consumes:
            exact = subscription.source == other.code
            if not (exact or (subscription.covers(other.code) and other.code != unit.code)):
                continue
            if subscription.channel in other.publishes:
                heard.setdefault(other.code, []).append(subscription.channel)
            elif exact:
                raise ManifestError(f"{unit.code} consumes {other.code}:{subscription.channel}, which {other.code} does not publish")
    return {other: sorted(set(heard[other.code])) for other in units if other.code in heard}


def desired(units: Sequence[Unit], *, replicas: int = 1, max_bytes: int = 1 << 29) -> Desired:
    """One stream per unit that speaks, one consumer per (unit, source), one user per unit.

    The server sets `max_bytes` aside per stream and refuses a stream for which the disk has no room (10047).
    Raises ManifestError when the manifests contradict each other."""
    _contradict(units)
    speaking = [unit for unit in units if unit.publishes]
    streams = [stream_config(unit, replicas, max_bytes) for unit in speaking]
    consumers = [consumer_config(unit, source, channels) for unit in units for source, channels in sources_of(unit, units).items()]
    consumers += [audit_config(unit) for unit in speaking]
    users = [permissions_of(unit, [source for source in sources_of(unit, units)]) for unit in units]
    return Desired((*streams, _advisories(replicas)), tuple(consumers), tuple(users))


def _contradict(units: Sequence[Unit]) -> None:
    """Two units may not share a name: one would speak in the other's stream, or write into its database."""
    for what in ("code", "stream", "database"):
        names = [getattr(unit, what) for unit in units]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ManifestError(f"several units have the {what} {', '.join(twice)}")


def stream_config(unit: Unit, replicas: int, max_bytes: int) -> StreamWanted:
    """backbone.md §2.1. `discard: new` tells the relay when the stream is full; `old` would evict what nobody has read."""
    config = {
        "name": unit.stream,
        "subjects": [f"evt.{unit.code}.>"],
        "storage": "file",
        "num_replicas": replicas,
        "retention": "limits",
        "discard": "new",
        "max_age": 0,
        "max_bytes": max_bytes,
        "max_msg_size": 64 * 1024,
        "duplicate_window": 120 * NANO,
        "allow_atomic": True,
        "allow_rollup_hdrs": False,
        "allow_msg_ttl": True,  # for the canary; what the outbox holds is never given one
        "allow_direct": False,
        "mirror_direct": False,
        "deny_delete": False,
        "deny_purge": True,
        "metadata": {"incarnation": "1"},
    }
    return StreamWanted(unit.stream, config)


def audit_config(unit: Unit) -> ConsumerWanted:
    """How a unit looks at its own stream: headers only, from wherever it asks."""
    name = audit_name(unit.code)
    config = {**_pulled(name), "filter_subjects": [f"evt.{unit.code}.>"], "headers_only": True}
    return ConsumerWanted(unit.stream, name, unit.code, unit.code, config)


def consumer_config(unit: Unit, source: Unit, channels: Sequence[str]) -> ConsumerWanted:
    name = consumer_name(unit.code, source.code)
    config = {**_pulled(name), "filter_subjects": [f"evt.{source.code}.{channel}.>" for channel in (*channels, CHANNEL)]}
    return ConsumerWanted(source.stream, name, unit.code, source.code, config)


def _pulled(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "durable_name": name,
        "deliver_policy": "all",
        "ack_policy": "all",
        "ack_wait": 300 * NANO,
        "max_deliver": -1,
        "max_ack_pending": 1024,
        "replay_policy": "instant",
    }


def _advisories(replicas: int) -> StreamWanted:
    """Advisories are lost when nobody listens; with `max_deliver: -1` this stream is an alarm, not a place for messages."""
    config = {
        "name": ADVISORY,
        "subjects": _ADVISORIES,
        "storage": "file",
        "num_replicas": replicas,
        "retention": "limits",
        "discard": "old",
        "max_msgs": 10_000,
        "max_age": 30 * 86_400 * NANO,
    }
    return StreamWanted(ADVISORY, config)


def accounts_conf(units: Sequence[Unit], passwords: Mapping[str, str]) -> str:
    """The `accounts` part of nats-server's configuration. `passwords` by unit code, plus "provisioner", "observer", "sys".

    Raises KeyError for a missing one. The text holds secrets: write it with mode 0600."""
    return accounts_text([permissions_of(unit, list(sources_of(unit, units))) for unit in units], passwords)


class _Api(Protocol):
    async def __call__(self, subject: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]: ...


def api_of(client: Client) -> _Api:
    async def call(subject: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return answer(await client.request(f"$JS.API.{subject}", json.dumps(body).encode() if body else b"", timeout=10))

    return call


@dataclass(frozen=True)
class Change:
    """`what` for people ("create stream EVT_INTAKE"); subject and body are the call that does it."""

    what: str
    subject: str
    body: Mapping[str, Any]


async def diff(client: Client, wanted: Desired) -> list[Change]:
    """What `apply` would do. What exists and is not wanted (an old unit's stream holds its record) is left alone."""
    api = api_of(client)
    changes = [change for stream in wanted.streams if (change := await _stream_change(api, stream))]
    missing = {change.body["name"] for change in changes if change.what.startswith("create stream")}
    for consumer in wanted.consumers:
        if change := await _consumer_change(api, consumer, consumer.stream in missing):
            changes.append(change)
    return changes


async def apply(client: Client, wanted: Desired) -> list[str]:
    """Makes it so; gives what was changed, nothing when all was right. Raises BrokerError when the server refuses a change."""
    api = api_of(client)
    changes = await diff(client, wanted)
    for change in changes:
        await api(change.subject, change.body)
    return [change.what for change in changes]


async def _stream_change(api: _Api, stream: StreamWanted) -> Change | None:
    try:
        has = (await api(f"STREAM.INFO.{stream.name}"))["config"]
    except BrokerError as error:
        if error.code != STREAM_NOT_FOUND:
            raise
        return Change(f"create stream {stream.name}", f"STREAM.CREATE.{stream.name}", stream.config)
    stream = replace(stream, config={**stream.config, **{name: _larger(has, stream.config, name) for name in GROWING if name in stream.config}})
    different = _different(has, stream.config)
    if not different:
        return None
    # The incarnation counts repairs: it is never set back by provisioning.
    metadata = {**(stream.config.get("metadata") or {}), **_ours(has.get("metadata"))}
    body = {**has, **stream.config, **({"metadata": metadata} if metadata else {})}
    return Change(f"update stream {stream.name}: {', '.join(different)}", f"STREAM.UPDATE.{stream.name}", body)


async def _consumer_change(api: _Api, consumer: ConsumerWanted, stream_is_new: bool) -> Change | None:
    subject = f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}"
    body = {"stream_name": consumer.stream, "config": consumer.config}
    try:
        if stream_is_new:
            raise BrokerError(CONSUMER_NOT_FOUND, "")
        has = (await api(f"CONSUMER.INFO.{consumer.stream}.{consumer.name}"))["config"]
    except BrokerError as error:
        if error.code != CONSUMER_NOT_FOUND:
            raise
        return Change(f"create consumer {consumer.name}", subject, {**body, "action": "create"})
    if "filter_subject" in has:
        has = {**has, "filter_subjects": [has["filter_subject"]]}
    different = _different(has, consumer.config)
    return Change(f"update consumer {consumer.name}: {', '.join(different)}", subject, {**body, "action": "update"}) if different else None


def _different(has: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Names of settings that differ. The server leaves out what is false or zero and adds metadata of its own."""

    def differs(name: str) -> bool:
        if name == "metadata":
            return not set(wanted[name]) <= set(has.get(name) or {})
        if name in ("subjects", "filter_subjects"):
            return sorted(has.get(name) or []) != sorted(wanted[name])
        return (has.get(name) or 0) != (wanted[name] or 0)

    return sorted(name for name in wanted if differs(name))


def _larger(has: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> int:
    """-1 is no limit."""
    old, new = int(has.get(name) or -1), int(wanted[name])
    return -1 if old < 0 else max(old, new)


def _ours(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (metadata or {}).items() if not key.startswith("_nats.")}
