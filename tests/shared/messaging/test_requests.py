"""Questions between units: answered by one worker, refused by a code, never hanging."""

import pytest
from opentelemetry import trace

from shared.messaging import Handlers, RequestFailed, RequestRefused, Worker, WorkerContext
from shared.messaging.link import AWAY
from shared.runtime.problems import Refusal
from tests.shared.messaging.town import ALPHA, BETA, Town


class NoBasis(Refusal):
    code = "no_legal_basis"


def adding() -> Handlers:
    handlers = Handlers()

    @handlers.serve("add")
    async def add(request: bytes, context: WorkerContext, asker: str) -> bytes:
        if request == b"refuse":
            raise NoBasis
        if request == b"trace":
            return f"{trace.get_current_span().get_span_context().trace_id:032x}".encode()
        return str(sum(int(word) for word in request.split())).encode()

    return handlers


async def asker(town: Town) -> Worker:
    await town.worker(BETA, adding())
    await town.worker(BETA, adding())
    worker = await town.worker(ALPHA)
    for known in town.workers:
        await known.link.up.wait()
    return worker


async def test_a_question_is_answered_once(town: Town) -> None:
    worker = await asker(town)
    assert [await worker.context.request("beta.add", b"1 2"), await worker.context.request("svc.beta.add", b"3 4")] == [b"3", b"7"]
    assert sum(known.responders.answered for known in town.workers) == 2


async def test_a_refusal_comes_back_as_its_code(town: Town) -> None:
    worker = await asker(town)
    with pytest.raises(RequestRefused, match="no_legal_basis"):
        await worker.context.request("beta.add", b"refuse")


async def test_a_bug_on_the_other_side_tells_nothing_of_itself(town: Town) -> None:
    worker = await asker(town)
    with pytest.raises(RequestFailed):
        await worker.context.request("beta.add", b"one two")


async def test_nobody_there_is_an_error_and_no_waiting(town: Town) -> None:
    worker = await town.worker(ALPHA)
    await worker.link.up.wait()
    with pytest.raises(AWAY):
        await worker.context.request("beta.add", b"1")
