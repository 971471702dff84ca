"""A world of its own for each test: real processes on free ports, in a folder that stays when the test fails."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.faults.world import World

Worlds = Callable[..., Awaitable[World]]


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
        shutil.rmtree(world.home, ignore_errors=True)
