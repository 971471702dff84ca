"""A box of two real unit packages and a box.json, so that `tsunagari messaging …` can be run as an operator runs it."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shared.messaging.commands.__main__ import app
from shared.messaging.commands.say import Refused
from shared.runtime.unit import Unit
from tests.shared.messaging.town import Town

_MANIFEST = """
code = "{code}"
title = "{code}"
package = "{package}"
base = "/{code}"
publishes = {publishes}
consumes = {consumes}
database = "{code}"
migrations = ["shared/messaging/migrations", "shared/runtime/migrations"]
owners = ["o"]
contact = "c"
"""
_WORKER = """
from {handlers} import handlers
from shared.messaging import Worker
from shared.runtime.unit import Unit

def create_worker(settings, db):
    return Worker(Unit.load("{package}"), settings, db, handlers())
"""


@dataclass
class Ran:
    code: int
    out: str
    refused: Refused | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class OperatorsBox:
    """`alpha` speaks, `beta` hears it with the handlers of `handlers` (a dotted module with a function `handlers`)."""

    town: Town
    home: Path
    alpha: Unit
    beta: Unit

    async def write(self) -> None:
        units = (self.alpha, self.beta)
        dbs = {unit.code: (await self.town.db(unit)).engine.url.render_as_string(hide_password=False) for unit in units}
        content = {
            "url": "http://localhost:1",
            "units": {unit.code: {"package": unit.package, "base": unit.base, "url": "http://127.0.0.1:1"} for unit in units},
            "databases": dbs,
            "brokers": dict.fromkeys(dbs, self.town.url),
            "nats_provisioner_url": self.town.url,
        }
        (self.home / "box.json").write_text(json.dumps(content))

    async def run(self, *words: str, under: str = "messaging") -> Ran:
        """`tsunagari messaging <words>`, in a thread: it has an event loop of its own."""
        done = await asyncio.to_thread(CliRunner().invoke, app, [under, *words])
        if isinstance(done.exception, Refused):
            return Ran(done.exception.exit_code, done.output, done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Ran(done.exit_code, done.output)

    async def audited(self, unit: Unit) -> list[tuple[str, str, str, str | None]]:
        rows = await self.town.rows(unit, "select actor, action, object_kind, purpose from audit order by id")
        return [tuple(row) for row in rows]


def package(folder: Path, code: str, handlers: str, publishes: list[str], consumes: list[str]) -> Unit:
    name = f"{folder.name}_{code}".replace("-", "_")
    root = folder / name
    root.mkdir()
    manifest = _MANIFEST.format(code=code, package=name, publishes=json.dumps(publishes), consumes=json.dumps(consumes))
    (root / "unit.toml").write_text(manifest)
    (root / "__init__.py").write_text("")
    (root / "worker.py").write_text(_WORKER.format(handlers=handlers, package=name))
    return Unit.read(root / "unit.toml")


async def operators_box(town: Town, folder: Path, monkeypatch: pytest.MonkeyPatch, handlers: str) -> OperatorsBox:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("TSUNAGARI_HOME", str(folder))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    alpha = package(folder, "alpha", handlers, ["household", "fact", "domain"], [])
    beta = package(folder, "beta", handlers, ["fact"], ["alpha:household", "alpha:fact"])
    box = OperatorsBox(town, folder, alpha, beta)
    await town.provision(alpha, beta)
    await box.write()
    return box


def forget(folder: Path) -> None:
    for name in [name for name in sys.modules if name.startswith(f"{folder.name}_")]:
        del sys.modules[name]
