"""A fifth domain joins a running town: nobody is restarted, nobody is refused, and what the newcomer says is heard."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.onebox.home import ROOT
from deploy.onebox.ports import free_port
from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from tests.deploy.reception import RECEPTION, Load, ask, browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TITLE = "外国人住民の窓口"
CASEWORKER = Staff("migrants-1", "見本 migrants", frozenset({"caseworker"}), domains=frozenset({"migrants"}))
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".tsunagari", "__pycache__", "node_modules", ".*_cache", "tests", "docs")


@dataclass
class Tree:
    """A copy of the sources with a box of its own: a new domain writes into the tree, and must not write into ours."""

    root: Path
    home: Path
    port: int

    def run(self, *module: str, **environment: str) -> subprocess.CompletedProcess[str]:
        # Run in the copy: its own folder comes before the checkout that .venv knows of.
        given = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "NATS_URL", "PYTHONPATH"}}
        environment = {"TSUNAGARI_HOME": str(self.home), "PORT": str(self.port), "TSUNAGARI_HOUSEHOLDS": "0", **environment}
        done = subprocess.run(
            [sys.executable, "-m", *module], cwd=self.root, env={**given, **environment}, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("deploy.onebox", "status", "--json").stdout)
        return answer

    def processes(self) -> dict[str, tuple[int, float]]:
        """name → (pid, when it was created): a restart changes at least one of them."""
        return {one["name"]: (one["pid"], psutil.Process(one["pid"]).create_time()) for one in self.status()["programs"]}


@pytest.fixture
def tree() -> Iterator[Tree]:
    folder = Path(tempfile.mkdtemp(prefix="tsunagari-tree-"))
    folder.chmod(0o755)
    shutil.copytree(ROOT, folder / "tree", ignore=LEFT_OUT)
    tree = Tree(folder / "tree", folder / "home", free_port())
    try:
        tree.run("deploy.onebox", "up")
        yield tree
    finally:
        with suppress(AssertionError):
            tree.run("deploy.onebox", "down")
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_new_domain_joins_under_load_and_nobody_else_is_restarted(tree: Tree) -> None:
    before = tree.processes()
    async with browser(tree.home, RECEPTION) as reception, browser(tree.home, CASEWORKER) as caseworker:
        load = Load(reception)
        running = asyncio.create_task(load.run())
        await asyncio.to_thread(tree.run, "deploy.onebox.new_domain", "migrants", TITLE)
        await asyncio.to_thread(tree.run, "deploy.onebox", "up")

        after = await asyncio.to_thread(tree.processes)
        assert set(after) - set(before) == {"cases-migrants"}
        assert {name: after[name] for name in before} == before
        assert (await asyncio.to_thread(tree.status))["up"]

        # It is known: notify keeps its name, and reception may refer to it.
        for unit in ("notify", "intake"):
            await eventually(lambda unit=unit: announced(tree, unit), 30)
        await load.take("cases-migrants")
        (referral,) = await eventually(lambda: ask(tree.home, "cases-migrants", "select * from referral where version = 1"), 30)
        # What it says is heard: an accepted referral opens a case, and notify's place in the newcomer's stream moves.
        heard = await position(tree)
        answer = await caseworker.post(f"/d/migrants/referrals/{referral['referral_id']}/accept", data={"version": "1"})
        assert answer.status_code in (200, 303), answer.text
        await eventually(lambda: heard_more(tree, heard), 30)
        load.stop.set()
        await running
        assert load.refused == []
        await eventually(lambda: everything_arrived(tree, load.taken), 60)
    (kept,) = await ask(tree.home, "intake", "select count(*) from consultation")
    assert kept["count"] == load.taken > 20
    assert (await asyncio.to_thread(tree.processes)) == after


async def announced(tree: Tree, unit: str) -> bool:
    return bool(await ask(tree.home, unit, "select 1 from announced_unit where unit = 'cases-migrants' and title = $1", TITLE))


async def position(tree: Tree) -> int:
    rows = await ask(tree.home, "notify", "select stream_seq from consumer_cursor where name = 'notify--cases-migrants--p0'")
    return int(rows[0]["stream_seq"]) if rows else 0


async def heard_more(tree: Tree, than: int) -> bool:
    return await position(tree) > than


async def everything_arrived(tree: Tree, taken: int) -> bool:
    """Every consultation of the load has become a referral at the desk it was for."""
    elderly = await ask(tree.home, "cases-elderly", "select count(*) from referral")
    migrants = await ask(tree.home, "cases-migrants", "select count(*) from referral")
    return int(elderly[0]["count"]) + int(migrants[0]["count"]) == taken
