"""Answers who saw a household here, out of this unit's audit. Registered in every worker whose manifest serves "seen".

Who may ask is the broker's to prove (the asker stands in the subject); that the person may, the policies say; that it was asked, the audit keeps.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Row, text

from shared.contracts.seen import MOST, SeenAnswer, SeenEntry, SeenRequest
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Read
from shared.runtime.policies import Gate, Place, Reader, may_enter
from shared.runtime.problems import NotAllowed, Refusal

if TYPE_CHECKING:
    from shared.messaging import Handlers, WorkerContext

SEEN = "seen"
#: what intake knows and nobody else: the household of a receipt number
Find = Callable[[Read, str], Awaitable[UUID | None]]

_COLUMNS = """
select id, at, actor, roles, action, object_kind, object_id, household_id, cardinality(households) as listed, purpose, legal_basis, returned,
  decision, terminal, trace_id
from audit
"""
_WHEN = "at >= :since and at < :until and id < :before and (cast(:actor as text) is null or actor = :actor)"
#: two indexes, two branches: an OR over both would read the whole period
_OF_HOUSEHOLD = f"""
select * from (
  ({_COLUMNS} where household_id = :household_id and {_WHEN} order by id desc limit :most)
  union
  ({_COLUMNS} where households <> '{{}}' and households @> array[cast(:household_id as uuid)] and {_WHEN} order by id desc limit :most)
) found order by id desc limit :most
"""  # noqa: S608 — our own constants
_OF_EVERYBODY = f"{_COLUMNS} where {_WHEN} and (household_id is not null or households <> '{{}}') order by id desc limit :most"
_FIRST = 2**62


class UnreadableQuestion(Refusal):
    status = 422
    code = "unreadable"
    sentence = "問い合わせを読めません。"


def serve_seen(handlers: "Handlers", find: Find | None = None) -> None:
    @handlers.serve(SEEN)
    async def seen(request: bytes, context: "WorkerContext", asker: str) -> bytes:
        try:
            asked = SeenRequest.model_validate_json(request)
        except ValidationError:
            raise UnreadableQuestion from None
        person = Staff(asked.by, "", frozenset(asked.roles))
        if not may_enter(Reader(person.roles), Place(context.db.unit), Gate.READ_AUDIT):
            raise NotAllowed
        async with context.db.transaction() as tx:
            if asked.receipt_no and find:
                found = SeenAnswer(household_id=await find(tx, asked.receipt_no))
            else:
                found = await who_saw(tx, asked)
            await note_the_asking(tx, person, asked, asker)
        return found.model_dump_json(exclude_defaults=True).encode()


async def who_saw(handle: Read, asked: SeenRequest) -> SeenAnswer:
    """One answer's worth of rows, the newest first."""
    if asked.receipt_no:
        return SeenAnswer()
    statement = _OF_HOUSEHOLD if asked.household_id else _OF_EVERYBODY
    bound: dict[str, Any] = {"since": asked.since, "until": asked.until, "before": asked.before or _FIRST, "most": MOST + 1}
    bound |= {"actor": asked.actor} | ({"household_id": asked.household_id} if asked.household_id else {})
    rows = await handle.rows(text(statement), bound)
    entries = tuple(_entry(row) for row in rows[:MOST])
    return SeenAnswer(entries=entries, before=entries[-1].row if len(rows) > MOST else None)


def _entry(row: Row[Any]) -> SeenEntry:
    about_one = row.listed == 0
    return SeenEntry(
        row=row.id, at=row.at, actor=row.actor, roles=tuple(row.roles), action=row.action, object_kind=row.object_kind,
        object_id=row.object_id if about_one else None, household_id=row.household_id, shown=row.listed + (row.household_id is not None),
        purpose=row.purpose, legal_basis=row.legal_basis, returned=tuple(row.returned), decision=row.decision, terminal=row.terminal,
        trace_id=row.trace_id,
    )  # fmt: skip


async def note_the_asking(handle: Read, person: Staff, asked: SeenRequest, asker: str) -> None:
    """After the reading, so that an answer does not hold its own question. Pages after the first are the same question."""
    if asked.before is None:
        about = "receipt" if asked.receipt_no else "household" if asked.household_id else "staff" if asked.actor else "period"
        await audit.record(handle, person, "ask_audit", about, asker, household_id=asked.household_id, purpose=asked.why)
