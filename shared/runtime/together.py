"""Shared commits: work that arrives while a commit is under way goes into the next transaction together.

Many requests then pay for one BEGIN, one statement for all their events, one COMMIT and one fsync. Members run one after the other in the
order they came, so each sees what those before it wrote, and a household's events keep their order.

A member that fails takes nobody with it: all is rolled back and each member is run again alone, in the same order. Only a failure of the COMMIT
itself goes to everybody: whether it happened is not known then, and doing it again could do it twice.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.runtime.telemetry import context_headers

if TYPE_CHECKING:
    from shared.runtime.database import Database, Transaction

T = TypeVar("T")
#: members of one transaction at most: what the slowest of them waits for
MOST = 64


@dataclass
class _Member:
    """One caller. `context` is the caller's own (its span is the creation context of its events)."""

    work: "Callable[[Transaction], Awaitable[Any]]"
    context: Context
    done: "asyncio.Future[Any]"


@dataclass(frozen=True)
class _Worked:
    member: _Member
    tx: "Transaction"
    result: Any


class _NotCommitted(Exception):
    """The cause came before COMMIT was sent, or PostgreSQL refused it: nothing of this transaction is there."""


class Together:
    """Of one database. One shared transaction at a time; whoever comes meanwhile waits for the next."""

    def __init__(self, db: "Database") -> None:
        self._db = db
        self._waiting: deque[_Member] = deque()
        self._running: asyncio.Task[None] | None = None

    async def run(self, work: "Callable[[Transaction], Awaitable[T]]") -> T:
        """Returns after the commit. A caller that is cancelled before its turn is left out; one that is cancelled later may be committed."""
        member = _Member(work, copy_context(), asyncio.get_running_loop().create_future())
        self._waiting.append(member)
        if self._running is None:
            self._running = asyncio.create_task(self._all(), context=Context())
        result: T = await member.done
        return result

    async def close(self) -> None:
        """Whoever still waits is told so."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _all(self) -> None:
        try:
            while self._waiting:
                await self._group([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))])
        finally:
            self._running = None
            for member in self._waiting:
                member.done.cancel()
            self._waiting.clear()

    async def _group(self, group: list[_Member]) -> None:
        """One transaction for all; when it fails, one for each."""
        members = [member for member in group if not member.done.cancelled()]
        try:
            self._tell(await self._commit(members))
        except _NotCommitted as failure:
            if len(members) > 1:
                for member in members:
                    await self._group([member])
            else:
                _refuse(members, failure.__cause__ or failure)
        except BaseException as error:
            _refuse(members, error)
            if not isinstance(error, Exception):
                raise

    async def _commit(self, members: Sequence[_Member]) -> list[_Worked]:
        """Raises _NotCommitted when nothing was written for sure."""
        asked = False
        try:
            async with self._db.engine.connect() as connection, connection.begin():
                worked = [await self._work(connection, member) for member in members]
                await self._write(connection, worked)
                asked = True
        except IntegrityError as error:  # PostgreSQL may look at constraints as late as at the COMMIT
            raise _NotCommitted from error
        except Exception as error:
            if asked:
                raise
            raise _NotCommitted from error
        return worked

    async def _work(self, connection: AsyncConnection, member: _Member) -> _Worked:
        from shared.runtime.database import Transaction

        tx = Transaction(connection, datetime.now(UTC), self._db.unit)

        async def work() -> Any:
            result = await member.work(tx)
            await tx._flush_plans()
            return result

        try:
            return _Worked(member, tx, await asyncio.create_task(work(), context=member.context))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("the work cancelled itself") from None

    async def _write(self, connection: AsyncConnection, worked: Sequence[_Worked]) -> None:
        """All events in one statement. It also proves the transaction sound: one that a member broke and kept silent about would otherwise
        be rolled back by a COMMIT that reports success."""
        from shared.messaging import outbox
        from shared.runtime.database import write_all

        writes: dict[Executable, list[Mapping[str, Any]]] = {}
        for statement, rows in (write for one in worked for write in one.tx._writes.items()):
            writes.setdefault(statement, []).extend(rows)
        await write_all(connection, writes)
        events = [event for one in worked for event in one.tx._events]
        spans = [span for one in worked for span in [one.member.context.run(context_headers)] * len(one.tx._events)]
        if events:
            await outbox.append(connection, self._db.unit, events, datetime.now(UTC), spans)
        elif worked:
            await connection.exec_driver_sql("select")

    def _tell(self, worked: Sequence[_Worked]) -> None:
        for one in worked:
            self._db.committed(one.tx)
            if not one.member.done.done():
                one.member.done.set_result(one.result)


def _refuse(members: Sequence[_Member], error: BaseException) -> None:
    for member in members:
        if not member.done.done():
            member.done.set_exception(error) if isinstance(error, Exception) else member.done.cancel()
