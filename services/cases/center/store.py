"""Conference drafts in the center's database."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from services.cases.center.conference import Draft, DraftState, Reason
from shared.contracts.event import HouseholdId, Lane
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

_SAVE = text(
    """
    insert into conference_draft (conference_id, household_id, state, forum, lane, reasons, due, created_at, updated_at)
    values (:conference_id, :household_id, :state, :forum, :lane, cast(:reasons as jsonb), :due, :now, :now)
    on conflict (conference_id) do update set state = excluded.state, forum = excluded.forum, lane = excluded.lane, reasons = excluded.reasons,
      due = excluded.due, updated_at = excluded.updated_at
    """
)
_DRAFTS = """
select d.*, h.area, who.name
from conference_draft d left join household h using (household_id)
left join lateral (select i.name from identity i where i.household_id = d.household_id order by i.birth nulls last limit 1) who on true
where d.state = 'draft' order by d.due, d.conference_id limit 50 offset :skip
"""


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
    return Draft(row.conference_id, HouseholdId(row.household_id), tuple(_reason(raw) for raw in row.reasons), DraftState(row.state))


async def draft_of_household(tx: Transaction, household_id: HouseholdId) -> Draft | None:
    row = await tx.row(text("select * from conference_draft where household_id = :id and state = 'draft' for update"), {"id": household_id})
    return draft_of(row) if row else None


async def draft(handle: Read, conference_id: UUID) -> Draft:
    row = await handle.row(text("select * from conference_draft where conference_id = :id"), {"id": conference_id})
    if row is None:
        raise NotFound
    return draft_of(row)


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
