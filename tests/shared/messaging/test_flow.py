"""From commit to effect: nothing without a commit, nothing twice, everything in order."""

import pytest

from tests.shared.messaging.town import ALPHA, BETA, Town, household, registered, retracted


async def test_a_committed_event_has_its_effect_elsewhere(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    await town.worker(BETA)
    home = household()
    await town.say(ALPHA, registered(home), retracted(home), registered(home))
    await town.until_effects(BETA, 3)
    assert await town.effects(BETA, home) == [("household", 1), ("fact", 1), ("household", 2)]


async def test_nothing_is_published_without_a_commit(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    await town.worker(BETA)

    async def said_and_failed() -> None:
        async with (await town.db(ALPHA)).transaction() as tx:
            tx.publish(registered(household()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await said_and_failed()
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 1)
    assert await town.rows(ALPHA, "select 1 from outbox_sequence") == [(1,)]
    assert len(await town.effects(BETA)) == 1
