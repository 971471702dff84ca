"""A world of its own for each test: real processes on free ports, in a folder that stays when the test fails."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.world import World

Worlds = Callable[..., Awaitable[World]]
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    if report.failed:
        item.stash[_FAILED] = True
    return report  # type: ignore[return-value]


@pytest.fixture
async def worlds(request: pytest.FixtureRequest) -> AsyncIterator[Worlds]:
    begun: list[World] = []

    async def begin(kind: type[World] = World, **options: object) -> World:
        home = Path(tempfile.mkdtemp(prefix="tsunagari-faults-"))
        world = kind(home, **options)  # type: ignore[arg-type]
        begun.append(world)
        await world.begin()
        return world

    yield begin
    for world in begun:
        await world.end()
        if not request.node.stash.get(_FAILED, False):
            shutil.rmtree(world.home, ignore_errors=True)
