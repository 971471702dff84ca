"""Conference drafts in the center's database."""

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from services.cases.center.conference import Convening, Draft, DraftState, Reason
from shared.contracts.conference import Forum
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, Lane
from shared.runtime import rights
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

_SAVE = text(
    """
    insert into conference_draft (conference_id, household_id, state, forum, lane, reasons, due, created_at, updated_at)
    values (:conference_id, :household_id, :state, :forum, :lane, cast(:reasons as jsonb), :due, :now, :now)
    on conflict (conference_id) do update set state = excluded.state, forum = excluded.forum, lane = excluded.lane, reasons = excluded.reasons,
      due = excluded.due, updated_at = excluded.updated_at
    where conference_draft.state <> 'closed'
    """
)
_DRAFT = """
select d.*, c.forum as convened_forum, c.units, c.staff, c.convened_on, c.ends_on, c.closed_on, h.area, who.name
from conference_draft d left join conference c on c.conference_id = d.conference_id left join household h on h.household_id = d.household_id
left join lateral (select i.name from identity i where i.household_id = d.household_id order by i.birth nulls last limit 1) who on true
"""
_DRAFTS = f"{_DRAFT} where d.state = 'draft' order by d.due, d.conference_id limit 50 offset :skip"
_CONVENED = f"{_DRAFT} where d.state = 'convened' order by c.ends_on, d.conference_id limit 50"
_AMONG = f"{_DRAFT} where d.conference_id = any(:ids) order by c.ends_on, d.conference_id"
_ONE = f"{_DRAFT} where d.conference_id = :id"
#: 招集した会議より、まだ招集していない案が先
_OF_HOUSEHOLD = f"{_DRAFT} where d.household_id = :id and d.state in ('draft', 'convened') order by d.state desc, d.due for update of d"
_ANOTHER = text(
    """
    select exists (select from conference where household_id = :household and forum = :forum and conference_id <> :id
      and closed_on is null and ends_on >= :today)
    """
)


def _reason(raw: dict[str, Any]) -> Reason:
    return Reason(
        UUID(raw["alert_id"]),
        raw["rule_id"],
        Lane(raw["lane"]),
        tuple(raw["domains"]),
        datetime.fromisoformat(raw["raised_at"]),
        datetime.fromisoformat(raw["due"]),
    )


def draft_of(row: Row[Any]) -> Draft:
    reasons = tuple(_reason(raw) for raw in row.reasons)
    return Draft(row.conference_id, HouseholdId(row.household_id), reasons, DraftState(row.state), _convening(row))


def _convening(row: Row[Any]) -> Convening | None:
    if row.convened_forum is None:
        return None
    return Convening(Forum(row.convened_forum), tuple(row.units), tuple(row.staff), row.convened_on, row.ends_on, row.closed_on)


async def drafts_of_household(tx: Transaction, household_id: HouseholdId) -> list[Draft]:
    """開いている案と、招集した会議。新しい理由は先頭のものに足す。"""
    return [draft_of(row) for row in await tx.rows(text(_OF_HOUSEHOLD), {"id": household_id})]


async def draft(handle: Read, conference_id: UUID, *, to_change: bool = False) -> Draft:
    row = await handle.row(text(_ONE + (" for update of d" if to_change else "")), {"id": conference_id})
    if row is None:
        raise NotFound
    return draft_of(row)


async def another(handle: Read, draft: Draft, forum: Forum, on: date) -> bool:
    """この世帯で、同じ種類の会議がほかに続いているか。"""
    values = {"household": draft.household_id, "forum": forum.value, "id": draft.conference_id, "today": on}
    return bool(await handle.scalar(_ANOTHER, values))


async def convened(handle: Read) -> list[Row[Any]]:
    """招集した会議、終わりの近い順。"""
    return list(await handle.rows(text(_CONVENED)))


async def with_conferences(handle: Read, forum: Forum) -> list[HouseholdId]:
    """招集した会議が続いている世帯。"""
    query = text("select distinct household_id from conference_draft where state = 'convened' and forum = :forum order by household_id")
    return [HouseholdId(row.household_id) for row in await handle.rows(query, {"forum": forum.value})]


async def among(handle: Read, ids: list[UUID]) -> list[Row[Any]]:
    return list(await handle.rows(text(_AMONG), {"ids": ids})) if ids else []


async def save_conference(tx: Transaction, outcome: Outcome[Draft]) -> None:
    """招集や終わりを記録し、知らせる。会議の表は、ほかの窓口が聞いて書くのと同じ道で書く。"""
    await save_draft(tx, outcome.state)
    for event in outcome.events:
        await rights.keep(tx, event)
    tx.publish(*outcome.events)


async def drafts(handle: Read, page: int = 1) -> list[Row[Any]]:
    """開いている案、期限の近い順。"""
    return list(await handle.rows(text(_DRAFTS), {"skip": (page - 1) * 50}))


async def count_drafts(handle: Read) -> int:
    return int(await handle.scalar(text("select count(*) from conference_draft where state = 'draft'")))


async def save_draft(tx: Transaction, saved: Draft) -> None:
    await tx.execute(
        _SAVE,
        {
            "conference_id": saved.conference_id,
            "household_id": saved.household_id,
            "state": saved.state.value,
            "forum": saved.forum.value,
            "lane": saved.lane.value,
            "reasons": _json(saved),
            "due": saved.due,
            "now": tx.now,
        },
    )


def _json(saved: Draft) -> str:
    return json.dumps(
        [
            {
                "alert_id": str(reason.alert_id),
                "rule_id": reason.rule_id,
                "lane": reason.lane.value,
                "domains": list(reason.domains),
                "raised_at": reason.raised_at.isoformat(),
                "due": reason.due.isoformat(),
            }
            for reason in saved.reasons
        ]
    )
