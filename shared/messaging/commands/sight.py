"""What one unit's backbone looks like, read from its database and the broker, so that it can be seen while the unit is down."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from shared.messaging import sql
from shared.messaging.commands.place import DATABASE_AWAY, PATIENCE, BrokerAway, Place
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.names import source_in
from shared.runtime.database import Database

#: seconds; the same limits as the unit's own readiness
LATE_AFTER, STILL_AFTER, GAP_AFTER = 30.0, 60.0, 5.0
#: a canary is sung once a minute; an audit of the newest part is made every few minutes
CANARY_AFTER, AUDIT_AFTER = 180.0, 3600.0

_COUNTS = """
select (select count(*) from outbox where published_at is null)::int as pending,
       (select count(*) from outbox where published_at is null and blocked_reason is not null)::int as blocked,
       (select extract(epoch from clock_timestamp() - created_at) from outbox where published_at is null order by pos limit 1)::float8 as oldest,
       (select count(*) from held_event)::int as held,
       (select count(*) from dead_event where state = 'parked')::int as dead,
       (select count(distinct (source, household)) from consumer_subject where state <> 'ok')::int as set_aside,
       (select count(*) from held_event where reason = 'gap')::int as gaps,
       (select extract(epoch from clock_timestamp() - min(first_seen)) from held_event where reason = 'gap')::float8 as oldest_gap,
       (select count(*) from intent where state in ('unknown', 'given_up'))::int as intents,
       (select count(*) from timer where try_at < clock_timestamp() - interval '60 s')::int as timers,
       exists (select from worker_lease where name = 'relay' and until > clock_timestamp()) as relay_led,
       to_regclass('outbox_stream') is not null as knows_stream
"""
#: to_jsonb: a database of the version before has fewer columns
_STREAM = """
select to_jsonb(s) as known, extract(epoch from clock_timestamp() - (to_jsonb(s) ->> 'audited_at')::timestamptz)::float8 as audited,
       extract(epoch from clock_timestamp() - (to_jsonb(s) ->> 'whole_audit_at')::timestamptz)::float8 as whole
from outbox_stream s
"""
_CURSORS = """
select c.name, c.source, c.stream_seq, extract(epoch from clock_timestamp() - c.moved_at)::float8 as moved,
       extract(epoch from (to_jsonb(c) ->> 'canary_seen')::timestamptz - (to_jsonb(c) ->> 'canary_sent')::timestamptz)::float8 as canary,
       extract(epoch from clock_timestamp() - (to_jsonb(c) ->> 'canary_seen')::timestamptz)::float8 as canary_ago,
       exists (select from worker_lease l where l.name = c.name and l.until > clock_timestamp()) as led
