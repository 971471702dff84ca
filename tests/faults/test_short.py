"""The short seeded run of `make test`: one world, a handful of kills and a freeze, then the whole judgement."""

from random import Random

import pytest

from tests.faults.conftest import Worlds
from tests.faults.freezes import FreezeInTransaction
from tests.faults.kills import KillAtAPlace, KillBackend, KillNats
from tests.faults.run import endure

SEED = 20260401


@pytest.mark.timeout(400)
async def test_kills_and_a_freeze_lose_nothing_double_nothing_and_keep_the_order(worlds: Worlds) -> None:
    world = await worlds(seed=SEED, rate=25.0)
    faults = [KillNats(), KillAtAPlace("relay: published, not marked"), KillBackend(), FreezeInTransaction(longest=3.0)]
    result = await endure(world, faults, Random(SEED))
    assert result.findings == ()
    assert result.counts["kills"] >= 5
    assert result.events > 100
