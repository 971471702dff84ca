"""「同じ世帯かもしれません」 over the whole fictional city, and how fast its register comes in."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import nats

from deploy.onebox.home import read_json
from shared.messaging.provision import api_of
from tests.benchmarks.figures import Section, milliseconds, percentile
from tests.benchmarks.main_job import RECEPTION, browser
from tests.benchmarks.one_box import Processors
from tests.conftest import ROOT, Box

SEARCHES, WARM_UP = 200, 20
#: seconds we watch the other units catch up
WATCHED = 20.0


async def measure(box: Box, section: Section) -> None:
    await asyncio.to_thread(box.run, "up", "--only", "intake")
    register = box.home / "register.jsonl"
    with register.open("w") as out:
        await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "deploy.city", "people"], cwd=ROOT, stdout=out, check=True)
    people = [member for line in register.read_text().splitlines() for member in json.loads(line)["members"]]
    manifest = read_json(box.home / "box.json")
    await _import(section, register, len(people), manifest["databases"]["intake"])
    await _search(box, section, people)
    await asyncio.to_thread(box.run, "up")
    await _catch_up(box, section, manifest["nats_provisioner_url"])


async def _import(section: Section, register: Path, people: int, database: str) -> None:
    environment = {**os.environ, "PROFILE": "onebox", "DATABASE_URL": database}
    began = time.perf_counter()
    loader = subprocess.Popen([sys.executable, "-m", "services.intake.load_register", register], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = await asyncio.to_thread(os.wait4, loader.pid, 0)
    loader.returncode = os.waitstatus_to_exitcode(status)
    assert loader.returncode == 0, "the register was not loaded"
    took = time.perf_counter() - began
    measured = f"{took:.1f} s, {people / took:,.0f} people/s, {usage.ru_maxrss / 1024:.0f} MB"
    section.add(f"`load_register` of {people:,} people", measured, "≤ 30 s (P11)", took <= 30)
    outbox = await asyncpg.connect(database.replace("+asyncpg", "", 1))
    while await outbox.fetchval("select exists (select from outbox where published_at is null)"):
        await asyncio.sleep(0.1)
    events = await outbox.fetchval("select count(*) from outbox")
    await outbox.close()
    section.add(f"until the relay has carried their {events:,} events", f"{time.perf_counter() - began:.1f} s after the loader began")


async def _catch_up(box: Box, section: Section, url: str) -> None:
    """The other units hear of everybody: deliveries a second of all of them together, and whose processor that takes."""
    broker = await nats.connect(url, inbox_prefix="_INBOX_provisioner")
    api, clock = api_of(broker), Processors(box)
    names = (await api("CONSUMER.NAMES.EVT_INTAKE"))["consumers"]

    async def left() -> int:
        infos = [await api(f"CONSUMER.INFO.EVT_INTAKE.{name}") for name in names]
        return sum(info["num_pending"] + info["num_ack_pending"] for info in infos)

    before, began = await left(), time.perf_counter()
    await asyncio.sleep(WATCHED)
    rate = (before - await left()) / (time.perf_counter() - began)
    await broker.close()
    section.add(f"the {len(names)} units that hear of them, together", f"{rate:,.0f} deliveries/s ({before:,} to hear)")
    section.add("processor of the box meanwhile, % of one core", clock.told())


async def _search(box: Box, section: Section, people: list[dict[str, Any]]) -> None:
    chance, times, found = random.Random(28012), [], 0
    async with browser(box, RECEPTION) as page:
        for _ in range(WARM_UP + SEARCHES):
            form = _typed(chance, chance.choice(people))
            began = time.perf_counter()
            answer = await page.post("/intake/_part/candidates", data=form, headers={"hx-request": "true"})
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text[:500]
            found += "この世帯につなぐ" in answer.text
    times = times[WARM_UP:]
    good = percentile(times, 0.95) <= 0.02
    section.add(f"candidates for {SEARCHES} people, p50 / p95 through the gateway", milliseconds(times, 0.5, 0.95), "p95 ≤ 20 ms (P9)", good)
    section.add("of which found a household", f"{found} of {WARM_UP + SEARCHES}")


def _typed(chance: random.Random, person: dict[str, Any]) -> dict[str, str]:
    """What the desk has typed so far: the reading, half the time with one letter wrong; the name and the birthday half the time."""
    kana = person["kana"]
    if chance.random() < 0.5:
        at = chance.randrange(1, len(kana) - 1)
        kana = f"{kana[:at]}ン{kana[at + 1 :]}"
    return {"kana": kana} | {name: person[name] for name in ("name", "birth") if chance.random() < 0.5}