from consumer_cursor c order by c.source
"""


@dataclass
class ConsumerSight:
    """`lag`: what the broker still has for it, None when it cannot be asked. Seconds throughout."""

    name: str
    source: str
    position: int
    led: bool
    moved_seconds_ago: float | None = None
    canary_seconds: float | None = None
    canary_seconds_ago: float | None = None
    lag: int | None = None


@dataclass
class UnitSight:
    """One unit. `attention` lists codes of what a person should look at (deploy/runbooks/messaging.md has each)."""

    unit: str
    #: has a stream of its own
    speaks: bool = True
    database: bool = False
    broker: bool = False
    attention: list[str] = field(default_factory=list)
    relay_led: bool = False
    pending: int = 0
    oldest_pending_seconds: float = 0.0
    blocked: int = 0
    held: int = 0
    dead: int = 0
    households_set_aside: int = 0
    gaps: int = 0
    oldest_gap_seconds: float | None = None
    intents_for_a_person: int = 0
    timers_overdue: int = 0
    stream_messages: int | None = None
    stream_full: float | None = None
    audited_seconds_ago: float | None = None
    whole_audit_seconds_ago: float | None = None
    losses: int = 0
    holes: int = 0
    strangers: int = 0
    older_than_stream_since: str | None = None
    consumers: list[ConsumerSight] = field(default_factory=list)


async def look(place: Place) -> UnitSight:
    """Never raises for a server that is away: that is part of the answer."""
    sight = UnitSight(place.unit.code, speaks=bool(place.unit.publishes))
    await asyncio.gather(_database(place, sight), _broker(place, sight))
    sight.attention = attention(sight)
    return sight


async def _database(place: Place, sight: UnitSight) -> None:
    db = Database(place.settings.database_url.get_secret_value(), place.unit.code, pool_size=1)
    try:
        async with asyncio.timeout(PATIENCE), db.read() as rd:
            await _counts(sight, rd.connection)
        sight.database = True
    except DATABASE_AWAY:
        pass
    finally:
        await db.close()


async def _counts(sight: UnitSight, connection: Any) -> None:
    row = (await sql.rows(connection, _COUNTS))[0]
    sight.relay_led, sight.pending, sight.blocked, sight.oldest_pending_seconds = row.relay_led, row.pending, row.blocked, row.oldest or 0.0
    sight.held, sight.dead, sight.households_set_aside = row.held, row.dead, row.set_aside
    sight.gaps, sight.oldest_gap_seconds = row.gaps, row.oldest_gap
    sight.intents_for_a_person, sight.timers_overdue = row.intents, row.timers
    knows_stream = row.knows_stream
    for row in await sql.rows(connection, _CURSORS):
        one = _consumer(sight, row.name, row.source)
        one.position, one.led, one.moved_seconds_ago = row.stream_seq, row.led, row.moved
        one.canary_seconds, one.canary_seconds_ago = row.canary, row.canary_ago
    if knows_stream:
        await _known_stream(sight, connection)


async def _known_stream(sight: UnitSight, connection: Any) -> None:
    for row in await sql.rows(connection, _STREAM):
        sight.audited_seconds_ago, sight.whole_audit_seconds_ago = row.audited, row.whole
        sight.losses, sight.holes, sight.strangers = (int(row.known.get(name) or 0) for name in ("losses", "holes", "strangers"))
        sight.older_than_stream_since = row.known.get("older_since")


def _consumer(sight: UnitSight, name: str, source: str) -> ConsumerSight:
    """The one of this name: whichever of database and broker answers first makes it, the other completes it."""
    for known in sight.consumers:
        if known.name == name:
            return known
    made = ConsumerSight(name, source, 0, False)
    sight.consumers.append(made)
    return made


async def _broker(place: Place, sight: UnitSight) -> None:
    try:
        async with place.link() as link:
            if sight.speaks:
                await _own_stream(place, link, sight)
            await _lags(place, link, sight)
        sight.broker = True
    except (BrokerAway, BrokerError, *AWAY):
        pass


async def _own_stream(place: Place, link: Link, sight: UnitSight) -> None:
    info = await link.api(f"STREAM.INFO.{place.unit.stream}")
    sight.stream_messages = int(info["state"]["messages"])
    if (limit := int(info["config"].get("max_bytes", -1))) > 0:
        sight.stream_full = round(int(info["state"]["bytes"]) / limit, 4)


async def _lags(place: Place, link: Link, sight: UnitSight) -> None:
    streams = [name for name in (await link.api("STREAM.NAMES")).get("streams") or [] if name.startswith("EVT_")]
    await asyncio.gather(*(_lag_in(place, link, sight, stream) for stream in streams))


async def _lag_in(place: Place, link: Link, sight: UnitSight, stream: str) -> None:
    for name in (await link.api(f"CONSUMER.NAMES.{stream}")).get("consumers") or []:
        if source := source_in(name, place.unit.code):
            info = await link.api(f"CONSUMER.INFO.{stream}.{name}")
            _consumer(sight, name, source).lag = int(info["num_pending"]) + int(info["num_ack_pending"])


def attention(sight: UnitSight) -> list[str]:
    """Codes of what needs a person, the worst first. Pure."""
    if not sight.database:
        return ["database_away", *([] if sight.broker else ["broker_away"])]
    found = {
        "older_than_stream": sight.older_than_stream_since is not None,
        "broker_away": not sight.broker,
        "events_wait": sight.oldest_pending_seconds > LATE_AFTER,
        "rows_blocked": sight.blocked > 0,
        "relay_not_led": sight.speaks and not sight.relay_led,
        "consumer_not_led": any(not one.led for one in sight.consumers),
        "consumer_late": any(is_late(one) for one in sight.consumers),
        "dead": sight.dead > 0,
        "set_aside": sight.households_set_aside > 0,
        "gap": (sight.oldest_gap_seconds or 0) > GAP_AFTER,
        "stream_filling": (sight.stream_full or 0) > 0.7,
        "strangers": sight.strangers > 0,
        "audit_old": (sight.audited_seconds_ago or 0) > AUDIT_AFTER,
        "canary_late": any((one.canary_seconds_ago or 0) > CANARY_AFTER for one in sight.consumers),
        "intents_wait": sight.intents_for_a_person > 0,
        "timers_overdue": sight.timers_overdue > 0,
    }
    return [code for code, holds in found.items() if holds]


def is_late(one: ConsumerSight) -> bool:
    """The broker has something for it and it has not moved."""
    return bool(one.lag) and (one.moved_seconds_ago is None or one.moved_seconds_ago > STILL_AFTER)
