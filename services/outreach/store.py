"""What this desk has decided: watches, check-ins, answers to referrals. State and events go into one COMMIT."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach import tables
from services.outreach.referral import Referral, ReferralState
from services.outreach.staff import StaffRef
from services.outreach.watch import CheckIn, Watch
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import ConsultationId, HouseholdId, LegalBasis, MemberId
from shared.contracts.referral import DeclineReason
from shared.contracts.visit import CheckInOutcome, WatchTier
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

w, c, r = tables.watch, tables.check_in, tables.referral


class WatchNotFound(NotFound):
    sentence = "この見守りは見つかりません。見守り名簿から開いてください。"


class ReferralNotFound(NotFound):
    sentence = "このつなぎは見つかりません。つなぎの一覧から開いてください。"


def _watch(row: Row[Any]) -> Watch:
    values = dict(row._mapping)
    values.pop("changed_at")
    name = values.pop("changed_by_name")
    return Watch(
        **values
        | {
            "tier": WatchTier(row.tier),
            "legal_basis": LegalBasis(row.legal_basis),
            "last_outcome": CheckInOutcome(row.last_outcome) if row.last_outcome else None,
            "changed_by": StaffRef(row.changed_by, name),
        }
    )


def _watch_values(state: Watch, tx: Transaction) -> dict[str, Any]:
    return asdict(state) | {"changed_by": state.changed_by.sub, "changed_by_name": state.changed_by.name, "changed_at": tx.now}


async def watch(handle: Read, plan_id: UUID) -> Watch:
    """For looking."""
    row = await handle.row(select(w).where(w.c.plan_id == plan_id))
    if row is None:
        raise WatchNotFound
    return _watch(row)


async def watch_to_change(tx: Transaction, plan_id: UUID) -> Watch:
    """For deciding: whoever else decides on it waits until this transaction ends, and then sees what it did."""
    row = await tx.row(select(w).where(w.c.plan_id == plan_id).with_for_update())
    if row is None:
        raise WatchNotFound
    return _watch(row)


async def watches_to_change(tx: Transaction, household_id: HouseholdId) -> list[Watch]:
    """その世帯の見守り。Serialised per household, so that two plans at once see each other."""
    await tx.row(select(func.pg_advisory_xact_lock(func.hashtextextended(f"watch:{household_id}", 0))))
    return [_watch(row) for row in await tx.rows(select(w).where(w.c.household_id == household_id).order_by(w.c.plan_id).with_for_update())]


async def add_watch(tx: Transaction, outcome: Outcome[Watch]) -> bool:
    """A new plan. False when this plan is known already: then nothing is said again."""
    added = await tx.execute(insert(w).values(_watch_values(outcome.state, tx)).on_conflict_do_nothing(index_elements=["plan_id"]))
    if added:
        tx.publish(*outcome.events)
    return bool(added)


async def save_watch(tx: Transaction, outcome: Outcome[Watch]) -> None:
    await tx.execute(update(w).where(w.c.plan_id == outcome.state.plan_id).values(_watch_values(outcome.state, tx)))
    tx.publish(*outcome.events)


async def save_ground(tx: Transaction, plan_id: UUID, basis: LegalBasis) -> None:
    """Nobody touched the watch itself, so its page stays current."""
    await tx.execute(update(w).where(w.c.plan_id == plan_id, w.c.ended_on.is_(None)).values(legal_basis=basis.value))


async def watched_for(handle: Read, state: Watch) -> tuple[MemberId, ...]:
    """世帯の見守りなら、もとになったつなぎの人たち。"""
    row = await handle.row(select(r.c.member_ids).where(r.c.plan_id == state.plan_id))
    return tuple(row.member_ids) if row else ()


async def was_watched(handle: Read, household_id: HouseholdId) -> bool:
    """見守りの記録があるか（終わったものも）: 保存期間が終わるまで残る。"""
    return await handle.scalar(select(w.c.plan_id).where(w.c.household_id == household_id).limit(1)) is not None


async def is_recorded(tx: Transaction, check_in_id: UUID) -> bool:
    """Ask after `watch_to_change`: the second tap of a button waits there for the first."""
    return await tx.scalar(select(c.c.check_in_id).where(c.c.check_in_id == check_in_id)) is not None


async def save_check_in(tx: Transaction, outcome: Outcome[Watch], made: CheckIn) -> None:
    """The record, the watch it moved, and what is said of it."""
    by = outcome.state.changed_by
    values = {name: getattr(made, name) for name in ("check_in_id", "outcome", "at", "until", "memo")}
    row = {"plan_id": outcome.state.plan_id, "recorded_at": tx.now, "by_sub": by.sub, "by_name": by.name}
    await tx.execute(insert(c).values(values | row))
    await save_watch(tx, outcome)


async def history(handle: Read, plan_id: UUID, limit: int = 50) -> Sequence[Row[Any]]:
    """安否確認の記録、新しい順。"""
    return await handle.rows(select(c).where(c.c.plan_id == plan_id).order_by(c.c.at.desc(), c.c.recorded_at.desc()).limit(limit))


async def last_change(handle: Read, plan_id: UUID) -> Row[Any] | None:
    """最終更新: 誰が、いつ。"""
    return await handle.row(select(w.c.changed_by_name, w.c.changed_at).where(w.c.plan_id == plan_id))


def _referral(row: Row[Any]) -> Referral:
    values = dict(row._mapping)
    values.pop("plan_id")
    name = values.pop("answered_by_name")
    return Referral(
        **values
        | {
            "member_ids": tuple(row.member_ids),
            "topics": tuple(row.topics),
            "urgency": Urgency(row.urgency),
            "consent": ConsentState(row.consent),
            "legal_basis": LegalBasis(row.legal_basis),
            "state": ReferralState(row.state),
            "answered_by": StaffRef(row.answered_by, name) if row.answered_by else None,
            "decline_reason": DeclineReason(row.decline_reason) if row.decline_reason else None,
        }
    )


def _referral_values(state: Referral) -> dict[str, Any]:
    by = state.answered_by
    return asdict(state) | {
        "member_ids": list(state.member_ids),
        "topics": list(state.topics),
        "answered_by": by.sub if by else None,
        "answered_by_name": by.name if by else None,
    }


async def referral(handle: Read, referral_id: UUID) -> Referral:
    """For looking."""
    row = await handle.row(select(r).where(r.c.referral_id == referral_id))
    if row is None:
        raise ReferralNotFound
    return _referral(row)


async def referral_to_change(tx: Transaction, referral_id: UUID) -> Referral:
    row = await tx.row(select(r).where(r.c.referral_id == referral_id).with_for_update())
    if row is None:
        raise ReferralNotFound
    return _referral(row)


async def add_referral(tx: Transaction, arrived: Referral) -> bool:
    """False when it is known already."""
    return bool(await tx.execute(insert(r).values(_referral_values(arrived)).on_conflict_do_nothing()))


async def waiting_of_consultation(tx: Transaction, consultation_id: ConsultationId) -> list[Referral]:
    waiting = [state.value for state in ReferralState if state.waiting]
    rows = await tx.rows(select(r).where(r.c.consultation_id == consultation_id, r.c.state.in_(waiting)).with_for_update())
    return [_referral(row) for row in rows]


async def of_consultation(handle: Read, consultation_id: ConsultationId) -> list[UUID]:
    return [row.referral_id for row in await handle.rows(select(r.c.referral_id).where(r.c.consultation_id == consultation_id))]


async def save_referral(tx: Transaction, outcome: Outcome[Referral], *, plan_id: UUID | None = None) -> None:
    """The ground it was made under stays as it is, whatever the answer is given on: the names were asked for on it."""
    values = _referral_values(outcome.state) | ({"plan_id": plan_id} if plan_id else {})
    values.pop("legal_basis")
    await tx.execute(update(r).where(r.c.referral_id == outcome.state.referral_id).values(values))
    tx.publish(*outcome.events)


async def watch_of_referral(handle: Read, referral_id: UUID) -> UUID | None:
    found: UUID | None = await handle.scalar(select(r.c.plan_id).where(r.c.referral_id == referral_id))
    return found


async def accepted_referral_of(handle: Read, household_id: HouseholdId) -> Referral | None:
    """この世帯の、いちばん新しい受理したつなぎ: つなぎのない計画の根拠。"""
    accepted = select(r).where(r.c.household_id == household_id, r.c.state == ReferralState.ACCEPTED.value)
    row = await handle.row(accepted.order_by(r.c.made_on.desc(), r.c.referral_id).limit(1))
    return _referral(row) if row else None
