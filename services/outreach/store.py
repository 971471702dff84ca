"""Loading and saving watches and referrals: state and events in one commit."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, select
from sqlalchemy.dialects.postgresql import insert

from services.outreach.referral import Answer, Referral, ReferralState
from services.outreach.tables import check_in, referral, watch
from services.outreach.watch import Outcome, Watch
from shared.contracts.consultation import Urgency
from shared.contracts.event import HouseholdId, LegalBasis
from shared.contracts.visit import CheckInOutcome, WatchTier
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound


class WatchNotFound(NotFound):
    code = "watch_not_found"
    sentence = "この見守りは見つかりません。見守り名簿から開いてください。"


class ReferralNotFound(NotFound):
    code = "referral_not_found"
    sentence = "このつなぎは見つかりません。つながれた世帯の一覧から開いてください。"


@dataclass(frozen=True, slots=True)
class CheckIn:
    """記録一つ。`id` は様式が持ってくるので、二度押しても一つになる。"""

    id: UUID
    watch_id: UUID
    outcome: CheckInOutcome
    at: datetime
    away_until: date | None
    memo: str
    by_sub: str
    by_name: str


async def load(handle: Read, watch_id: UUID, *, to_change: bool = False) -> Watch:
    query = select(watch).where(watch.c.id == watch_id)
    row = await handle.row(query.with_for_update() if to_change else query)
    if row is None:
        raise WatchNotFound
    return read_watch(row)


async def running_of(tx: Transaction, household_id: HouseholdId) -> list[Watch]:
    """その世帯の、終わっていない見守り。"""
    query = select(watch).where(watch.c.household_id == household_id, watch.c.ended_on.is_(None)).order_by(watch.c.id).with_for_update()
    return [read_watch(row) for row in await tx.rows(query)]


async def save(tx: Transaction, outcome: Outcome) -> None:
    await tx.execute(_upsert(watch, asdict(outcome.watch)))
    tx.publish(*outcome.events)


async def add_check_in(tx: Transaction, recorded: CheckIn) -> bool:
    """書き足す。同じ記録がもうあれば False（二度押し、送り直し）。"""
    statement = insert(check_in).values(**_plain(asdict(recorded)), recorded_at=tx.now).on_conflict_do_nothing()
    return await tx.execute(statement) == 1


async def load_referral(handle: Read, referral_id: UUID, *, to_change: bool = False) -> Referral:
    query = select(referral).where(referral.c.id == referral_id)
    row = await handle.row(query.with_for_update() if to_change else query)
    if row is None:
        raise ReferralNotFound
    return read_referral(row)


async def arrived(tx: Transaction, new: Referral) -> bool:
    """届いたつなぎを置く。もうあれば False（二度届いた）。"""
    return await tx.execute(insert(referral).values(**_plain(asdict(new))).on_conflict_do_nothing()) == 1


async def save_answer(tx: Transaction, answer: Answer) -> None:
    await tx.execute(_upsert(referral, asdict(answer.referral)))
    tx.publish(*answer.events)


def read_watch(row: Row[Any]) -> Watch:
    values = dict(row._mapping)
    outcome = values.pop("last_outcome")
    kinds = {"tier": WatchTier(values.pop("tier")), "legal_basis": LegalBasis(values.pop("legal_basis"))}
    return Watch(**values, **kinds, last_outcome=CheckInOutcome(outcome) if outcome else None)


def read_referral(row: Row[Any]) -> Referral:
    values = dict(row._mapping)
    values["member_ids"] = tuple(values["member_ids"])
    values |= {"urgency": Urgency(values["urgency"]), "legal_basis": LegalBasis(values["legal_basis"]), "state": ReferralState(values["state"])}
    return Referral(**values)


def _upsert(table: Table, values: dict[str, Any]) -> Any:
    plain = _plain(values)
    return insert(table).values(**plain).on_conflict_do_update(index_elements=["id"], set_={key: plain[key] for key in plain if key != "id"})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Codes as text, tuples as arrays."""
    return {key: value.value if hasattr(value, "value") else list(value) if isinstance(value, tuple) else value for key, value in values.items()}
