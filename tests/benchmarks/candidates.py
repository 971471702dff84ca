"""「同じ世帯かもしれません」 over the whole fictional city, and how fast a register of 28,012 people comes in."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nats

from deploy.onebox.home import read_json
from shared.messaging.provision import api_of
from tests.benchmarks.figures import Section, milliseconds, percentile
from tests.benchmarks.main_job import RECEPTION, client
from tests.conftest import ROOT, Box

SEARCHES = 200
#: seconds the other units get to hear of everybody before the searches begin
PATIENCE = 150.0


async def measure(box: Box, section: Section) -> None:
    register = box.home / "register.jsonl"
    with register.open("w") as out:
        await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "deploy.city", "people"], cwd=ROOT, stdout=out, check=True)
    people = [member for line in register.read_text().splitlines() for member in json.loads(line)["members"]]
    await _import(box, section, register, len(people))
    await _search(box, section, people)


async def _import(box: Box, section: Section, register: Path, people: int) -> None:
    manifest = read_json(box.home / "box.json")
    environment = {**os.environ, "DATABASE_URL": manifest["databases"]["intake"]}
    began = time.perf_counter()
    loader = subprocess.Popen([sys.executable, "-m", "services.intake.load_register", str(register)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = await asyncio.to_thread(os.wait4, loader.pid, 0)
    loader.returncode = os.waitstatus_to_exitcode(status)
    assert loader.returncode == 0, "the register was not loaded"
    took = time.perf_counter() - began
    section.add(f"whole register into the running box: {people:,} people", f"{took:.1f} s, {people / took:,.0f} people/s", "≤ 30 s (P11)", took <= 30)
    section.add("memory of the loader", f"{usage.ru_maxrss / 1024:.0f} MB")
    left, units = await _heard(manifest["nats_provisioner_url"])
    waited = time.perf_counter() - began
    section.add(f"until all {units} consumers of intake have heard it", f"{waited:.0f} s" + (f", {left:,} deliveries left" if left else ""))


async def _heard(url: str) -> tuple[int, int]:
    """Waits; (deliveries left, consumers)."""
    broker = await nats.connect(url)
    api, deadline = api_of(broker), time.perf_counter() + PATIENCE
    try:
        while True:
            names = (await api("CONSUMER.NAMES.EVT_INTAKE"))["consumers"]
            infos = [await api(f"CONSUMER.INFO.EVT_INTAKE.{name}") for name in names]
            left = sum(info["num_pending"] + info["num_ack_pending"] for info in infos)
            if not left or time.perf_counter() > deadline:
                return left, len(names)
            await asyncio.sleep(0.25)
    finally:
        await broker.close()


async def _search(box: Box, section: Section, people: list[dict[str, Any]]) -> None:
    chance = random.Random(28012)
    asked = [_typed(chance, chance.choice(people)) for _ in range(SEARCHES + 20)]
    times, shown = [], 0
    async with client(box, RECEPTION) as page:
        for form in asked:
            began = time.perf_counter()
            answer = await page.post("/intake/_part/candidates", data=form, headers={"hx-request": "true"})
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text[:500]
            shown += "data-candidate" in answer.text or "つなぐ" in answer.text
    times = times[20:]
    section.add(f"POST /intake/_part/candidates, {SEARCHES} different people, p50 / p95", milliseconds(times, 0.5, 0.95), "p95 ≤ 20 ms (P9)", percentile(times, 0.95) <= 0.02)
    section.add("searches that found a household", f"{shown} of {len(asked)}")


def _typed(chance: random.Random, person: dict[str, Any]) -> dict[str, str]:
    """What a desk has typed so far: the reading, half the time with one letter wrong; sometimes the name or the birthday too."""
    kana = person["kana"]
    if chance.random() < 0.5 and len(kana) > 5:
        at = chance.randrange(len(kana) - 1)
        kana = kana[:at] + "ン" + kana[at + 1 :]
    form = {"kana": kana}
    if chance.random() < 0.5:
        form["name"] = person["name"]
    if chance.random() < 0.5:
        form["birth"] = person["birth"]
    return form
