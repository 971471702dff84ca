"""Effects outside: planned in the transaction, done after commit, repeated with the same key, handed to a person when nobody can know."""

import asyncio

import pytest

from shared.messaging import GiveUp, Handlers, Intent, OutcomeUnknown, WorkerContext, intents
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, Town

_STATE = "select state, attempts, last_error from intent"


async def plan(town: Town, key: str = "k1") -> None:
    async with (await town.db(ALPHA)).transaction() as tx:
        tx.intend("letter", key, {"to": "cases-children"})


def posting(tries: list[Intent], *errors: Exception, repeatable: bool = True) -> Handlers:
    """Fails with each error in turn, then succeeds."""
    handlers = Handlers()

    @handlers.intent("letter", repeatable=repeatable)
    async def post(intent: Intent, context: WorkerContext) -> None:
        tries.append(intent)
        if len(tries) <= len(errors):
            raise errors[len(tries) - 1]

    return handlers


async def state(town: Town, expected: str) -> None:
    async def reached() -> bool:
        return [row.state for row in await town.rows(ALPHA, _STATE)] == [expected]

    await eventually(reached)


async def test_an_intent_is_done_once_after_its_commit(town: Town) -> None:
    tries: list[Intent] = []
    await plan(town)
    await plan(town)  # the same key again is the same intent
    await town.worker(ALPHA, posting(tries))
    await town.worker(ALPHA, posting(tries))
    await state(town, "done")
    assert [(intent.key, intent.payload) for intent in tries] == [("k1", {"to": "cases-children"})]


async def test_without_a_commit_nothing_is_intended(town: Town) -> None:
    async def intended_and_failed() -> None:
        async with (await town.db(ALPHA)).transaction() as tx:
            tx.intend("letter", "k1", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await intended_and_failed()
    assert await town.rows(ALPHA, _STATE) == []


async def test_a_failing_attempt_is_repeated_with_the_same_key(town: Town) -> None:
    tries: list[Intent] = []
    await town.worker(ALPHA, posting(tries, OSError(), OSError()))
    await plan(town)
    await state(town, "done")
    assert [intent.idempotency_key for intent in tries] == ["letter/k1"] * 3


async def test_after_quick_tries_it_waits_in_its_row(town: Town) -> None:
    tries: list[Intent] = []
    await plan(town)
    await town.worker(ALPHA, posting(tries, *[OSError()] * 3))
    await eventually(
        lambda: town.rows(ALPHA, "select 1 from intent where state = 'pending' and claimed_until is null and try_at > now() + interval '2 s'")
    )
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.connection.exec_driver_sql("update intent set try_at = now()")
    await state(town, "done")
    assert (await town.rows(ALPHA, _STATE))[0].attempts == 2


@pytest.mark.parametrize(("error", "expected"), [(GiveUp(), "given_up"), (OutcomeUnknown(), "unknown")])
async def test_what_cannot_be_repeated_waits_for_a_person(town: Town, error: Exception, expected: str) -> None:
    tries: list[Intent] = []
    await plan(town)
    worker = await town.worker(ALPHA, posting(tries, error))
    await state(town, expected)
    await eventually(lambda: worker.intents.waiting_for_a_person == 1)
    assert len(tries) == 1


async def test_after_many_attempts_a_person_is_asked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "GIVE_UP_AFTER", 1)
    await plan(town)
    await town.worker(ALPHA, posting([], *[OSError()] * 3))
    await state(town, "given_up")


@pytest.mark.parametrize(("repeatable", "expected"), [(True, "done"), (False, "unknown")])
async def test_a_worker_that_died_in_the_middle(town: Town, repeatable: bool, expected: str) -> None:
    tries: list[Intent] = []
    await plan(town)
    async with (await town.db(ALPHA)).transaction() as tx:  # claimed, and never heard of again
        await tx.connection.exec_driver_sql("update intent set claimed_until = now() - interval '1 s', attempts = 1")
    await town.worker(ALPHA, posting(tries, repeatable=repeatable))
    await state(town, expected)
    assert len(tries) == (1 if repeatable else 0)


async def test_a_timeout_of_what_must_not_be_repeated_is_unknown(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "TIME_LIMIT", 0.2)
    handlers = Handlers()

    @handlers.intent("letter", repeatable=False)
    async def post(intent: Intent, context: WorkerContext) -> None:
        await asyncio.Event().wait()

    await plan(town)
    await town.worker(ALPHA, handlers)
    await state(town, "unknown")
