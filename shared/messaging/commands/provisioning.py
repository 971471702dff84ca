"""`provision`: streams, consumers and permissions as the manifests want them, first as a difference, then made so."""

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from nats.aio.client import Client

from shared.messaging.commands.operator import Acting, Reason, Who, Why
from shared.messaging.commands.place import Places, places
from shared.messaging.commands.say import Answer, Json, Refused, answer
from shared.messaging.link import BrokerError
from shared.messaging.permissions import accounts_text
from shared.messaging.provision import Desired, api_of, apply, desired, diff
from shared.runtime.unit import TREE, Unit, all_units

Diff = Annotated[bool, typer.Option("--diff", help="違いを見る / show the difference")]
Apply = Annotated[bool, typer.Option("--apply", help="そのとおりにする / make it so")]
MaxBytes = Annotated[int | None, typer.Option(help="ストリームの上限（既定は今のまま）/ per stream; default: as it is")]
Replicas = Annotated[int | None, typer.Option(help="複製の数（既定は今のまま）/ default: as it is")]

_PASSWORD = re.compile(r'password: "[^"]*"')


def register(app: typer.Typer) -> None:
    app.command("provision")(provision)


def provision(
    show: Diff = False, make: Apply = False, max_bytes: MaxBytes = None, replicas: Replicas = None, reason: Why = None, operator: Who = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """ブローカーを unit.toml のとおりにする / make the broker as the manifests say.

    --json: {"ok", "applied": bool, "changes": [str], "accounts": [str]}; ok is false while something differs."""
    if show == make:
        raise Refused("--diff か --apply のどちらかを付けてください。", "Say --diff or --apply.")
    acting = Acting(reason or Reason.CONFIGURATION, operator) if make else None
    answer(_provision(places(), acting, max_bytes, replicas), as_json)


async def _provision(all_places: Places, acting: Acting | None, max_bytes: int | None, replicas: int | None) -> Answer:
    units = list(all_places.units) if len(all_places.all) > 1 else list(all_units())
    async with all_places.provisioner() as client:
        wanted = await _wanted(client, units, max_bytes, replicas)
        changes = [change.what for change in await diff(client, wanted)]
        if acting and changes:
            await _audited(all_places, changes, acting)
            changes = await apply(client, wanted)
    accounts = _accounts_differ(wanted)
    ok = not accounts and (acting is not None or not changes)
    lines = changes or ["ストリームと聞き手は unit.toml のとおりです / streams and consumers are as the manifests say"]
    if accounts:
        lines = [*lines, *accounts, "権限は make down と make up で入れ替わります / permissions change with `make down` and `make up`"]
    return Answer({"ok": ok, "applied": acting is not None, "changes": changes, "accounts": accounts}, ok, lines)


async def _wanted(client: Client, units: Sequence[Unit], max_bytes: int | None, replicas: int | None) -> Desired:
    """Size and replicas stay as they are unless told: they belong to the machine, not to a manifest."""
    now = await _present(client, units)
    return desired(units, max_bytes=max_bytes or now.get("max_bytes", 1 << 29), replicas=replicas or now.get("num_replicas", 1))


async def _present(client: Client, units: Sequence[Unit]) -> dict[str, Any]:
    for unit in units:
        try:
            config: dict[str, Any] = (await api_of(client)(f"STREAM.INFO.{unit.stream}"))["config"]
        except BrokerError:
            continue
        return config
    return {}


async def _audited(all_places: Places, changes: Sequence[str], acting: Acting) -> None:
    """Written before it is done, in the database of every unit that it concerns."""
    for place in all_places.all:
        if any(place.unit.stream in change or f"{place.unit.code}--" in change for change in changes):
            async with place.database() as db, db.transaction() as tx:
                await acting.record(tx, "provision", "stream", place.unit.stream)


def _accounts_differ(wanted: Desired) -> list[str]:
    """Lines of the broker's accounts that are not as wanted, without passwords. Empty where the configuration is not on this machine."""
    file = Path(os.environ.get("TSUNAGARI_HOME") or TREE / ".tsunagari").expanduser() / "nats" / "nats.conf"
    if os.environ.get("DATABASE_URL") or not file.exists():
        return []
    names = [user.user for user in wanted.users] + ["provisioner", "observer", "sys"]
    want = _PASSWORD.sub('password: "…"', accounts_text(list(wanted.users), dict.fromkeys(names, ""))).splitlines()
    has = _PASSWORD.sub('password: "…"', file.read_text(encoding="utf-8")).partition("system_account")
    if not has[1]:
        return []  # a broker without accounts
    lines = difflib.unified_diff((has[1] + has[2]).rstrip().splitlines(), want, "nats.conf", "unit.toml", n=0, lineterm="")
    return [line if len(line) < 300 else f"{line[:300]}…" for line in lines]
