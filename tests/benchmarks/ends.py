"""Processes of one run: the web end, the hearing end, and who knocks at the door. Each answers commands through a pipe."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import uuid4

import psutil
import uvicorn
import uvloop

from tests.benchmarks.contenders.job import Contender, Heard

SPAWN = get_context("spawn")
#: connections of the clients; at a given rate more are opened when all are busy
CLIENTS = 32
HOMES = [str(uuid4()) for _ in range(1000)]


async def web(pipe: Connection, contender: Contender, database: str, broker: str, port: int) -> None:
    options: dict[str, Any] = {"loop": "uvloop", "http": "httptools", "log_level": "warning", "access_log": False, "timeout_keep_alive": 600}
    config = uvicorn.Config(contender.web(database, broker), port=port, **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    pipe.send("ready")
    await serving


async def hear(pipe: Connection, contender: Contender, database: str, broker: str) -> None:
    heard = Heard()
    async with contender.hear(heard, database, broker):
        pipe.send("ready")
        while command := await asyncio.to_thread(pipe.recv):
            pipe.send((await heard.report(**command), heard.twice))


async def knock(pipe: Connection, port: int) -> None:
    door = Door(port)
    pipe.send("ready")
    while command := await asyncio.to_thread(pipe.recv):
        pipe.send(await door.knock(**command))


@dataclass
class Door:
    """HTTP/1.1 by hand over kept connections: the cheapest client we could write, since it shares the cores with those it measures."""

    port: int

    def __post_init__(self) -> None:
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def knock(self, seconds: float, rate: float | None = None, homes: list[str] | None = None) -> dict[str, Any]:
        """As fast as CLIENTS can, or at a rate whatever the answers take. When the 201 of each mark came."""
        answered: dict[str, float] = {}
        refused: list[str] = []
        homes = homes or HOMES
        began = time.monotonic()

        async def one(number: int) -> None:
            mark = str(uuid4())
            if await self._post(f'{{"household_id":"{homes[number % len(homes)]}","mark":"{mark}"}}'):
                answered[mark] = time.monotonic()
            else:
                refused.append(mark)

        async def client(number: int) -> None:
            while time.monotonic() < began + seconds:
                await one(number := number + CLIENTS)

        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds) if rate else CLIENTS):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()) if rate else 0)
                group.create_task(one(number) if rate else client(number))
        return {"began": began, "answered": answered, "refused": len(refused)}

    async def _post(self, body: str) -> bool:
        """True when the answer is a 201."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self.port)
        head = f"POST /facts HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        self._free.append((reader, writer))
        return answer.startswith(b"HTTP/1.1 201")


def _run(end: Callable[..., Awaitable[None]], pipe: Connection, *given: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(end(pipe, *given))  # type: ignore[arg-type]


@dataclass
class End:
    process: BaseProcess
    pipe: Connection

    @classmethod
    @contextmanager
    def running(cls, end: Callable[..., Awaitable[None]], *given: Any) -> Iterator["End"]:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=_run, args=(end, theirs, *given), daemon=True)
        process.start()
        theirs.close()  # so that its end is an EOFError here
        try:
            started = cls(process, ours)
            started.pipe.recv()  # ready
            yield started
        finally:
            process.terminate()
            process.join()

    def ask(self, **command: Any) -> Any:
        self.pipe.send(command)
        return self.pipe.recv()

    @property
    def megabytes(self) -> float:
        return float(psutil.Process(self.process.pid).memory_full_info().pss) / 1024**2
