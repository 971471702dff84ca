"""Somebody deletes streams of the running box: it is noticed, they are made and filled again, nothing is lost, no alert is raised twice."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import nats
import pytest

from deploy.onebox.home import read_json
from shared.messaging.provision import api_of
from shared.runtime.testing import eventually
from tests.conftest import Box, start_box
from tests.deploy import reception
from tests.deploy.reception import RECEPTION, Load, ask, browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DESKS = ("cases-elderly", "cases-poverty")


@pytest.fixture(scope="module")
def alone() -> Iterator[Box]:
    home = Path(tempfile.mkdtemp(prefix="tsunagari-lost-"))
    home.chmod(0o755)
    box = start_box(home)
    yield box
    box.run("down", check=False)
    shutil.rmtree(home, ignore_errors=True)


def eighty_fifty(_: str) -> dict[str, object]:
    """An 8050 household for two desks: notify raises an alert for each such consultation."""
    mother = {"role": "head", "name": "計測 文子", "kana": "ケイソク フミコ", "birth": "S18.4.1", "care_level": "support2"}
    son = {"role": "child", "name": "計測 一郎", "kana": "ケイソク イチロウ", "birth": "S48.5.5", "withdrawn": "3", "employment": "not_seeking"}
    told = {"topics": ["03", "12", "13"], "text": "8年ほど外に出ていない。", "urgency": "D", "consent": "not_asked", "area": "UNKNOWN"}
    both = mother | {f"member-0-{name}": value for name, value in son.items()}
    return {"form_key": str(uuid4()), "route": "3", **both, **told, "refer_to": list(DESKS)}


async def delete(box: Box, *streams: str) -> None:
    client = await nats.connect(read_json(box.home / "box.json")["nats_provisioner_url"], inbox_prefix=b"_INBOX_provisioner")
    for stream in streams:
        await api_of(client)(f"STREAM.DELETE.{stream}")
    await client.close()


async def test_deleted_streams_cost_no_event_and_no_second_alert(alone: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "sheet", eighty_fifty)
    async with browser(alone.home, RECEPTION) as page:
        load = Load(page, every=0.2)
        running = asyncio.create_task(load.run())
        await eventually(lambda: load.taken >= 10, 60)
        await delete(alone, "EVT_INTAKE")
        await eventually(lambda: load.taken >= 20, 60)
        await delete(alone, "EVT_NOTIFY", "EVT_CASES_POVERTY")
        await eventually(lambda: load.taken >= 30, 60)
        load.stop.set()
        await running
    assert load.refused == []
    for desk in DESKS:
        await eventually(lambda desk=desk: counted(alone, desk, "select count(*) from referral", load.taken), 90)
    await eventually(lambda: counted(alone, "notify", "select count(distinct household_id) from alert", load.taken), 90)
    twice = await ask(alone.home, "notify", "select household_id, rule_id from alert group by 1, 2 having count(*) > 1")
    said = await ask(alone.home, "notify", "select event_id from outbox where type like '%alert.raised%'")
    (alerts,) = await ask(alone.home, "notify", "select count(*) from alert")
    assert (twice, len(said)) == ([], alerts["count"])
    (lost,) = await ask(alone.home, "intake", "select losses, lost_events from outbox_stream")
    assert lost["losses"] >= 1, "it was noticed"
    assert lost["lost_events"] > 0
    for unit in ("intake", "notify", "cases-poverty"):
        await eventually(lambda unit=unit: counted(alone, unit, "select count(*) from outbox where published_at is null", 0), 60)


async def counted(box: Box, unit: str, statement: str, wanted: int) -> bool:
    return bool((await ask(box.home, unit, statement))[0][0] == wanted)
