"""Requests for approval, as they were typed. Every change locks the case first: who is second sees what the first did."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import tables
from services.cases.casework.approval import NotApproved, Request, RequestState
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import Entry
from services.cases.casework.refer import Offer
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId, HouseholdId
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

t = tables.approval
#: 一覧に出す、決めるのを待つものの数
AT_MOST = 200
#: 返事を、求めた人の一覧に出しておくあいだ
NEWS = timedelta(days=14)
_TYPED: dict[str, TypeAdapter[Entry] | TypeAdapter[Offer]] = {"fact": TypeAdapter(Entry), "referral": TypeAdapter(Offer)}


def kind_of(request: Request) -> str:
    return "fact" if isinstance(request.entry, Entry) else "referral"


async def ask(tx: Transaction, outcome: Outcome[Request]) -> bool:
    """False for the second press of the button."""
    state = outcome.state
    kind = kind_of(state)
    values: dict[str, Any] = {"request_id": state.request_id, "household_id": state.household_id, "case_id": state.case_id, "kind": kind}
    values |= {"entry": _TYPED[kind].dump_python(state.entry, mode="json"), "why_not_asked": state.why_not_asked, "asked_at": state.asked_at}  # type: ignore[arg-type]
    values |= {"by_sub": state.by.sub, "by_name": state.by.name, "state": state.state.value}
    return bool(await tx.execute(insert(t).values(values).on_conflict_do_nothing(index_elements=["request_id"])))


async def of_case(handle: Read, case_id: UUID) -> list[Request]:
    """このケースについて求めた承認。待っているものから、新しい順。"""
    rows = await handle.rows(select(t).where(t.c.case_id == case_id).order_by(t.c.state != RequestState.WAITING.value, t.c.asked_at.desc()))
    return [_request(row) for row in rows]


async def of_mine(handle: Read, me: str) -> list[Request]:
    """自分が求めた承認: 待っているものと、このごろの上司の返事。新しい順。"""
    answered = t.c.state.in_([RequestState.APPROVED.value, RequestState.DECLINED.value]) & (t.c.settled_at > handle.now - NEWS)
    mine = select(t).where(t.c.by_sub == me, (t.c.state == RequestState.WAITING.value) | answered)
    return [_request(row) for row in await handle.rows(mine.order_by(t.c.asked_at.desc(), t.c.request_id).limit(20))]


async def waiting(handle: Read) -> list[Request]:
    """決めるのを待つもの。古い順。"""
    rows = await handle.rows(select(t).where(t.c.state == RequestState.WAITING.value).order_by(t.c.asked_at, t.c.request_id).limit(AT_MOST))
    return [_request(row) for row in rows]


async def find(handle: Read, request_id: UUID) -> Request:
    """NotFound when there is none, or none that the reader may know of."""
    row = await handle.row(select(t).where(t.c.request_id == request_id))
    if row is None:
        raise NotFound
    return _request(row)


async def settle(tx: Transaction, outcome: Outcome[Request]) -> None:
    state, who = outcome.state, outcome.state.settled_by
    assert who
    values = {"state": state.state.value, "settled_at": state.settled_at, "settled_by": who.sub, "settled_by_name": who.name}
    values |= {"reason": state.reason.value if state.reason else None, "words": state.words}
    await tx.execute(update(t).where(t.c.request_id == state.request_id).values(values))


def _request(row: Row[Any]) -> Request:
    return Request(
        row.request_id, HouseholdId(row.household_id), CaseId(row.case_id), _TYPED[row.kind].validate_python(row.entry), row.why_not_asked,
        Caseworker(row.by_sub, row.by_name), row.asked_at, RequestState(row.state),
        Caseworker(row.settled_by, row.settled_by_name) if row.settled_by else None, row.settled_at,
        NotApproved(row.reason) if row.reason else None, row.words,
    )  # fmt: skip
